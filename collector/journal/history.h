/* history: the chain of a stream at earlier numbers, recomputed from its entries.
 *
 * Entries are walked from the newest back, over milestones where they help; each keeps the chain before its
 * first number and after its last, and only for a number in between is its body taken apart. Work is bounded:
 * what lies beyond HISTORY_STEPS_MAX steps counts as not known any more. A body counts by its size, and one
 * is taken apart whatever its size. One thread. */
#ifndef JOURNAL_HISTORY_H
#define JOURNAL_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "dedup.h"
#include "entry.h"

#define HISTORY_STEPS_MAX 16384u /* entries looked at for one batch: about 16 ms; a million entries back */

typedef struct history history;

/* How an entry is read. The body is lent until the next call. False: the journal does not hold it. */
typedef bool history_get(void *context, uint64_t position, journal_entry *ret_entry, wire_span *ret_body);

/* NULL: out of memory. */
history *history_new(history_get *get, void *context);
void history_free(history *h);

/* Begins with one stream. What is handed out is good until the next call. */
dedup_history history_of(history *h, const dedup_state *state);

#endif

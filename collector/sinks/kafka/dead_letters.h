/* dead_letters: rows that no broker takes, set aside in a directory, a file for each epoch that has some:
 *
 *     <collector>-<sink>-<history>-<epoch, 12 digits>.jsonl
 *     {"reason":"too_large","topic":"events","bytes":2097184,"event":{…}}
 *
 * A file is durable before its epoch is committed. One of an epoch that was not is removed when the sink
 * recovers, and the rows come again. A history is all that follows from one empty checkpoint topic; another
 * one counts its epochs from 1 again, and must not take what the first has committed for its own attempts.
 * One thread. Blocks for the disk. Does not log. */
#ifndef SINKS_KAFKA_DEAD_LETTERS_H
#define SINKS_KAFKA_DEAD_LETTERS_H

#include <stddef.h>
#include <stdint.h>

#include "row.h"
#include "store.h"

typedef enum dead_letter_reason {
    DEAD_LETTER_TOO_LARGE,
    DEAD_LETTER_REFUSED,
    DEAD_LETTER_REASONS,
} dead_letter_reason;

typedef struct dead_letters dead_letters;

/* Borrows the texts until dead_letters_close. `dir` must exist. NULL: out of memory. */
dead_letters *dead_letters_open(const char *dir, const char *collector, const char *sink);
/* Accepts NULL. */
void dead_letters_close(dead_letters *d);

/* A new epoch: forgets what was put and not kept, and removes what an attempt at it has left, durably.
 * `history` is borrowed until the next begin. */
sink_err dead_letters_begin(dead_letters *d, const char *history, uint64_t epoch);

/* `b` is the row's body. `bytes`: how large the message would have been. */
sink_err dead_letters_put(dead_letters *d, const row *r, body *b, dead_letter_reason reason,
                          const char *topic, size_t bytes);

/* Durable under its final name, if there is anything. */
sink_err dead_letters_keep(dead_letters *d);

/* How many were put since begin, by reason. */
uint64_t dead_letters_count(const dead_letters *d, dead_letter_reason reason);

#endif

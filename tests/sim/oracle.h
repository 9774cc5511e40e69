/* oracle: judges a store's content against a journal, by rules of its own. */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "mem_journal.h"
#include "mem_store.h"

typedef struct oracle {
    bool drained;
    bool restored;       /* journals were restored: only then may a stream's order break */
    bool lateness_known; /* one window throughout, and nothing forced out */
    bool as_they_leave;  /* late events are not sorted, and without a window none are */
    bool break_lateness; /* judges by a wrong rule: shows that a fault would be seen */
    int64_t window_us;
    uint32_t commits_holding; /* late events, that were judged */
    uint8_t *lost;            /* by uid: 1 where a restored journal forgot the event */
    uint32_t lost_cap;
} oracle;

/* The entries behind `n` are about to be forgotten. */
void oracle_lost(oracle *o, const mem_journal *j, uint64_t n);

/* NULL: nothing wrong. */
const char *oracle_judge(oracle *o, const mem_journal *j, const mem_store *s);

void oracle_fini(oracle *o);

#endif

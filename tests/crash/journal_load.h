/* A load of batches on a journal, and the check of what a journal must hold after any death. Shared by the
 * tests that kill. */
#ifndef CRASH_JOURNAL_LOAD_H
#define CRASH_JOURNAL_LOAD_H

#include "tests/unit/collector/journal/journal_rig.h"

enum { LOAD_STREAMS = 8, LOAD_NUMBERS = 5 };

/* What the devices know; in memory that outlives the process that is killed. */
typedef struct load_line {
    uint64_t acked, submitted; /* last number */
    uint64_t chain;            /* after acked */
} load_line;

typedef struct load {
    load_line lines[LOAD_STREAMS];
} load;

load *load_new(void); /* shared with children; zeros */
void load_free(load *l);

/* The next batch of a stream, noted as submitted. */
submission *load_submission(load *l, uint8_t stream);
/* Takes an answer; false unless it is OK. Frees the submission. */
bool load_answer(load *l, submission *s);

/* Opens the journal and reads all of it: positions without holes, times that never fall, every stream whole
 * and chained, all that was acknowledged, nothing that was not submitted, a ledger that agrees. NULL: good.
 */
const char *load_verify(rig *r, const load *l);

/* Runs `work` in a child; its exit status, or -signal. */
typedef int child_work(rig *r, load *l);
int child_run(child_work *work, rig *r, load *l);

#endif

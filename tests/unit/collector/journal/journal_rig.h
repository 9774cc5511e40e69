/* A journal in a directory of its own, with one ingress loop and one sink, for tests. */
#ifndef TEST_JOURNAL_RIG_H
#define TEST_JOURNAL_RIG_H

#include "journal.h"
#include "make_batch.h"

typedef struct rig {
    char dir[64];
    journal_options opt; /* may be changed between rig_init and rig_open */
    journal *j;
    journal_reader *reader;
    entry_source source;
    void *submit, *answers;
} rig;

void rig_init(rig *r); /* makes the directory and the options */
void rig_open(rig *r); /* opens and runs the journal; fails the test when that fails */
void rig_close(rig *r);
void rig_fini(rig *r); /* removes the directory */

void rig_submit(rig *r, submission *s);
/* The next answer, within a generous deadline; NULL behind it. */
submission *rig_answer(rig *r);

/* Submits one batch and gives its answer. */
wire_ack rig_send(rig *r, const batch_plan *plan);

/* Waits until the condition holds; fails the test behind a deadline. */
void rig_until(bool (*condition)(rig *r, uint64_t argument), rig *r, uint64_t argument);

/* The journal's entry at that position; fails the test when there is none. */
journal_entry rig_entry(rig *r, uint64_t position);
uint64_t rig_first(rig *r);
uint64_t rig_last(rig *r);

#endif

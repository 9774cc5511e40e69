#include "journal_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

load *load_new(void) {
    void *shared = mmap(NULL, sizeof(load), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? NULL : shared;
}

void load_free(load *l) { munmap(l, sizeof *l); }

static batch_plan plan_of(const load *l, uint8_t stream) {
    const load_line *line = &l->lines[stream];
    return (batch_plan){.stream = stream,
                        .installation = (uint8_t)(stream % 3),
                        .first_seq = line->acked + 1,
                        .last_seq = line->acked + LOAD_NUMBERS,
                        .low = line->acked + 1,
                        .chain = line->chain,
                        .step_us = 10,
                        .padding_bytes = 100u * stream};
}

submission *load_submission(load *l, uint8_t stream) {
    batch_plan p = plan_of(l, stream);
    l->lines[stream].submitted = p.last_seq;
    return submission_make(&p);
}

bool load_answer(load *l, submission *s) {
    load_line *line = &l->lines[s->facts.stream[0]];
    bool ok = s->ack.status == WIRE_STATUS_OK && s->ack.agreed_through == s->facts.last_seq;
    if (ok) {
        line->chain = s->facts.chain_after;
        line->acked = s->ack.agreed_through;
    }
    submission_free(s);
    return ok;
}

/* ---- check -------------------------------------------------------------------------------------- */

typedef struct found {
    uint64_t next[LOAD_STREAMS], chain[LOAD_STREAMS];
    uint64_t numbers;
    int64_t received_us;
} found;

static const char *entry_check(const journal_entry *e, uint64_t position, found *f) {
    if (e->position != position)
        return "a position is not its own";
    if (e->received_us < f->received_us)
        return "received_us fell";
    f->received_us = e->received_us;
    if (e->kind != ENTRY_BATCH)
        return NULL;
    uint8_t stream = e->stream[0];
    if (stream >= LOAD_STREAMS || e->first_seq != f->next[stream] || e->chain_before != f->chain[stream])
        return "a stream is not whole";
    f->next[stream] += e->n_items;
    f->chain[stream] = e->chain_after;
    f->numbers += e->n_items;
    return NULL;
}

static const char *entries_check(rig *r, found *f) {
    const char *wrong = rig_first(r) == 1 ? NULL : "the beginning is missing";
    uint64_t last = rig_last(r);
    for (uint64_t position = 1; wrong == NULL && position <= last; position++) {
        const journal_entry *e;
        wire_span body;
        wrong = r->source.get(r->source.context, position, &e, &body) ? entry_check(e, position, f)
                                                                      : "an entry is missing";
    }
    r->source.release(r->source.context);
    return wrong;
}

static const char *lines_check(const load *l, const found *f) {
    for (int i = 0; i < LOAD_STREAMS; i++) {
        if (f->next[i] <= l->lines[i].acked)
            return "LOSS: acknowledged and not there";
        if (f->next[i] > l->lines[i].submitted + 1)
            return "there and never submitted";
        if (f->next[i] == l->lines[i].acked + 1 && f->chain[i] != l->lines[i].chain)
            return "another chain";
    }
    return NULL;
}

const char *load_verify(rig *r, const load *l) {
    found f = {.numbers = 0};
    for (int i = 0; i < LOAD_STREAMS; i++)
        f.next[i] = 1;
    rig_open(r);
    const char *wrong = entries_check(r, &f);
    if (wrong == NULL)
        wrong = lines_check(l, &f);
    ledger total;
    if (wrong == NULL && (journal_ledger_total(r->j, &total) != JOURNAL_OK || !ledger_balances(&total) ||
                          total.delivered != f.numbers))
        wrong = "the ledger does not agree";
    rig_close(r);
    return wrong;
}

int child_run(child_work *work, rig *r, load *l) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(work(r, l));
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Death of a journal at every system call of a start and two group commits: once as kill -9 leaves the file,
 * once as a power cut does, with none, some or all of what was written since the last sync. What was
 * acknowledged is there each time, once and in order.
 *
 *     journal_power_test [--seed N] [--every N]     every N-th stop only */
#include "journal_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zmq.h>

#include "diag.h"
#include "power_cut.h"
#include "state.h"

enum { STOPS_MAX = 5000, GROUPS = 2, SKIPPED = 77 };

typedef struct test {
    rig *r;
    load *l;
} test;

/* Commits a group of every stream's next batch in this thread, as the writer does. */
static int group_main(journal *j, load *l) {
    for (uint8_t stream = 0; stream < LOAD_STREAMS; stream++)
        j->group[j->n_group++] = load_submission(l, stream);
    if (writer_commit(j, MARK_NONE) != JOURNAL_OK)
        return 3;
    for (; j->n_group > 0; j->n_group--)
        if (!load_answer(l, j->group[j->n_group - 1]))
            return 4;
    return 0;
}

/* Opens the journal and commits groups: a death in one puts what the one before acknowledged to the test. */
static int commit_main(void *context) {
    const test *t = context;
    t->r->opt.zmq = zmq_ctx_new();
    t->r->opt.unchecked = true; /* it reads, thousands of calls that cannot lose anything */
    journal *j = NULL;
    if (journal_open(&t->r->opt, &j) != JOURNAL_OK)
        return 2;
    int result = 0;
    for (int i = 0; i < GROUPS && result == 0; i++)
        result = group_main(j, t->l);
    return result;
}

static int verify_main(rig *r, load *l) {
    const char *wrong = load_verify(r, l);
    if (wrong != NULL)
        fprintf(stderr, "%s\n", wrong);
    return wrong != NULL;
}

/* One death at stop n. Negative: something is wrong; 0: it lived to its end; 1: it died and all is well. */
static int death(test *t, const char *path, uint32_t n, int kept_percent) {
    static power_disk disk;
    power_run run;
    if (!power_disk_open(&disk, path))
        return -1;
    int result = power_run_child(&disk, commit_main, t, n, &run) ? run.killed : -2;
    if (result == 0 && (!WIFEXITED(run.status) || WEXITSTATUS(run.status) != 0))
        result = -3;
    if (result == 1 && kept_percent >= 0 && !power_disk_cut(&disk, (unsigned)kept_percent))
        result = -4;
    power_disk_close(&disk);
    if (result >= 0 && child_run(verify_main, t->r, t->l) != 0)
        result = -5;
    return result;
}

/* Every stop of a run, in one way of dying. False: something is wrong. */
static bool way_run(test *t, const char *path, int kept_percent, uint32_t every) {
    int result = 1;
    uint32_t n = 1;
    for (; result == 1 && n < STOPS_MAX; n += every)
        result = death(t, path, n, kept_percent);
    printf("  %s: %u stops, %s\n", kept_percent < 0 ? "kill" : "power cut", n,
           result == 0 ? "good" : "WRONG");
    if (result != 0)
        printf("  result %d at stop %u, kept %d %%\n", result, n - every, kept_percent);
    return result == 0;
}

int main(int argc, char **argv) {
    unsigned seed = 1, every = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = (unsigned)strtoul(argv[i + 1], NULL, 0);
        else if (strcmp(argv[i], "--every") == 0)
            every = (unsigned)strtoul(argv[i + 1], NULL, 0);
    }
    const char *sanitizer = getenv("WADI_SANITIZE");
    if (sanitizer != NULL && sanitizer[0] != 0) {
        printf("skipped: a sanitizer's own system calls are no journal's\n");
        return SKIPPED;
    }
    srand(seed);
    diag_level_set(DIAG_WARN);
    rig r;
    rig_init(&r);
    char path[128];
    snprintf(path, sizeof path, "%s/journal.mdb", r.dir);
    test t = {&r, load_new()};
    static const int ways[] = {-1, 0, 50, 50, 100};
    bool good = t.l != NULL;
    for (size_t i = 0; good && i < sizeof ways / sizeof ways[0]; i++)
        good = way_run(&t, path, ways[i], every);
    printf("journal_power_test: seed=%u %s\n", seed, good ? "good" : "WRONG");
    rig_fini(&r);
    return !good;
}

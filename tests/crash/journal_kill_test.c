/* kill -9 of a journal at random moments under load: what was acknowledged is there, once and in order.
 *
 *     journal_kill_test [--seed N] [--count N] */
#include "journal_load.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "diag.h"

enum { LIFE_US_MAX = 60000 };

static int verify_main(rig *r, load *l) {
    const char *wrong = load_verify(r, l);
    if (wrong != NULL)
        fprintf(stderr, "%s\n", wrong);
    return wrong != NULL;
}

/* Every stream has one batch under way, until somebody kills us. */
static void load_main(rig *r, load *l) {
    rig_open(r);
    for (uint8_t stream = 0; stream < LOAD_STREAMS; stream++)
        rig_submit(r, load_submission(l, stream));
    for (;;) {
        submission *s = rig_answer(r);
        uint8_t stream = s != NULL ? s->facts.stream[0] : 0;
        if (s == NULL || !load_answer(l, s))
            _exit(3);
        rig_submit(r, load_submission(l, stream));
    }
}

/* One life: killed after a random time. False: it died of something else. */
static bool life(rig *r, load *l, unsigned life_us) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        load_main(r, l);
    if (pid < 0)
        return false;
    const struct timespec t = {.tv_nsec = 1000L * life_us};
    nanosleep(&t, NULL);
    kill(pid, SIGKILL);
    int status = 0;
    return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static uint64_t acked_sum(const load *l) {
    uint64_t sum = 0;
    for (int i = 0; i < LOAD_STREAMS; i++)
        sum += l->lines[i].acked;
    return sum;
}

int main(int argc, char **argv) {
    unsigned seed = 1, count = 200;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = (unsigned)strtoul(argv[i + 1], NULL, 0);
        else if (strcmp(argv[i], "--count") == 0)
            count = (unsigned)strtoul(argv[i + 1], NULL, 0);
    }
    srand(seed);
    diag_level_set(DIAG_WARN);
    rig r;
    rig_init(&r);
    r.opt.max_bytes = UINT64_C(1) << 30;
    load *l = load_new();
    int failed = l == NULL;
    unsigned lives = 0;
    for (; lives < count && !failed; lives++)
        failed = !life(&r, l, (unsigned)rand() % LIFE_US_MAX) || child_run(verify_main, &r, l) != 0;
    printf("journal_kill_test: seed=%u kills=%u acknowledged=%" PRIu64 " failed=%d\n", seed, lives,
           l != NULL ? acked_sum(l) : 0, failed);
    failed |= l != NULL && acked_sum(l) == 0; /* a load that does nothing proves nothing */
    rig_fini(&r);
    return failed;
}

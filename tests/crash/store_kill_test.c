/* kill -9 at random moments of a process that opens a lane, records, and has its events stored meanwhile. The
 * same directory all the way. Every event for which wadi_track had returned OK is in the store once, in
 * order. Argument: how many kills. WADI_TEST_SEED repeats the moments, as far as a machine does. */
#include "tests/crash/store_events.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILLS 200u
#define KILLS_MAX 5000u
#define ROUND_US_MAX 25000u
#define ROUND_EVENTS_MAX 10000u /* whatever the machine's pace: the disk quota must not act */

static uint32_t kills = KILLS;
static uint64_t *ok; /* shared with the children: events returned OK, by round */

static _Noreturn void child_record(const char *dir, uint32_t round) {
    wadi *w = lane_open(dir, 10);
    if (w == NULL)
        _exit(2);
    for (uint64_t i = 0; i < ROUND_EVENTS_MAX; i++) {
        wadi_err err = lane_track(w, round, i, NULL);
        if (err == WADI_OK)
            *(volatile uint64_t *)&ok[round] = i + 1;
        else
            i--; /* the ring is full */
        if (i % 64 == 0 && wadi_flush(w) != WADI_OK)
            _exit(3);
    }
    for (;;)
        pause();
}

static void round_run(const char *dir, uint32_t round) {
    const struct timespec moment = {.tv_nsec = (long)((unsigned long)random() % ROUND_US_MAX) * 1000};
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_record(dir, round);
    nanosleep(&moment, NULL);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

typedef struct audit {
    uint64_t round;
    uint64_t next; /* index */
    uint64_t unreturned;
} audit;

/* The last event of a round may be there although its call never returned. */
static void round_end(audit *a) {
    assert_in_range(a->next, ok[a->round], ok[a->round] + 1);
    a->unreturned += a->next > ok[a->round];
}

static void event_audit(void *context, uint64_t round, uint64_t index) {
    audit *a = context;
    assert_true(round >= a->round && round < kills);
    for (; a->round < round; a->round++, a->next = 0)
        round_end(a);
    assert_int_equal(index, a->next);
    a->next++;
}

static void test_kill_at_random_moments_loses_nothing(void **state) {
    (void)state;
    const char *given = getenv("WADI_TEST_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
    char dir[LANE_DIR_BYTES];
    audit a = {.round = 0};
    fprintf(stderr, "seed %u\n", seed);
    srandom(seed);
    ok = mmap(NULL, KILLS_MAX * sizeof *ok, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(ok, MAP_FAILED);
    lane_dir_make(dir);
    for (uint32_t round = 0; round < kills; round++) {
        round_run(dir, round);
        if (round % 16 == 15) { /* what is stored would fill the disk quota */
            wadi *w = lane_open(dir, 1000);
            assert_non_null(w);
            assert_int_equal(wadi_close(w, 1000), WADI_OK);
            lane_settle(dir, event_audit, &a);
        }
    }
    wadi *w = lane_open(dir, 1000);
    assert_non_null(w);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_settle(dir, event_audit, &a);
    for (; a.round < kills; a.round++, a.next = 0)
        round_end(&a);
    uint64_t total = 0;
    for (uint32_t round = 0; round < kills; round++)
        total += ok[round];
    fprintf(stderr, "%u kills, %llu events returned OK, %llu more recorded\n", kills,
            (unsigned long long)total, (unsigned long long)a.unreturned);
    assert_true(total > 0);
    lane_dir_remove(dir);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_at_random_moments_loses_nothing),
    };
    if (argc > 1)
        kills = (uint32_t)strtoul(argv[1], NULL, 10);
    if (kills == 0 || kills > KILLS_MAX)
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Death at every system call of an open that salvages: before the call and after it. The next open finds
 * either the damaged file still in its place or the salvaged one: every number is delivered or dropped, once,
 * and nothing comes out that was not recorded. */
#include "tests/unit/sdk/store/store_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1u << 20)
#define PAGE 4096u
#define EVENTS 600u
#define STOPS_MAX 20000u

static uint32_t stride = 15; /* between deaths, behind the first ones; 1 with an argument */

/* What to do to the file. */
typedef void (*damage_fn)(uint8_t *bytes, size_t n);

static void first_meta(uint8_t *bytes, size_t n) {
    (void)n;
    memset(bytes, 0, PAGE);
}

/* Both meta pages, and the middle of every third large value. */
static void most_of_it(uint8_t *bytes, size_t n) {
    memset(bytes, 0, 2 * (size_t)PAGE);
    for (size_t page = 2; page < n / PAGE; page += 3)
        if (bytes[page * PAGE + 10] == 4) /* PAGE_OVERFLOW */
            memset(bytes + page * PAGE + 16, 0x55, 64);
}

static void another_file(uint8_t *bytes, size_t n) { memset(bytes, 'x', n); }

static void file_damage(const char *path, damage_fn damage) {
    struct stat st = {.st_size = 0};
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *bytes = malloc((size_t)st.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    damage(bytes, (size_t)st.st_size);
    assert_int_equal(pwrite(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    free(bytes);
    close(fd);
}

static rig *store_damaged(damage_fn damage) {
    rig *r = rig_new(MIB, 7);
    wdi_store_batch b;
    for (unsigned i = 0; i < 3; i++)
        rig_fill(r, EVENTS / 3, WADI_NORMAL);
    assert_true(rig_send(r, 150, &b));
    wdi_store_close(r->store);
    r->store = NULL;
    file_damage(r->path, damage);
    return r;
}

/* Opens in a child that dies at stop `stop`. False: it came to its end first. */
static bool open_and_die(rig *r, uint32_t stop) {
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        rig_open(r);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
    for (uint32_t n = 0; n < stop; n++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return false;
        }
        assert_true(WIFSTOPPED(status));
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return true;
}

typedef struct tally {
    uint8_t numbers[EVENTS + 1];
    uint64_t events, dropped;
} tally;

/* Every event's time is its number. */
static void batch_count(const rig *r, const wdi_store_batch *b, tally *t) {
    const uint8_t *at = r->out;
    size_t d = 0;
    for (uint64_t number = b->head.first_seq; number <= b->last_seq; number++) {
        assert_in_range(number, 1, EVENTS);
        assert_int_equal(t->numbers[number]++, 0);
        while (d < b->head.n_dropped && b->head.dropped[d].first_seq + b->head.dropped[d].n <= number)
            d++;
        if (d < b->head.n_dropped && b->head.dropped[d].first_seq <= number) {
            t->dropped++;
            continue;
        }
        wire_event_view view;
        size_t n = at[1];
        assert_true(n < 128);
        assert_int_equal(wire_event_scan(at + 2, n, &view), WIRE_OK);
        assert_int_equal(view.at_us, number);
        at += 2 + n;
        t->events++;
    }
}

static void all_count(rig *r, tally *t) {
    wdi_store_batch b;
    memset(t, 0, sizeof *t);
    rig_open(r);
    rig_check_ledger(r);
    while (rig_send(r, 0, &b)) {
        batch_count(r, &b, t);
        assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
    }
    assert_int_equal(rig_stats(r).pending, 0);
}

/* What an undisturbed open makes of it is what every interrupted one must lead to. */
static void deaths(damage_fn damage, const char *name) {
    tally whole, t;
    rig *r = store_damaged(damage);
    all_count(r, &whole);
    rig_free(r);
    uint32_t stop = 1;
    bool died = true;
    for (; died && stop < STOPS_MAX; stop += stop < 40 ? 1 : stride) {
        r = store_damaged(damage);
        died = open_and_die(r, stop);
        all_count(r, &t);
        if (t.events != whole.events || t.dropped != whole.dropped)
            fail_msg("%s: dead at stop %u: %llu events and %llu dropped, not %llu and %llu", name, stop,
                     (unsigned long long)t.events, (unsigned long long)t.dropped,
                     (unsigned long long)whole.events, (unsigned long long)whole.dropped);
        rig_free(r);
    }
    printf("%s: %u stops; %llu events, %llu dropped\n", name, stop, (unsigned long long)whole.events,
           (unsigned long long)whole.dropped);
    assert_true(!died);
}

static void test_death_in_a_salvage_of_all(void **state) {
    (void)state;
    deaths(first_meta, "one meta page gone");
}

static void test_death_in_a_salvage_of_some(void **state) {
    (void)state;
    deaths(most_of_it, "metas and values gone");
}

static void test_death_while_a_file_is_set_aside(void **state) {
    (void)state;
    deaths(another_file, "another file");
}

int main(int argc, char **argv) {
    (void)argv;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_death_in_a_salvage_of_all),
        cmocka_unit_test(test_death_in_a_salvage_of_some),
        cmocka_unit_test(test_death_while_a_file_is_set_aside),
    };
    if (argc == 2)
        stride = 1;
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1); /* deaths, not power cuts */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

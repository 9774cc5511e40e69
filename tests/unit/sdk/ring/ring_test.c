/* The living ring: order, wrap-around, full, slots that nobody commits, a file that lies. */
#include "tests/unit/sdk/ring/ring_fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "sdk/src/base/clock.h"

#include <pthread.h>
#include <sys/stat.h>

#include "schemas/wire/wire.h"

static void put(fixture *f, const void *data, uint32_t n) {
    wadi_ticket ticket = 0;
    assert_int_equal(wdi_ring_put(&f->ring, WDI_RECORD_EVENT, WADI_NORMAL, data, n, &ticket), WADI_OK);
    assert_int_equal(ticket, wdi_ring_tail(&f->ring));
}

static wdi_record take(fixture *f) {
    wdi_record record;
    assert_int_equal(wdi_ring_read(&f->ring, &record), WDI_RING_RECORD);
    return record;
}

static void assert_empty(fixture *f) {
    wdi_record record;
    assert_int_equal(wdi_ring_read(&f->ring, &record), WDI_RING_EMPTY);
    assert_true(wdi_ring_empty(&f->ring));
}

static void test_record_comes_out_as_it_went_in(void **state) {
    fixture *f = *state;
    assert_empty(f);
    assert_int_equal(wdi_ring_put(&f->ring, WDI_RECORD_CONTEXT, WADI_CRITICAL, "context", 7, NULL), WADI_OK);
    put(f, "event", 5);
    wdi_record record = take(f);
    assert_int_equal(record.pos, FIXTURE_START);
    assert_int_equal(record.end, FIXTURE_START + 24);
    assert_int_equal(record.kind, WDI_RECORD_CONTEXT);
    assert_int_equal(record.priority, WADI_CRITICAL);
    assert_int_equal(record.n, 7);
    assert_memory_equal(record.data, "context", 7);
    assert_int_equal(record.crc, wire_crc_event(wire_crc_seed(fixture_run.nonce), "context", 7));
    assert_memory_equal(take(f).data, "event", 5);
    assert_empty(f);
}

static void test_payload_at_its_limits(void **state) {
    fixture *f = *state;
    uint32_t max = f->ring.payload_max;
    assert_int_equal(max, FIXTURE_RING_BYTES / 4);
    uint8_t *big = calloc(1, max + 1);
    assert_int_equal(wdi_ring_put(&f->ring, WDI_RECORD_EVENT, WADI_NORMAL, big, 0, NULL), WADI_ERR_INVALID);
    assert_int_equal(wdi_ring_put(&f->ring, WDI_RECORD_EVENT, WADI_NORMAL, big, max + 1, NULL),
                     WADI_ERR_TOO_LARGE);
    uint64_t pos = 0;
    assert_null(wdi_ring_claim(&f->ring, 0, &pos));
    assert_null(wdi_ring_claim(&f->ring, max + 1, &pos));
    put(f, big, max);
    assert_int_equal(take(f).n, max);
    free(big);
}

static void test_wrap_keeps_records_whole(void **state) {
    fixture *f = *state;
    uint64_t random = fixture_seed();
    uint8_t data[600];
    uint64_t laps_end = FIXTURE_START + 20u * FIXTURE_RING_BYTES;
    for (uint32_t i = 0; wdi_ring_tail(&f->ring) < laps_end; i++) {
        uint32_t n = 1 + (uint32_t)(fixture_random(&random) % sizeof data);
        memset(data, (int)(i & 0xFF), n);
        put(f, data, n);
        wdi_record record = take(f);
        assert_int_equal(record.n, n);
        assert_memory_equal(record.data, data, n);
        if (i % 7 == 0)
            wdi_ring_release(&f->ring, wdi_ring_cursor(&f->ring));
    }
}

static uint32_t fill(fixture *f) {
    uint32_t n = 0;
    while (wdi_ring_put(&f->ring, WDI_RECORD_EVENT, WADI_NORMAL, "12345678", 8, NULL) == WADI_OK)
        n++;
    return n;
}

static void test_full_refuses_until_released(void **state) {
    fixture *f = *state;
    assert_int_equal(fill(f), FIXTURE_RING_BYTES / 24);
    for (uint32_t i = 0; i < FIXTURE_RING_BYTES / 24; i++)
        take(f);
    assert_empty(f);
    assert_int_equal(fill(f), 0); /* read is not released */
    wdi_ring_release(&f->ring, wdi_ring_cursor(&f->ring));
    assert_int_equal(wdi_ring_used(&f->ring), 0);
    assert_int_equal(fill(f), FIXTURE_RING_BYTES / 24);
}

static void test_release_clears_and_ignores_nonsense(void **state) {
    fixture *f = *state;
    put(f, "a", 1);
    put(f, "b", 1);
    uint64_t first = take(f).end;
    wdi_ring_release(&f->ring, first + 24); /* not read yet */
    assert_int_equal(wdi_ring_used(&f->ring), 48);
    wdi_ring_release(&f->ring, first);
    wdi_ring_release(&f->ring, first - 24);
    assert_int_equal(wdi_ring_used(&f->ring), 24);
    static const uint8_t zeros[24];
    assert_memory_equal(f->ring.data + (FIXTURE_START & f->ring.mask), zeros, sizeof zeros);
    assert_memory_equal(take(f).data, "b", 1);
}

static void test_seek_reads_again(void **state) {
    fixture *f = *state;
    put(f, "a", 1);
    put(f, "b", 1);
    uint64_t between = take(f).end;
    take(f);
    wdi_ring_seek(&f->ring, between);
    assert_memory_equal(take(f).data, "b", 1);
    wdi_ring_seek(&f->ring, wdi_ring_cursor(&f->ring) + 8); /* ahead: no */
    assert_empty(f);
    wdi_ring_seek(&f->ring, FIXTURE_START);
    assert_memory_equal(take(f).data, "a", 1);
}

static void test_uncommitted_blocks_what_is_behind(void **state) {
    fixture *f = *state;
    uint64_t pos = 0;
    uint8_t *payload = wdi_ring_claim(&f->ring, 3, &pos);
    put(f, "behind", 6);
    wdi_record record;
    f->ring.probed_us = 0; /* let it ask: we live */
    assert_int_equal(wdi_ring_read(&f->ring, &record), WDI_RING_BLOCKED);
    assert_false(wdi_ring_empty(&f->ring));
    memcpy(payload, "now", 3);
    wdi_ring_commit(&f->ring, pos, WDI_RECORD_EVENT, WADI_NORMAL, 3);
    assert_memory_equal(take(f).data, "now", 3);
    assert_memory_equal(take(f).data, "behind", 6);
    assert_int_equal(f->ring.skipped, 0);
}

static void *claim_and_leave(void *argument) {
    uint64_t pos = 0;
    return wdi_ring_claim(argument, 40, &pos);
}

static void test_slot_of_a_thread_that_ended_is_skipped(void **state) {
    fixture *f = *state;
    put(f, "before", 6);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, claim_and_leave, &f->ring), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    put(f, "behind", 6);
    assert_memory_equal(take(f).data, "before", 6);
    wdi_record record;
    wdi_ring_state found = WDI_RING_BLOCKED;
    for (int i = 0; i < 2000 && found == WDI_RING_BLOCKED; i++) {
        usleep(WDI_RING_PROBE_US); /* a joined thread may still be seen by the kernel for a moment */
        found = wdi_ring_read(&f->ring, &record);
    }
    assert_int_equal(found, WDI_RING_RECORD);
    assert_memory_equal(record.data, "behind", 6);
    assert_int_equal(f->ring.skipped, 1);
    wdi_ring_release(&f->ring, wdi_ring_cursor(&f->ring));
    assert_int_equal(wdi_ring_used(&f->ring), 0);
}

static void test_record_overwritten_in_memory_is_passed(void **state) {
    fixture *f = *state;
    put(f, "one", 3);
    put(f, "two", 3);
    put(f, "three", 5);
    wdi_slot_payload(wdi_slot_at(&f->ring, FIXTURE_START))[1] ^= 4;
    wdi_slot_at(&f->ring, FIXTURE_START + 24)->word ^= 3u << WDI_WORD_PRIORITY_SHIFT;
    assert_memory_equal(take(f).data, "three", 5);
    assert_int_equal(f->ring.damaged_bytes, 48);
    assert_empty(f);
}

static void test_file_is_private_and_has_its_size(void **state) {
    fixture *f = *state;
    struct stat st;
    assert_int_equal(fstatat(f->dir_fd, "ring", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(st.st_size > FIXTURE_RING_BYTES);
    assert_true((uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size);
    assert_int_equal(fcntl(f->ring.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void test_start_takes_another_size(void **state) {
    fixture *f = *state;
    put(f, "gone", 4);
    assert_int_equal(wdi_ring_start(&f->ring, &fixture_run, 1u << 20, 3 * FIXTURE_RING_BYTES), WADI_OK);
    assert_int_equal(f->ring.mask + 1, 4 * FIXTURE_RING_BYTES);
    assert_empty(f);
    put(f, "here", 4);
    assert_int_equal(take(f).pos, 1u << 20);
    assert_int_equal(wdi_ring_start(&f->ring, &fixture_run, 12, FIXTURE_RING_BYTES), WADI_ERR_INVALID);
    assert_int_equal(wdi_ring_start(&f->ring, &fixture_run, 0, FIXTURE_RING_BYTES), WADI_ERR_INVALID);
}

static void test_file_of_a_strange_size_is_made_anew(void **state) {
    fixture *f = *state;
    static const off_t sizes[] = {0, 1, 4096, 70000, 1 << 30};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(ftruncate(f->ring.fd, sizes[i]), 0);
        fixture_reopen(f);
        assert_int_equal(f->ring.mask + 1, FIXTURE_RING_BYTES);
        fixture_start(f);
        put(f, "x", 1);
    }
}

static void test_sparse_file_gets_its_blocks(void **state) {
    fixture *f = *state;
    struct stat st;
    assert_int_equal(fstat(f->ring.fd, &st), 0);
    assert_int_equal(ftruncate(f->ring.fd, 0), 0);
    assert_int_equal(ftruncate(f->ring.fd, st.st_size), 0);
    fixture_reopen(f);
    assert_int_equal(fstat(f->ring.fd, &st), 0);
    assert_true((uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size);
}

static void test_open_says_what_is_wrong(void **state) {
    fixture *f = *state;
    wdi_ring ring;
    assert_int_equal(wdi_ring_open(&ring, -1, FIXTURE_RING_BYTES), WADI_ERR_IO);
    wdi_ring_close(&ring);
    assert_int_equal(mkdirat(f->dir_fd, "d", 0700), 0);
    int fd = openat(f->dir_fd, "d", O_RDONLY | O_DIRECTORY);
    assert_int_equal(mkdirat(fd, "ring", 0700), 0);
    assert_int_not_equal(wdi_ring_open(&ring, fd, FIXTURE_RING_BYTES), WADI_OK);
    wdi_ring_close(&ring);
    unlinkat(fd, "ring", AT_REMOVEDIR);
    close(fd);
    unlinkat(f->dir_fd, "d", AT_REMOVEDIR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#define PREEMPTIONS_MIN 500u
#define PREEMPTED_US_MAX 30u /* about what a hundred records take */
#define PREEMPTIONS_DEADLINE_US 60000000u

static wdi_ring *drained_ring;
static volatile sig_atomic_t draining, preemptions, refused;

static void drain_all(wdi_ring *ring) {
    wdi_record record;
    while (wdi_ring_read(ring, &record) == WDI_RING_RECORD)
        continue;
    wdi_ring_release(ring, wdi_ring_cursor(ring));
}

/* As if the thread had been preempted, and the others had recorded and drained meanwhile. Asserts nothing:
 * that would jump out of the handler. */
static void record_and_drain(int signal_number) {
    (void)signal_number;
    if (draining)
        return;
    if (wdi_ring_put(drained_ring, WDI_RECORD_EVENT, WADI_NORMAL, "from outside", 12, NULL) != WADI_OK)
        refused = 1;
    drain_all(drained_ring);
    preemptions++;
}

/* Once, and soon: a timer that repeated itself would leave a slow machine no time but the handler's, with a
 * slot that is never committed, behind which the ring fills. */
static bool preempt_soon(uint32_t us) {
    const struct itimerval once = {.it_value = {0, (suseconds_t)us}};
    return setitimer(ITIMER_REAL, &once, NULL) == 0;
}

static void test_ring_with_room_is_never_full(void **state) {
    fixture *f = *state;
    struct sigaction action = {.sa_handler = record_and_drain}, before;
    const uint64_t began_us = base_mono_us();
    uint64_t now_us = began_us;
    uint32_t spurious = 0, soon_us = 0;
    bool armed = true;
    drained_ring = &f->ring;
    draining = preemptions = refused = 0;
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    while (armed && (now_us - began_us < 1000000 || preemptions < (sig_atomic_t)PREEMPTIONS_MIN) &&
           now_us - began_us < PREEMPTIONS_DEADLINE_US) {
        soon_us = soon_us % PREEMPTED_US_MAX + 1;
        armed = preempt_soon(soon_us);
        for (int i = 0; i < 100; i++) {
            spurious += wdi_ring_put(&f->ring, WDI_RECORD_EVENT, WADI_NORMAL, "x", 1, NULL) != WADI_OK;
            draining = 1;
            drain_all(&f->ring);
            draining = 0;
        }
        now_us = base_mono_us();
    }
    bool disarmed = preempt_soon(0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    assert_true(armed && disarmed);
    assert_int_equal(spurious, 0);
    assert_int_equal(refused, 0);
    assert_true(preemptions >= (sig_atomic_t)PREEMPTIONS_MIN);
}

/* Page faults that recording about a quarter of the ring takes. The file is on its disk first: the kernel has
 * made all pages read-only to notice the next write. */
static long faults_of_a_quarter(fixture *f, bool warm) {
    static const uint8_t payload[1000];
    struct rusage before, after;
    size_t page = (size_t)(f->ring.data - (uint8_t *)f->ring.header);
    assert_int_equal(msync(f->ring.header, page + 2 * FIXTURE_RING_BYTES, MS_SYNC), 0);
    if (warm)
        wdi_ring_warm(&f->ring, FIXTURE_RING_BYTES / 4);
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    for (int i = 0; i < 16; i++)
        assert_int_equal(wdi_ring_put(&f->ring, WDI_RECORD_EVENT, WADI_NORMAL, payload, sizeof payload, NULL),
                         WADI_OK);
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    drain_all(&f->ring);
    return after.ru_minflt - before.ru_minflt;
}

static void test_warm_memory_takes_no_page_faults(void **state) {
    fixture *f = *state;
    if (SANITIZED)
        skip_because("the sanitizer's own memory has faults");
    bool can = madvise(f->ring.data, 4096, 23 /* MADV_POPULATE_WRITE */) == 0;
    (void)faults_of_a_quarter(f, false); /* what this program itself writes to first */
    if (!can || faults_of_a_quarter(f, false) <= 1)
        skip_because("a kernel before 5.14, or a file system that writes nothing back");
    /* Twice around. One fault a time is the header's, which was read meanwhile: a CPU is not told that a page
     * that it knows has become writable. And the kernel may write back at any moment, once. */
    long faults = 0;
    for (int i = 0; i < 9; i++)
        faults += faults_of_a_quarter(f, true);
    assert_in_range(faults, 0, 9 + 5);
}

/* Advice is taken about any amount, wherever the tail is, and changes nothing that is there. */
static void test_warming_changes_nothing(void **state) {
    fixture *f = *state;
    static const uint64_t amounts[] = {0, 1, 4096, FIXTURE_RING_BYTES, UINT64_MAX};
    wdi_record record;
    for (uint32_t i = 0; i < 3000; i++) {
        assert_int_equal(wdi_ring_put(&f->ring, WDI_RECORD_EVENT, WADI_NORMAL, &i, sizeof i, NULL), WADI_OK);
        wdi_ring_warm(&f->ring, amounts[i % 5]);
        assert_int_equal(wdi_ring_read(&f->ring, &record), WDI_RING_RECORD);
        assert_memory_equal(record.data, &i, sizeof i);
        wdi_ring_release(&f->ring, wdi_ring_cursor(&f->ring));
    }
}

/* The default action of SIGXFSZ would end our host. */
static void test_limit_of_file_sizes_is_an_error_and_no_signal(void **state) {
    fixture *f = *state;
    assert_int_equal(unlinkat(f->dir_fd, "ring", 0), 0);
    pid_t child = fork();
    if (child == 0) {
        wdi_ring ring;
        const struct rlimit small = {4096, 4096};
        if (setrlimit(RLIMIT_FSIZE, &small) != 0)
            _exit(1);
        _exit(wdi_ring_open(&ring, f->dir_fd, FIXTURE_RING_BYTES) == WADI_ERR_DISK_FULL ? 0 : 2);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_record_comes_out_as_it_went_in),
        TEST(test_payload_at_its_limits),
        TEST(test_wrap_keeps_records_whole),
        TEST(test_full_refuses_until_released),
        TEST(test_release_clears_and_ignores_nonsense),
        TEST(test_seek_reads_again),
        TEST(test_uncommitted_blocks_what_is_behind),
        TEST(test_slot_of_a_thread_that_ended_is_skipped),
        TEST(test_record_overwritten_in_memory_is_passed),
        TEST(test_file_is_private_and_has_its_size),
        TEST(test_start_takes_another_size),
        TEST(test_file_of_a_strange_size_is_made_anew),
        TEST(test_sparse_file_gets_its_blocks),
        TEST(test_open_says_what_is_wrong),
        TEST(test_ring_with_room_is_never_full),
        TEST(test_warm_memory_takes_no_page_faults),
        TEST(test_warming_changes_nothing),
        TEST(test_limit_of_file_sizes_is_an_error_and_no_signal),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}

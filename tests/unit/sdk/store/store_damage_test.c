/* store_damage_test [COUNT]: a store in a damaged file, as many times (300). Whatever the damage, the store
 * opens, no signal comes, what it hands out is right, and it takes new events. */
#include "tests/unit/sdk/store/store_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/sdk/base/lmdb_check/histories.h"

#define MIB (1u << 20)
#if !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22
#endif

static uint64_t seed;
static unsigned long count = 300;

/* Bytes [from, end) of a file that the disk does not give. */
static struct {
    ino_t file;
    off_t from, end;
} unreadable;

/* libc's, but for these. */
ssize_t pread(int fd, void *out, size_t n, off_t at) {
    struct stat st;
    if (unreadable.end > at && unreadable.from < at + (off_t)n && fstat(fd, &st) == 0 &&
        st.st_ino == unreadable.file) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, out, n, at);
}

/* A look at a mapped value of which the disk does not give the second page. */
int madvise(void *from, size_t n, int advice) {
    size_t page = 0;
    if (advice == MADV_POPULATE_READ && n > HISTORY_PAGE_BYTES && unreadable.end != 0)
        memcpy(&page, from, sizeof page);
    if (page != 0 && (off_t)page * HISTORY_PAGE_BYTES == unreadable.from - HISTORY_PAGE_BYTES) {
        errno = EFAULT;
        return -1;
    }
    return (int)syscall(SYS_madvise, from, n, advice);
}

static void unreadable_set(const rig *r, off_t from, off_t end) {
    struct stat st;
    assert_int_equal(stat(r->path, &st), 0);
    unreadable.file = st.st_ino;
    unreadable.from = from;
    unreadable.end = end;
}

static image file_read(const char *path) {
    struct stat st = {.st_size = 1};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    image i = {malloc((size_t)st.st_size), (size_t)st.st_size};
    assert_int_equal(pread(fd, i.bytes, i.n, 0), st.st_size);
    close(fd);
    return i;
}

static void file_write(const char *path, const image *i) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, i->bytes, i->n, 0), i->n);
    close(fd);
}

/* Some transactions, some of it sent, some settled; the store stays open. */
static void store_age(rig *r) {
    wdi_store_batch b;
    for (uint64_t steps = 1 + rig_random(r, 12); steps > 0; steps--) {
        rig_fill(r, 1 + rig_random(r, 200), WADI_NORMAL);
        if (rig_random(r, 3) == 0 && rig_send(r, 0, &b) && rig_random(r, 2) == 0)
            assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
        if (rig_random(r, 8) == 0)
            rig_run(r, (uint8_t)rig_random(r, 3), 1000 * steps);
    }
}

/* What a child saw; numbers that were assigned before the damage only. */
typedef struct outcome {
    uint64_t assigned; /* after it */
    uint64_t events, lost, corrupt;
    bool anew; /* nothing was salvaged */
} outcome;

/* Event `number` is the one that got this number at first: its time is its number. */
static uint64_t batch_count(const rig *r, const wdi_store_batch *b, uint64_t before, outcome *ret) {
    const uint8_t *at = r->out;
    size_t dropped = 0;
    uint64_t number = b->head.first_seq;
    for (; number <= b->last_seq; number++) {
        while (dropped < b->head.n_dropped &&
               b->head.dropped[dropped].first_seq + b->head.dropped[dropped].n <= number)
            dropped++;
        const wire_dropped *d = &b->head.dropped[dropped];
        if (dropped < b->head.n_dropped && d->first_seq <= number) {
            ret->lost += d->reason == WADI_DROP_STORE_LOST;
            ret->corrupt += d->reason == WADI_DROP_CORRUPT;
            continue;
        }
        wire_event_view view;
        size_t n = at[1], frame = 2; /* a tag and a short length */
        assert_true(n < 128);
        if (wire_event_scan(at + frame, n, &view) != WIRE_OK || view.at_us != number)
            return number;
        at += frame + n;
        ret->events += number <= before;
    }
    return 0;
}

/* In a child. Damage that only shows later ends the use of the store with an error, and that is all. Returns
 * 0, or the number of an event that is another one than it was. */
static uint64_t store_use(rig *r, uint64_t before, outcome *ret) {
    wdi_store_batch b;
    const wdi_store_want want = {.now_us = 1, .out = r->out, .cap = sizeof r->out};
    bool any = true;
    uint64_t wrong = 0;
    rig_open(r);
    rig_check_ledger(r);
    ret->assigned = rig_stats(r).assigned;
    ret->anew = ret->assigned == 0;
    wadi_err err = WADI_OK;
    while (err == WADI_OK && any && wrong == 0) {
        err = wdi_store_peek(r->store, &want, &b, &any);
        if (err == WADI_OK && any)
            err = wdi_store_sending(r->store, b.head.stream, b.last_seq);
        if (err == WADI_OK && any)
            wrong = batch_count(r, &b, before, ret);
        if (err == WADI_OK && any)
            err = wdi_store_settle(r->store, b.head.stream, b.last_seq);
    }
    if (err == WADI_OK && wrong == 0) {
        r->ring_pos = wdi_store_ring_pos(r->store);
        rig_run(r, 7, 5000);
        rig_fill(r, 50, WADI_NORMAL);
        rig_check_ledger(r);
    }
    wdi_store_close(r->store);
    return err == WADI_OK || err == WADI_ERR_CORRUPT ? wrong : UINT64_MAX;
}

static void outcome_add(const outcome *one, const wadi_stats *before, outcome *sum, uint64_t *owed) {
    *owed += before->pending;
    sum->events += one->events < before->pending ? one->events : before->pending;
    sum->lost += one->lost;
    sum->corrupt += one->corrupt;
    sum->assigned += one->assigned != before->assigned && !one->anew;
}

/* What was owed: after the damage it comes out, or is a tombstone, unless the store had to begin anew. */
static void damaged_store_try(uint64_t of, outcome *shared, outcome *sum, uint64_t *owed) {
    rig *r = rig_new(MIB, of);
    history chance = {.random = of * 2654435761u + 1};
    store_age(r);
    wadi_stats stats = rig_stats(r);
    image i = file_read(r->path); /* as a killed process leaves it */
    const char *how = image_damage(&chance, &i);
    wdi_store_close(r->store);
    file_write(r->path, &i);
    image_free(&i);
    (void)fflush(stdout);
    int status = 0;
    memset(shared, 0, sizeof *shared);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(store_use(r, stats.assigned, shared) == 0 ? 0 : 3);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("seed %llu: %s: status %x", (unsigned long long)of, how, (unsigned)status);
    uint64_t out = shared->events + shared->lost + shared->corrupt;
    if (shared->assigned == stats.assigned && out < stats.pending)
        fail_msg("seed %llu: %s: of %llu owed only %llu are accounted for", (unsigned long long)of, how,
                 (unsigned long long)stats.pending, (unsigned long long)out);
    if (strcmp(how, "of another format") != 0 && strcmp(how, "cut") != 0) /* of these nothing may be left */
        outcome_add(shared, &stats, sum, owed);
    r->store = NULL;
    rig_free(r);
}

static void test_no_damage_kills_the_host_or_keeps_the_store_shut(void **state) {
    (void)state;
    outcome sum = {.anew = false};
    uint64_t owed = 0, anew = 0;
    outcome *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    for (unsigned long n = 0; n < count; n++) {
        damaged_store_try(seed + n, shared, &sum, &owed);
        anew += shared->anew;
    }
    munmap(shared, sizeof *shared);
    printf("%lu damaged stores: of %llu events owed %llu came out, %llu are lost, %llu corrupt; %llu stores "
           "begun "
           "anew, %llu from an older state\n",
           count, (unsigned long long)owed, (unsigned long long)sum.events, (unsigned long long)sum.lost,
           (unsigned long long)sum.corrupt, (unsigned long long)anew, (unsigned long long)sum.assigned);
    assert_true(sum.events * 100 >= owed * 95);
}

/* Flips a bit of every version of the chunk's table that holds the event. */
static void table_damage(const rig *r, uint32_t crc) {
    image i = file_read(r->path);
    size_t hits = 0;
    for (uint8_t *at = i.bytes; (at = memmem(at, i.n - (size_t)(at - i.bytes), &crc, sizeof crc)) != NULL;
         hits++)
        at[0] ^= 1;
    assert_true(hits > 0);
    file_write(r->path, &i);
    image_free(&i);
}

/* 600 numbers in three chunks; the first 500 were sent, and the middle chunk is lost. */
static void test_lost_numbers_become_tombstones_and_what_follows_changes_its_stream(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    wdi_store_batch b;
    uint32_t crc = 0;
    rig_fill(r, 200, WADI_NORMAL);
    assert_int_equal(wdi_store_begin(r->store), WADI_OK);
    for (unsigned n = 0; n < 200; n++)
        assert_int_equal(rig_put(r, 20, WADI_NORMAL, &crc), WADI_OK);
    assert_int_equal(wdi_store_commit(r->store, r->ring_pos), WADI_OK);
    rig_fill(r, 200, WADI_NORMAL);
    assert_true(rig_send(r, 500, &b));
    assert_int_equal(b.last_seq, 500);
    uint8_t old[WIRE_ID_BYTES];
    memcpy(old, b.head.stream, sizeof old);
    wdi_store_close(r->store);
    table_damage(r, crc);
    rig_open(r);
    assert_int_equal(rig_stats(r).quarantined, 1);
    assert_int_equal(rig_stats(r).assigned, 600);
    assert_int_equal(rig_stats(r).pending, 600);
    assert_true(rig_send(r, 0, &b));
    assert_memory_equal(b.head.stream, old, sizeof old);
    assert_int_equal(b.head.first_seq, 1);
    assert_int_equal(b.last_seq, 200);
    assert_true(rig_send(r, 0, &b));
    assert_memory_not_equal(b.head.stream, old, sizeof old);
    assert_int_equal(b.head.first_seq, 201);
    assert_int_equal(b.head.low, 201);
    assert_int_equal(b.last_seq, 600);
    assert_int_equal(b.head.resent_through, 500);
    assert_int_equal(b.head.n_dropped, 1);
    assert_int_equal(b.head.dropped[0].reason, WADI_DROP_STORE_LOST);
    assert_int_equal(b.head.dropped[0].first_seq, 201);
    assert_int_equal(b.head.dropped[0].n, 200);
    assert_int_equal(wdi_store_settle(r->store, old, 200), WADI_OK);
    assert_int_equal(wdi_store_settle(r->store, b.head.stream, 600), WADI_OK);
    assert_int_equal(rig_stats(r).acked, 400);
    assert_int_equal(rig_stats(r).dropped[WADI_DROP_STORE_LOST], 200);
    rig_check_ledger(r);
    rig_run(r, 1, 5000);
    rig_fill(r, 1, WADI_NORMAL);
    assert_true(rig_peek(r, "", 0, &b));
    assert_int_equal(b.head.first_seq, 601);
    rig_reopen(r);
    assert_int_equal(rig_stats(r).assigned, 601);
    rig_free(r);
}

/* Whichever meta page is left: nothing is lost, and no number changes its stream. */
static void test_one_meta_page_is_enough(void **state) {
    (void)state;
    for (size_t page = 0; page < 2; page++) {
        rig *r = rig_new(MIB, 1);
        wdi_store_batch b;
        rig_fill(r, 300, WADI_NORMAL);
        assert_true(rig_send(r, 100, &b));
        uint8_t old[WIRE_ID_BYTES];
        memcpy(old, b.head.stream, sizeof old);
        wdi_store_close(r->store);
        image i = file_read(r->path);
        memset(i.bytes + page * HISTORY_PAGE_BYTES, 0, HISTORY_PAGE_BYTES);
        file_write(r->path, &i);
        image_free(&i);
        rig_open(r);
        assert_int_equal(rig_stats(r).quarantined, 1);
        assert_int_equal(rig_stats(r).pending, 300);
        assert_true(rig_send(r, 0, &b));
        assert_memory_equal(b.head.stream, old, sizeof old);
        assert_int_equal(b.last_seq, 300);
        assert_int_equal(b.head.n_dropped, 0);
        rig_free(r);
    }
}

static void test_what_a_killed_process_leaves_is_not_set_aside(void **state) {
    (void)state;
    for (uint64_t of = seed; of < seed + 30; of++) {
        rig *r = rig_new(MIB, of);
        store_age(r);
        wadi_stats before = rig_stats(r);
        image i = file_read(r->path);
        wdi_store_close(r->store);
        file_write(r->path, &i);
        image_free(&i);
        rig_open(r);
        assert_int_equal(rig_stats(r).quarantined, 0);
        assert_int_equal(rig_stats(r).assigned, before.assigned);
        assert_int_equal(rig_stats(r).pending, before.pending);
        rig_free(r);
    }
}

static void test_quarantine_keeps_the_newest_within_its_size(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    uint64_t bytes = 0, files = 0;
    for (unsigned n = 0; n < 6; n++) {
        rig_fill(r, 100, WADI_NORMAL);
        wdi_store_close(r->store);
        assert_int_equal(truncate(r->path, 400 * 1024), 0);
        image i = file_read(r->path);
        memset(i.bytes, 0, 4096);
        file_write(r->path, &i);
        image_free(&i);
        rig_open(r);
        rig_run(r, 1, 1000 * n);
    }
    DIR *d = opendir(r->quarantine);
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        struct stat st;
        if (e->d_name[0] == '.')
            continue;
        assert_int_equal(fstatat(dirfd(d), e->d_name, &st, 0), 0);
        bytes += (uint64_t)st.st_blocks * 512;
        files++;
    }
    closedir(d);
    assert_in_range(bytes, 1, MIB);
    assert_in_range(files, 2, 3);
    rig_free(r);
}

/* Of the middle one of three chunks of 200 the disk does not give one of its pages. */
static void block_lost(off_t which) {
    rig *r = rig_new(MIB, 1);
    wdi_store_batch b;
    uint32_t crc = 0;
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(wdi_store_begin(r->store), WADI_OK);
        for (unsigned k = 0; k < 200; k++)
            assert_int_equal(rig_put(r, 20, WADI_NORMAL, n < 2 ? &crc : NULL), WADI_OK);
        assert_int_equal(wdi_store_commit(r->store, r->ring_pos), WADI_OK);
    }
    wdi_store_close(r->store);
    image i = file_read(r->path);
    const uint8_t *at = memmem(i.bytes, i.n, &crc, sizeof crc);
    assert_non_null(at);
    off_t page = ((at - i.bytes) / HISTORY_PAGE_BYTES + which) * HISTORY_PAGE_BYTES;
    image_free(&i);
    unreadable_set(r, page, page + HISTORY_PAGE_BYTES);
    rig_open(r);
    unreadable_set(r, 0, 0);
    assert_int_equal(rig_stats(r).quarantined, 1);
    assert_int_equal(rig_stats(r).pending, 600);
    while (rig_send(r, 0, &b))
        assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
    assert_int_equal(rig_stats(r).dropped[WADI_DROP_STORE_LOST], 200);
    assert_int_equal(rig_stats(r).acked, 400);
    rig_check_ledger(r);
    rig_free(r);
}

static void test_a_block_that_cannot_be_read_costs_what_is_on_it(void **state) {
    (void)state;
    block_lost(0);
    block_lost(1);
}

static void test_a_disk_that_gives_nothing_is_no_damage(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    rig_fill(r, 600, WADI_NORMAL);
    wdi_store_close(r->store);
    r->store = NULL;
    const wdi_store_options opt = {.path = r->path, .quarantine_dir = r->quarantine, .disk_bytes_max = MIB};
    unreadable_set(r, 2 * HISTORY_PAGE_BYTES, MIB);
    assert_int_equal(wdi_store_open(&opt, &r->store), WADI_ERR_IO);
    unreadable_set(r, 0, MIB);
    assert_int_equal(wdi_store_open(&opt, &r->store), WADI_ERR_IO);
    unreadable_set(r, 0, 0);
    rig_open(r);
    assert_int_equal(rig_stats(r).quarantined, 0);
    assert_int_equal(rig_stats(r).pending, 600);
    rig_free(r);
}

/* The page of the newest event's bytes; its chunk is larger than a page. */
static off_t newest_page(const rig *r) {
    uint8_t event[RIG_EVENT_MAX];
    size_t n = rig_event(r->serial - 1, 1000, WADI_NORMAL, event);
    image i = file_read(r->path);
    uint8_t *at = memmem(i.bytes, i.n, event, n);
    assert_non_null(at);
    off_t page = (at - i.bytes) / HISTORY_PAGE_BYTES * HISTORY_PAGE_BYTES;
    image_free(&i);
    return page;
}

/* Reading what the file no longer has is a SIGBUS, as reading what the disk cannot read: not here. */
static void test_unreadable_pages_of_a_value_are_an_error(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    wdi_store_batch b;
    bool any = true;
    const wdi_store_want want = {.now_us = 1, .out = r->out, .cap = sizeof r->out};
    assert_int_equal(wdi_store_begin(r->store), WADI_OK);
    for (unsigned n = 0; n < 8; n++)
        assert_int_equal(rig_put(r, 1000, WADI_NORMAL, NULL), WADI_OK);
    assert_int_equal(wdi_store_commit(r->store, r->ring_pos), WADI_OK);
    assert_int_equal(truncate(r->path, newest_page(r)), 0);
    assert_int_equal(wdi_store_peek(r->store, &want, &b, &any), WADI_ERR_IO);
    rig_free(r);
}

static uint64_t file_limit(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    return (uint64_t)setrlimit(RLIMIT_FSIZE, &limit);
}

/* What is set aside, on disk. */
static uint64_t quarantine_bytes(const rig *r) {
    uint64_t bytes = 0;
    DIR *d = opendir(r->quarantine);
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        struct stat st;
        assert_int_equal(fstatat(dirfd(d), e->d_name, &st, 0), 0);
        bytes += S_ISREG(st.st_mode) ? (uint64_t)st.st_blocks * 512 : 0;
    }
    closedir(d);
    return bytes;
}

static rig *damaged_and_no_room(rlim_t room) {
    rig *r = rig_new(2 * MIB, 1);
    for (unsigned n = 0; n < 20; n++)
        rig_fill(r, 500, WADI_NORMAL);
    wdi_store_close(r->store);
    image i = file_read(r->path);
    memset(i.bytes, 0, 4096);
    file_write(r->path, &i);
    image_free(&i);
    assert_int_equal(file_limit(room), 0);
    rig_open(r);
    assert_int_equal(file_limit(RLIM_INFINITY), 0);
    assert_int_equal(rig_stats(r).quarantined, 1);
    assert_in_range(quarantine_bytes(r), 300 << 10, 2 * MIB - 1); /* without what it never used */
    return r;
}

/* The application goes on, and what it cannot have of the damaged file is counted, if there is room for it.
 */
static void test_no_room_for_a_copy_keeps_no_store_shut(void **state) {
    (void)state;
    wdi_store_batch b;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    rig *r = damaged_and_no_room(300 << 10);
    assert_int_equal(rig_stats(r).assigned, 10000);
    assert_int_equal(rig_stats(r).pending, 10000);
    rig_run(r, 1, 5000);
    rig_fill(r, 10, WADI_NORMAL);
    while (rig_send(r, 0, &b))
        assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
    assert_int_equal(rig_stats(r).dropped[WADI_DROP_STORE_LOST], 10000);
    assert_int_equal(rig_stats(r).acked, 10);
    rig_check_ledger(r);
    rig_free(r);

    r = damaged_and_no_room(48 << 10);
    assert_int_equal(rig_stats(r).assigned, 0);
    r->ring_pos = 0;
    rig_run(r, 1, 5000);
    rig_fill(r, 10, WADI_NORMAL);
    rig_check_ledger(r);
    rig_free(r);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_damage_kills_the_host_or_keeps_the_store_shut),
        cmocka_unit_test(test_lost_numbers_become_tombstones_and_what_follows_changes_its_stream),
        cmocka_unit_test(test_one_meta_page_is_enough),
        cmocka_unit_test(test_a_block_that_cannot_be_read_costs_what_is_on_it),
        cmocka_unit_test(test_a_disk_that_gives_nothing_is_no_damage),
        cmocka_unit_test(test_unreadable_pages_of_a_value_are_an_error),
        cmocka_unit_test(test_no_room_for_a_copy_keeps_no_store_shut),
        cmocka_unit_test(test_what_a_killed_process_leaves_is_not_set_aside),
        cmocka_unit_test(test_quarantine_keeps_the_newest_within_its_size),
    };
    const char *text = getenv("WADI_TEST_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    if (argc == 2)
        count = strtoul(argv[1], NULL, 10);
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1); /* what is tried here is not the disk */
    printf("WADI_TEST_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

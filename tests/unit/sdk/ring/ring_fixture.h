/* A ring in a directory of its own, for the tests of ring and event. */
#ifndef TESTS_RING_FIXTURE_H
#define TESTS_RING_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sdk/src/ring/layout.h"
#include "sdk/src/ring/ring.h"

/* A sanitizer has memory, faults and system calls of its own. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#if !defined(SANITIZED)
#define SANITIZED 0
#endif

static inline void skip_because(const char *reason) {
    print_message("skipped: %s\n", reason);
    skip();
}

#define FIXTURE_RING_BYTES WDI_RING_BYTES_MIN
#define FIXTURE_START 4096u

static const wdi_run_id fixture_run = {.ordinal = 3, .nonce = 0xC0FFEE, .boot_id = {1, 2, 3}};

typedef struct fixture {
    char dir[64];
    int dir_fd;
    wdi_ring ring;
} fixture;

static inline void fixture_start(fixture *f) {
    assert_int_equal(wdi_ring_start(&f->ring, &fixture_run, FIXTURE_START, FIXTURE_RING_BYTES), WADI_OK);
}

/* Closes and opens again, as another process would: whatever is in the file is what there is. */
static inline void fixture_reopen(fixture *f) {
    wdi_ring_close(&f->ring);
    assert_int_equal(wdi_ring_open(&f->ring, f->dir_fd, FIXTURE_RING_BYTES), WADI_OK);
}

static inline int fixture_setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->dir, "/tmp/wadi-ring-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->dir_fd >= 0);
    assert_int_equal(wdi_ring_open(&f->ring, f->dir_fd, FIXTURE_RING_BYTES), WADI_OK);
    fixture_start(f);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state) {
    fixture *f = *state;
    wdi_ring_close(&f->ring);
    unlinkat(f->dir_fd, "ring", 0);
    close(f->dir_fd);
    rmdir(f->dir);
    free(f);
    return 0;
}

/* The seed of a random test: WADI_TEST_SEED, or from the process; printed, so that a failure can be repeated.
 */
static inline uint64_t fixture_seed(void) {
    const char *given = getenv("WADI_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)getpid() * 2654435761u;
    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

/* xorshift64* */
static inline uint64_t fixture_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

#endif

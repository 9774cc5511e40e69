#include "sdk/src/base/clock.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int64_t clock_read_us(clockid_t id) {
    struct timespec ts;
    assert_int_equal(clock_gettime(id, &ts), 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void test_clocks_when_read_then_between_two_readings_of_the_system(void **state) {
    (void)state;
    int64_t before = clock_read_us(CLOCK_BOOTTIME);
    int64_t now = (int64_t)base_boot_us();
    assert_true(before <= now && now <= clock_read_us(CLOCK_BOOTTIME));
    before = clock_read_us(CLOCK_MONOTONIC);
    now = (int64_t)base_mono_us();
    assert_true(before <= now && now <= clock_read_us(CLOCK_MONOTONIC));
    /* The wall clock may be stepped between: a second of it either way is no failure. */
    before = clock_read_us(CLOCK_REALTIME);
    now = base_wall_us();
    assert_true(before - 1000000 <= now && now <= clock_read_us(CLOCK_REALTIME) + 1000000);
}

static void test_clocks_when_read_again_then_never_back(void **state) {
    (void)state;
    uint64_t boot = base_boot_us(), mono = base_mono_us();
    for (int i = 0; i < 10000; i++) {
        const uint64_t next_boot = base_boot_us(), next_mono = base_mono_us();
        assert_true(next_boot >= boot && next_mono >= mono);
        boot = next_boot;
        mono = next_mono;
    }
}

static void test_boot_id_when_read_then_the_kernel_s(void **state) {
    (void)state;
    char expected[64] = {0}, digits[40] = {0};
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file)
        skip();
    const size_t n = fread(expected, 1, sizeof expected - 1, file);
    (void)fclose(file);
    uint8_t id[16];
    base_boot_id(id);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (expected[i] != '-' && expected[i] != '\n')
            expected[at++] = expected[i];
    }
    for (size_t i = 0; i < 16; i++)
        (void)snprintf(digits + 2 * i, 3, "%02x", id[i]);
    assert_int_equal(at, 32);
    assert_memory_equal(digits, expected, 32);
}

/* In a process that has no /proc: an id of its own, always the same. */
static int without_proc(uint8_t ret_id[16]) {
    uint8_t again[16];
    static const uint8_t zeros[16];
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", "/proc", "tmpfs", 0, NULL) != 0)
            _exit(77);
        base_boot_id(ret_id);
        base_boot_id(again);
        const int good = memcmp(ret_id, again, 16) == 0 && memcmp(ret_id, zeros, 16) != 0;
        _exit(good && write(ends[1], ret_id, 16) == 16 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 0)
        assert_int_equal(read(ends[0], ret_id, 16), 16);
    close(ends[0]);
    close(ends[1]);
    return WEXITSTATUS(status);
}

static void test_boot_id_when_the_kernel_does_not_tell_then_no_two_processes_share_one(void **state) {
    (void)state;
    uint8_t one[16], other[16];
    const int status = without_proc(one);
    if (status == 77)
        skip();
    assert_int_equal(status, 0);
    assert_int_equal(without_proc(other), 0);
    assert_memory_not_equal(one, other, 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks_when_read_then_between_two_readings_of_the_system),
        cmocka_unit_test(test_clocks_when_read_again_then_never_back),
        cmocka_unit_test(test_boot_id_when_read_then_the_kernel_s),
        cmocka_unit_test(test_boot_id_when_the_kernel_does_not_tell_then_no_two_processes_share_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

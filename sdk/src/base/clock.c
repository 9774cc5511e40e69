#include "sdk/src/base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sdk/src/base/random.h"

static int64_t clock_us(clockid_t id) {
    struct timespec ts = {0, 0};
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + (int64_t)((uint64_t)ts.tv_nsec / 1000); /* never negative */
}

uint64_t base_boot_us(void) { return (uint64_t)clock_us(CLOCK_BOOTTIME); }

uint64_t base_mono_us(void) { return (uint64_t)clock_us(CLOCK_MONOTONIC); }

int64_t base_wall_us(void) { return clock_us(CLOCK_REALTIME); }

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* The kernel writes a UUID: 32 digits in groups with dashes between. False for anything else. */
static bool uuid_parse(const char *text, size_t n, uint8_t ret_id[16]) {
    uint8_t id[16] = {0};
    size_t digits = 0;
    for (size_t i = 0; i < n && digits < 32; i++) {
        if (text[i] == '-')
            continue;
        const int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | digit);
        digits++;
    }
    if (digits != 32)
        return false;
    memcpy(ret_id, id, 16);
    return true;
}

/* Where the kernel does not tell, no two processes can be known to be of one boot: what one of them knows of
 * the boot clock, or of memory that no power cut took, must not be believed by the next. */
static uint8_t unknown_boot_id[16];

static void unknown_boot_make(void) { (void)!base_random(unknown_boot_id, sizeof unknown_boot_id); }

void base_boot_id(uint8_t ret_id[16]) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    char text[64];
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0)
        (void)close(fd);
    if (n > 0 && uuid_parse(text, (size_t)n, ret_id))
        return;
    pthread_once(&once, unknown_boot_make);
    memcpy(ret_id, unknown_boot_id, sizeof unknown_boot_id);
}

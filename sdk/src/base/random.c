#include "sdk/src/base/random.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

bool base_random(void *out, size_t n) {
    uint8_t *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        at += got;
        n -= (size_t)got;
    }
    return true;
}

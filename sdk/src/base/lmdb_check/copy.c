/* A file as of one transaction, while its owner goes on writing to it. */
#include "sdk/src/base/lmdb_check/file.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MAX 64u
#define PAUSE_NS 2000000
#define BLOCK_BYTES 65536u

static lmdb_check_reason block_write(int fd, uint64_t at, const uint8_t *bytes, size_t n) {
    while (n > 0) {
        ssize_t done = pwrite(fd, bytes, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return LMDB_CHECK_READ_FAULT;
        bytes += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return LMDB_CHECK_NONE_FAULT;
}

static lmdb_check_reason bytes_copy(const lmdb_file *file, int to_fd, uint64_t bytes) {
    uint8_t block[BLOCK_BYTES];
    lmdb_check_reason reason = LMDB_CHECK_NONE_FAULT;
    if (ftruncate(to_fd, 0) != 0)
        return LMDB_CHECK_READ_FAULT;
    for (uint64_t at = 0; reason == LMDB_CHECK_NONE_FAULT && at < bytes;) {
        size_t n = bytes - at < sizeof block ? (size_t)(bytes - at) : sizeof block;
        reason = lmdb_file_read(file, at, block, n);
        if (reason == LMDB_CHECK_NONE_FAULT)
            reason = block_write(to_fd, at, block, n);
        at += n;
    }
    return reason;
}

/* The pages of transaction n stay as they are while the newest meta page is n's: a writer takes pages that
 * were free in n - 1 already. So equal meta pages before and after mean that what lies between is one state.
 * A file whose meta pages are broken has nothing to go by: it is copied as it lies. */
lmdb_check_result lmdb_check_copy(int fd, int to_fd, const lmdb_check_limits *limits, bool *ret_settled) {
    static const struct timespec pause = {.tv_nsec = PAUSE_NS};
    lmdb_check_reason reason = LMDB_CHECK_NONE_FAULT;
    bool settled = false;
    for (unsigned tries = 0; reason == LMDB_CHECK_NONE_FAULT && !settled && tries < TRIES_MAX; tries++) {
        lmdb_file before, after;
        uint64_t page = 0;
        lmdb_check_reason fault = lmdb_file_open(fd, limits, &before, &page);
        uint64_t bytes = before.bytes;
        if (fault == LMDB_CHECK_NONE_FAULT && (before.last_page + 1) * before.page_bytes < bytes)
            bytes = (before.last_page + 1) * before.page_bytes;
        reason = lmdb_check_result_of(fault) == LMDB_CHECK_FAILED ? fault : bytes_copy(&before, to_fd, bytes);
        if (reason != LMDB_CHECK_NONE_FAULT)
            break;
        settled = lmdb_file_open(fd, limits, &after, &page) == fault && before.bytes == after.bytes &&
                  (fault != LMDB_CHECK_NONE_FAULT ||
                   (before.txn == after.txn && before.last_page == after.last_page));
        if (!settled)
            (void)nanosleep(&pause, NULL);
    }
    *ret_settled = settled;
    return reason == LMDB_CHECK_NONE_FAULT ? LMDB_CHECK_GOOD : LMDB_CHECK_FAILED;
}

/* The ring's file: made, mapped, given to a run. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schemas/wire/wire.h"
#include "sdk/src/base/crc32c.h"
#include "sdk/src/ring/layout.h"
#include "sdk/src/ring/ring.h"

#define RING_FILE "ring"
#define ZERO_CHUNK 4096u
#define WARM_START_BYTES (64u * 1024u) /* of a run of which nothing is known yet */

static wadi_err err_of(int code) {
    switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return WADI_ERR_DISK_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
        return WADI_ERR_PERMISSION;
    case EMFILE:
    case ENFILE:
    case EINTR: /* says nothing about the disk */
        return WADI_ERR_SYSTEM;
    case ENOMEM:
        return WADI_ERR_NO_MEMORY;
    default:
        return WADI_ERR_IO;
    }
}

static size_t header_bytes(void) {
    long page = sysconf(_SC_PAGESIZE);
    return page > 0 ? (size_t)page : 4096u;
}

static uint64_t bytes_round(uint32_t bytes) {
    uint64_t rounded = WDI_RING_BYTES_MIN;
    while (rounded < bytes && rounded < WDI_RING_BYTES_MAX)
        rounded *= 2;
    return rounded;
}

static bool bytes_valid(uint64_t bytes) {
    return bytes >= WDI_RING_BYTES_MIN && bytes <= WDI_RING_BYTES_MAX && (bytes & (bytes - 1)) == 0;
}

/* ---- the mapping ------------------------------------------------------------------------------------ */

static size_t mapping_bytes(uint64_t bytes) { return header_bytes() + 2 * (size_t)bytes; }

static void ring_unmap(wdi_ring *ring) {
    if (ring->header != NULL)
        munmap(ring->header, mapping_bytes(ring->mask + 1));
    ring->header = NULL;
    ring->data = NULL;
}

_Static_assert(sizeof(wdi_ring_header) <= 4096u, "the header has one page");

/* Header and data, and the data once more behind it, in one reserved stretch of addresses. */
static wadi_err ring_map(wdi_ring *ring, uint64_t bytes) {
    size_t head = header_bytes();
    size_t total = mapping_bytes(bytes);
    uint8_t *base = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return WADI_ERR_NO_MEMORY;
    uint8_t *again = base + head + bytes;
    int protection = PROT_READ | PROT_WRITE;
    if (mmap(base, head + (size_t)bytes, protection, MAP_SHARED | MAP_FIXED | MAP_POPULATE, ring->fd, 0) ==
            MAP_FAILED ||
        mmap(again, (size_t)bytes, protection, MAP_SHARED | MAP_FIXED | MAP_POPULATE, ring->fd,
             (off_t)head) == MAP_FAILED) {
        wadi_err err = err_of(errno);
        munmap(base, total);
        return err;
    }
    ring->header = (wdi_ring_header *)(void *)base;
    ring->data = base + head;
    ring->mask = bytes - 1;
    ring->payload_max = bytes / 4 < WDI_RING_PAYLOAD_MAX ? (uint32_t)(bytes / 4) : WDI_RING_PAYLOAD_MAX;
    return WADI_OK;
}

/* ---- the file --------------------------------------------------------------------------------------- */

/* Where the file system cannot reserve, writing reserves. */
static wadi_err file_write_zeros(int fd, off_t from, off_t to) {
    static const uint8_t zeros[ZERO_CHUNK];
    while (from < to) {
        size_t n = to - from < (off_t)ZERO_CHUNK ? (size_t)(to - from) : ZERO_CHUNK;
        ssize_t written = pwrite(fd, zeros, n, from);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? err_of(errno) : WADI_ERR_DISK_FULL;
        from += written;
    }
    return WADI_OK;
}

/* Gives every byte up to `total` its place on the disk and keeps what is there: a ring that was copied may
 * have become sparse. */
static wadi_err file_reserve(int fd, off_t total) {
    struct stat st;
    struct rlimit limit;
    if (fstat(fd, &st) != 0)
        return err_of(errno);
    /* Beyond this limit the kernel would not only refuse but raise SIGXFSZ in our host. */
    if (total > st.st_size && getrlimit(RLIMIT_FSIZE, &limit) == 0 && (rlim_t)total > limit.rlim_cur)
        return WADI_ERR_DISK_FULL;
    int code;
    do {
        code = posix_fallocate(fd, 0, total);
    } while (code == EINTR);
    if (code == EOPNOTSUPP || code == EINVAL || code == ENOSYS)
        return file_write_zeros(fd, st.st_size, total);
    return code == 0 ? WADI_OK : err_of(code);
}

/* Makes the file anew, empty. */
static wadi_err ring_make(wdi_ring *ring, uint64_t bytes) {
    ring_unmap(ring);
    off_t total = (off_t)(header_bytes() + bytes);
    if (ftruncate(ring->fd, 0) != 0)
        return err_of(errno);
    wadi_err err = file_reserve(ring->fd, total);
    if (err != WADI_OK)
        return err;
    if (fsync(ring->fd) != 0)
        return err_of(errno);
    return ring_map(ring, bytes);
}

/* The size of a file that was cut, as its head has it. */
static bool bytes_before(int fd, uint64_t file_bytes, uint64_t *ret_bytes) {
    wdi_ring_identity identity;
    if (pread(fd, &identity, sizeof identity, 0) != (ssize_t)sizeof identity ||
        identity.magic != WDI_RING_MAGIC || identity.crc != wdi_ring_identity_crc(&identity) ||
        !bytes_valid(identity.bytes) || file_bytes >= header_bytes() + identity.bytes)
        return false;
    *ret_bytes = identity.bytes;
    return true;
}

wadi_err wdi_ring_open(wdi_ring *ring, int dir_fd, uint32_t bytes) {
    memset(ring, 0, sizeof *ring);
    ring->fd = -1;
    int fd = openat(dir_fd, RING_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_of(errno);
    ring->fd = fd;
    struct stat st;
    wadi_err err = WADI_OK;
    if (fstat(fd, &st) != 0)
        err = err_of(errno);
    else if (!S_ISREG(st.st_mode))
        err = WADI_ERR_IO;
    if (err != WADI_OK)
        goto failed;
    uint64_t found = (uint64_t)st.st_size - header_bytes();
    if (!bytes_valid(found) && bytes_before(fd, (uint64_t)st.st_size, &found))
        ring->cut = true;
    if (bytes_valid(found)) {
        err = file_reserve(fd, (off_t)(header_bytes() + found));
        if (err == WADI_OK)
            err = ring_map(ring, found);
    } else {
        ring->made_bytes = bytes_round(bytes);
        err = ring_make(ring, ring->made_bytes);
        if (err == WADI_OK && fsync(dir_fd) != 0)
            err = err_of(errno);
    }
    if (err == WADI_OK)
        return WADI_OK;
failed:
    wdi_ring_close(ring);
    return err;
}

/* A file that is shorter by now than it was reads as zeros at its end. */
static wadi_err bytes_copy(int from_fd, int to_fd, off_t bytes) {
    uint8_t chunk[ZERO_CHUNK];
    off_t at = 0;
    if (ftruncate(to_fd, bytes) != 0)
        return err_of(errno);
    while (at < bytes) {
        ssize_t n = pread(from_fd, chunk, sizeof chunk, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? err_of(errno) : WADI_OK;
        n = n < bytes - at ? n : bytes - at;
        if (pwrite(to_fd, chunk, (size_t)n, at) != n)
            return WADI_ERR_NO_MEMORY;
        at += n;
    }
    return WADI_OK;
}

wadi_err wdi_ring_open_copy(wdi_ring *ring, int fd) {
    struct stat st;
    memset(ring, 0, sizeof *ring);
    ring->fd = -1;
    if (fstat(fd, &st) != 0)
        return err_of(errno);
    uint64_t found = (uint64_t)st.st_size - header_bytes();
    if (!S_ISREG(st.st_mode) || !bytes_valid(found))
        return WADI_ERR_CORRUPT;
    ring->fd = memfd_create(RING_FILE, MFD_CLOEXEC);
    wadi_err err = ring->fd >= 0 ? bytes_copy(fd, ring->fd, st.st_size) : err_of(errno);
    if (err == WADI_OK)
        err = ring_map(ring, found);
    if (err != WADI_OK)
        wdi_ring_close(ring);
    return err;
}

void wdi_ring_disown(wdi_ring *ring) {
    if (ring->header != NULL && ring->fd >= 0)
        close(ring->fd);
    ring->fd = -1;
}

void wdi_ring_close(wdi_ring *ring) {
    if (ring == NULL || (ring->header == NULL && ring->fd <= 0))
        return;
    ring_unmap(ring);
    if (ring->fd >= 0)
        close(ring->fd);
    memset(ring, 0, sizeof *ring);
    ring->fd = -1;
}

/* ---- a run's start ---------------------------------------------------------------------------------- */

/* Clears what is not clear, so that a ring that was left empty costs the flash nothing. */
static void data_clear(wdi_ring *ring) {
    static const uint8_t zeros[ZERO_CHUNK];
    for (uint64_t at = 0; at <= ring->mask; at += ZERO_CHUNK) {
        if (memcmp(ring->data + at, zeros, ZERO_CHUNK) != 0)
            memset(ring->data + at, 0, ZERO_CHUNK);
    }
}

uint32_t wdi_ring_identity_crc(const wdi_ring_identity *identity) {
    return base_crc32c(0, identity, offsetof(wdi_ring_identity, crc));
}

wadi_err wdi_ring_start(wdi_ring *ring, const wdi_run_id *run, uint64_t position, uint32_t bytes) {
    if (position == 0 || position % WDI_RING_ALIGN != 0 || position >= WDI_RING_LIMIT)
        return WADI_ERR_INVALID;
    if (bytes_round(bytes) != ring->mask + 1) {
        wadi_err err = ring_make(ring, bytes_round(bytes));
        if (err != WADI_OK)
            return err;
    }
    wdi_ring_header *header = ring->header;
    if (header == NULL)
        return WADI_ERR_INVALID;                           /* it was never opened */
    memset(&header->identity, 0, sizeof header->identity); /* of no run, until all below is true */
    data_clear(ring);
    atomic_store(&header->head, position);
    atomic_store(&header->tail, position);
    wdi_ring_identity identity = {
        .magic = WDI_RING_MAGIC,
        .bytes = ring->mask + 1,
        .start = position,
        .ordinal = run->ordinal,
        .nonce = run->nonce,
    };
    memcpy(identity.boot_id, run->boot_id, sizeof identity.boot_id);
    identity.crc = wdi_ring_identity_crc(&identity);
    atomic_signal_fence(memory_order_seq_cst);
    header->identity = identity;
    if (fdatasync(ring->fd) != 0)
        return err_of(errno);
    ring->crc_seed = wire_crc_seed(run->nonce);
    ring->pid = (uint32_t)getpid();
    ring->cursor = position;
    ring->probed_us = 0;
    ring->skipped = 0;
    ring->damaged_bytes = 0;
    ring->made_bytes = 0;
    ring->cut = false;
    ring->warm_bytes = 0;
    wdi_ring_warm(ring, WARM_START_BYTES);
    return WADI_OK;
}

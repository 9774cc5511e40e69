/* Memory that can be written to at once, and a file system that would let us: asked before writing. */
#include <errno.h>
#include <sys/mman.h>

#include "sdk/src/ring/layout.h"
#include "sdk/src/ring/ring.h"

#if !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE 23
#endif
#define AHEAD_BYTES 4096u /* behind the tail: a few events; more pages would only wear the flash */
#define CALL_BYTES_MAX (256u * 1024u) /* the host's own mmap() waits no longer than that takes */

/* False: the file system is dead. */
static bool pages_ready(uint8_t *from, uint64_t bytes) {
    while (bytes > 0) {
        size_t n = bytes < CALL_BYTES_MAX ? (size_t)bytes : CALL_BYTES_MAX;
        if (madvise(from, n, MADV_POPULATE_WRITE) != 0)
            return errno != EFAULT && errno != EHWPOISON;
        from += n;
        bytes -= n;
    }
    return true;
}

/* The pages that are written to when that much is recorded. */
static bool ahead_ready(const wdi_ring *ring, uint64_t ahead) {
    uint8_t *header = (uint8_t *)ring->header;
    uint64_t size = ring->mask + 1, page = (uint64_t)(ring->data - header);
    uint64_t at = wdi_ring_tail(ring) & ring->mask;
    uint64_t from = at & ~(page - 1), end = (at + ahead + page - 1) & ~(page - 1);
    if (!pages_ready(header, page))
        return false;
    if (end <= size)
        return pages_ready(ring->data + from, end - from);
    /* The record that goes over the end is written to the second mapping, whose pages have faults of their
     * own. */
    return pages_ready(ring->data + from, size + page - from) && pages_ready(ring->data, end - size);
}

bool wdi_ring_ready(const wdi_ring *ring) {
    int saved = errno; /* a signal handler must leave it as it was */
    bool ready = ahead_ready(ring, AHEAD_BYTES);
    errno = saved;
    return ready;
}

void wdi_ring_warm(wdi_ring *ring, uint64_t bytes) {
    uint64_t kept = ring->warm_bytes - ring->warm_bytes / 4; /* busy times are not forgotten at once */
    uint64_t half = (ring->mask + 1) / 2;
    ring->warm_bytes = bytes > kept ? bytes : kept;
    if (ring->warm_bytes > half)
        ring->warm_bytes = half;
    (void)ahead_ready(ring, ring->warm_bytes);
}

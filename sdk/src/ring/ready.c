/* Asking before writing. */
#include <errno.h>
#include <sys/mman.h>

#include "sdk/src/ring/layout.h"
#include "sdk/src/ring/ring.h"

#if !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE 23
#endif
#define AHEAD_BYTES 4096u /* behind the tail: a few events; more pages would only wear the flash */

static bool pages_ready(uint8_t *from, size_t bytes) {
    return madvise(from, bytes, MADV_POPULATE_WRITE) == 0 || (errno != EFAULT && errno != EHWPOISON);
}

bool wdi_ring_ready(const wdi_ring *ring) {
    int saved = errno; /* a signal handler must leave it as it was */
    uint8_t *header = (uint8_t *)ring->header;
    size_t page = (size_t)(ring->data - header);
    size_t at = (size_t)(wdi_ring_tail(ring) & ring->mask);
    size_t from = at & ~(page - 1), end = (at + AHEAD_BYTES + page - 1) & ~(page - 1);
    bool ready = pages_ready(header, page) && pages_ready(ring->data + from, end - from);
    errno = saved;
    return ready;
}

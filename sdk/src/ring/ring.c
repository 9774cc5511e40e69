/* The living ring: claim and commit by any thread, read and release by one. */
#include "sdk/src/ring/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"
#include "sdk/src/ring/put.h"

_Thread_local wdi_ring_thread wdi_ring_self __attribute__((tls_model("initial-exec")));

__attribute__((noinline)) uint32_t wdi_ring_self_ask(uint32_t pid) {
    wdi_ring_self.tid = (uint32_t)syscall(SYS_gettid);
    wdi_ring_self.pid = pid;
    return wdi_ring_self.tid;
}

/* ---- producers -------------------------------------------------------------------------------------- */

uint8_t *wdi_ring_claim(wdi_ring *ring, uint32_t n, uint64_t *ret_pos) {
    if (n == 0 || n > ring->payload_max)
        return NULL;
    wdi_slot *slot = wdi_slot_claim(ring, n, ret_pos);
    return slot == NULL ? NULL : wdi_slot_payload(slot);
}

uint64_t wdi_ring_commit(wdi_ring *ring, uint64_t pos, wdi_record_kind kind, wadi_priority priority,
                         uint32_t n) {
    wdi_slot *slot = wdi_slot_at(ring, pos);
    return wdi_slot_commit(slot, pos, kind, priority, n,
                           wire_crc_event(ring->crc_seed, wdi_slot_payload(slot), n));
}

wadi_err wdi_ring_put(wdi_ring *ring, wdi_record_kind kind, wadi_priority priority, const void *data,
                      uint32_t n, wadi_ticket *ret_ticket) {
    if (n == 0 || n > ring->payload_max)
        return n == 0 ? WADI_ERR_INVALID : WADI_ERR_TOO_LARGE;
    return wdi_slot_put(ring, kind, priority, data, n, ret_ticket);
}

/* ---- the consumer ----------------------------------------------------------------------------------- */

/* Whether the owner of the claimed slot at the cursor is known to be gone. Asks the kernel rarely. */
static bool owner_gone(wdi_ring *ring) {
    uint64_t now_us = base_mono_us();
    if (now_us - ring->probed_us < WDI_RING_PROBE_US)
        return false;
    ring->probed_us = now_us;
    uint32_t tid = wdi_slot_owner(ring, ring->cursor);
    return syscall(SYS_tgkill, (long)ring->pid, (long)tid, 0L) != 0 && errno == ESRCH;
}

/* Deals with a slot at the cursor that holds no readable record. False: it has to be waited for. */
static bool cursor_unblock(wdi_ring *ring, uint64_t tail) {
    wdi_slot_kind kind = wdi_slot_look(ring, ring->cursor, tail);
    if (kind == WDI_SLOT_UNMARKED)
        return false;
    if (kind == WDI_SLOT_CLAIMED) {
        /* It may have committed between the look and its end, so the mark must still be there. */
        if (!owner_gone(ring) || wdi_slot_look(ring, ring->cursor, tail) != WDI_SLOT_CLAIMED)
            return false;
        ring->skipped++;
        ring->cursor = wdi_slot_skip(ring, ring->cursor, tail, ring->crc_seed);
        return true;
    }
    wdi_record record;
    if (wdi_slot_read(ring, ring->cursor, tail, ring->crc_seed, &record))
        return true; /* committed since the caller looked */
    uint64_t next = wdi_slot_skip(ring, ring->cursor, tail, ring->crc_seed);
    ring->damaged_bytes += next - ring->cursor;
    ring->cursor = next;
    return true;
}

wdi_ring_state wdi_ring_read(wdi_ring *ring, wdi_record *ret_record) {
    for (;;) {
        uint64_t tail = wdi_ring_tail(ring);
        if (ring->cursor >= tail)
            return WDI_RING_EMPTY;
        if (tail - ring->cursor > ring->mask + 1)
            tail = ring->cursor + ring->mask + 1; /* somebody wrote over the header: keep inside */
        if (wdi_slot_read(ring, ring->cursor, tail, ring->crc_seed, ret_record)) {
            ring->cursor = ret_record->end;
            return WDI_RING_RECORD;
        }
        if (!cursor_unblock(ring, tail))
            return WDI_RING_BLOCKED;
    }
}

uint64_t wdi_ring_cursor(const wdi_ring *ring) { return ring->cursor; }

void wdi_ring_seek(wdi_ring *ring, uint64_t position) {
    uint64_t head = atomic_load_explicit(&ring->header->head, memory_order_relaxed);
    if (position >= head && position <= ring->cursor)
        ring->cursor = position;
}

void wdi_ring_release(wdi_ring *ring, uint64_t position) {
    uint64_t head = atomic_load_explicit(&ring->header->head, memory_order_relaxed);
    if (position <= head || position > ring->cursor || position - head > ring->mask + 1)
        return;
    memset(ring->data + (head & ring->mask), 0, (size_t)(position - head));
    atomic_store_explicit(&ring->header->head, position, memory_order_release);
}

bool wdi_ring_empty(const wdi_ring *ring) { return ring->cursor >= wdi_ring_tail(ring); }

uint64_t wdi_ring_tail(const wdi_ring *ring) {
    return atomic_load_explicit(&ring->header->tail, memory_order_seq_cst);
}

uint64_t wdi_ring_used(const wdi_ring *ring) {
    uint64_t head = atomic_load_explicit(&ring->header->head, memory_order_relaxed);
    return wdi_ring_tail(ring) - head;
}

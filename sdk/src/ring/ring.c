/* The living ring: claim and commit by any thread, read and release by one. */
#include "sdk/src/ring/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "schemas/wire/wire.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/ring/layout.h"

/* The thread's id, asked for once. A forked child inherits its parent's, so it is kept with the process. In
 * the static block of thread-local storage: the dynamic one may allocate at first touch, inside a signal
 * handler. */
static _Thread_local struct { uint32_t pid, tid; } self __attribute__((tls_model("initial-exec")));

static uint32_t self_tid(uint32_t pid) {
    if (__builtin_expect(self.pid != pid, 0)) {
        self.tid = (uint32_t)syscall(SYS_gettid);
        self.pid = pid;
    }
    return self.tid;
}

/* ---- producers -------------------------------------------------------------------------------------- */

/* What the next records are written to: memory that the consumer has cleared and no producer has seen yet. A
 * CPU fetches ahead by itself, but not over the end of a page. The data lie twice in a row, so this stays
 * inside. */
#define PREFETCH_BYTES 512u
#define CACHE_LINE 64u
static inline void prefetch_ahead(const wdi_slot *slot) {
    const uint8_t *ahead = (const uint8_t *)slot + PREFETCH_BYTES;
    __builtin_prefetch(ahead, 1);
    __builtin_prefetch(ahead + CACHE_LINE, 1);
}

/* n: 1 … payload_max. */
static inline uint8_t *slot_claim(wdi_ring *ring, uint32_t n, uint64_t *ret_pos) {
    wdi_ring_header *header = ring->header;
    uint64_t bytes = wdi_slot_bytes(n);
    uint64_t mark = WDI_MARK | (uint64_t)self_tid(ring->pid) << WDI_MARK_TID_SHIFT | bytes;
    uint64_t pos = atomic_load_explicit(&header->tail, memory_order_relaxed);
    do {
        /* No room, or the head has passed what was the tail a moment ago. */
        while (pos + bytes - atomic_load_explicit(&header->head, memory_order_acquire) > ring->mask + 1) {
            uint64_t tail = atomic_load_explicit(&header->tail, memory_order_relaxed);
            if (tail == pos)
                return NULL;
            pos = tail;
        }
    } while (!atomic_compare_exchange_weak_explicit(&header->tail, &pos, pos + bytes, memory_order_seq_cst,
                                                    memory_order_relaxed));
    wdi_slot *slot = wdi_slot_at(ring, pos);
    atomic_store_explicit(&slot->pos, mark, memory_order_relaxed);
    /* Dead at any instruction: nothing of the payload may be there without the mark. */
    atomic_signal_fence(memory_order_seq_cst);
    prefetch_ahead(slot);
    *ret_pos = pos;
    return wdi_slot_payload(slot);
}

uint8_t *wdi_ring_claim(wdi_ring *ring, uint32_t n, uint64_t *ret_pos) {
    if (n == 0 || n > ring->payload_max)
        return NULL;
    return slot_claim(ring, n, ret_pos);
}

static inline uint64_t slot_commit(wdi_slot *slot, uint64_t pos, wdi_record_kind kind, wadi_priority priority,
                                   uint32_t n, uint32_t crc) {
    uint32_t word = n | (uint32_t)kind << WDI_WORD_KIND_SHIFT | (uint32_t)priority << WDI_WORD_PRIORITY_SHIFT;
    slot->check = wdi_slot_check(crc, word);
    slot->word = word;
    atomic_store_explicit(&slot->pos, pos, memory_order_release);
    return pos + wdi_slot_bytes(n);
}

uint64_t wdi_ring_commit(wdi_ring *ring, uint64_t pos, wdi_record_kind kind, wadi_priority priority,
                         uint32_t n) {
    wdi_slot *slot = wdi_slot_at(ring, pos);
    return slot_commit(slot, pos, kind, priority, n,
                       wire_crc_event(ring->crc_seed, wdi_slot_payload(slot), n));
}

wadi_err wdi_ring_put(wdi_ring *ring, wdi_record_kind kind, wadi_priority priority, const void *data,
                      uint32_t n, wadi_ticket *ret_ticket) {
    if (n == 0 || n > ring->payload_max)
        return n == 0 ? WADI_ERR_INVALID : WADI_ERR_TOO_LARGE;
    /* Before the copy: a CPU reads back slowly what it has just written in other pieces. */
    uint32_t crc = wire_crc_event(ring->crc_seed, data, n);
    uint64_t pos = 0;
    uint8_t *payload = slot_claim(ring, n, &pos);
    if (payload == NULL)
        return WADI_ERR_FULL;
    memcpy(payload, data, n);
    uint64_t ticket = slot_commit(wdi_slot_at(ring, pos), pos, kind, priority, n, crc);
    if (ret_ticket != NULL)
        *ret_ticket = ticket;
    return WADI_OK;
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

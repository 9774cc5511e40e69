/* A record's way into the ring, for the two who put records there: ring.c, and the hot path, which has it
 * inline. */
#ifndef WDI_RING_PUT_H
#define WDI_RING_PUT_H

#include <string.h>

#include "schemas/wire/wire.h"
#include "sdk/src/ring/layout.h"

/* The thread's id, asked for once. A forked child inherits its parent's, so it is kept with the process. In
 * the static block of thread-local storage: the dynamic one may allocate at first touch, inside a signal
 * handler. */
typedef struct wdi_ring_thread {
    uint32_t pid, tid;
} wdi_ring_thread;
extern _Thread_local wdi_ring_thread wdi_ring_self __attribute__((tls_model("initial-exec")));
uint32_t wdi_ring_self_ask(uint32_t pid);

static inline uint32_t wdi_ring_self_tid(uint32_t pid) {
    return __builtin_expect(wdi_ring_self.pid == pid, 1) ? wdi_ring_self.tid : wdi_ring_self_ask(pid);
}

/* What the next records are written to: memory that the consumer has cleared and no producer has seen yet. A
 * CPU fetches ahead by itself, but not over the end of a page. The data lie twice in a row, so this stays
 * inside. */
#define WDI_RING_PREFETCH_BYTES 512u
#define WDI_RING_CACHE_LINE 64u
static inline void wdi_slot_prefetch(const wdi_slot *slot) {
    const uint8_t *ahead = (const uint8_t *)slot + WDI_RING_PREFETCH_BYTES;
    __builtin_prefetch(ahead, 1);
    __builtin_prefetch(ahead + WDI_RING_CACHE_LINE, 1);
}

/* n: 1 … payload_max, as below. */
static inline wdi_slot *wdi_slot_claim(wdi_ring *ring, uint32_t n, uint64_t *ret_pos) {
    wdi_ring_header *header = ring->header;
    uint64_t bytes = wdi_slot_bytes(n);
    uint64_t mark = WDI_MARK | (uint64_t)wdi_ring_self_tid(ring->pid) << WDI_MARK_TID_SHIFT | bytes;
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
    wdi_slot_prefetch(slot);
    *ret_pos = pos;
    return slot;
}

static inline uint64_t wdi_slot_commit(wdi_slot *slot, uint64_t pos, wdi_record_kind kind,
                                       wadi_priority priority, uint32_t n, uint32_t crc) {
    uint32_t word = n | (uint32_t)kind << WDI_WORD_KIND_SHIFT | (uint32_t)priority << WDI_WORD_PRIORITY_SHIFT;
    slot->check = wdi_slot_check(crc, word);
    slot->word = word;
    atomic_store_explicit(&slot->pos, pos, memory_order_release);
    return pos + wdi_slot_bytes(n);
}

static inline wadi_err wdi_slot_put(wdi_ring *ring, wdi_record_kind kind, wadi_priority priority,
                                    const void *data, uint32_t n, wadi_ticket *ret_ticket) {
    /* Before the copy: a CPU reads back slowly what it has just written in other pieces. */
    uint32_t crc = wire_crc_event(ring->crc_seed, data, n);
    uint64_t pos = 0;
    wdi_slot *slot = wdi_slot_claim(ring, n, &pos);
    if (__builtin_expect(slot == NULL, 0))
        return WADI_ERR_FULL;
    memcpy(wdi_slot_payload(slot), data, n);
    uint64_t ticket = wdi_slot_commit(slot, pos, kind, priority, n, crc);
    if (ret_ticket != NULL)
        *ret_ticket = ticket;
    return WADI_OK;
}

#endif

/* What an earlier run left in the ring. Reads only: an open that dies here is repeated by the next one. */
#include <string.h>

#include "schemas/wire/wire.h"
#include "sdk/src/ring/layout.h"

#define PAGE_BYTES 4096u

static bool identity_is(const wdi_ring_identity *identity, const wdi_ring *ring, const wdi_run_id *run) {
    return identity->magic == WDI_RING_MAGIC && identity->crc == wdi_ring_identity_crc(identity) &&
           identity->bytes == ring->mask + 1 && identity->ordinal == run->ordinal &&
           identity->nonce == run->nonce &&
           memcmp(identity->boot_id, run->boot_id, sizeof identity->boot_id) == 0;
}

/* Of a store that is not there any more: nothing tells which of it was stored, so all of it may be lost. */
static uint64_t orphaned_bytes(const wdi_ring *ring) {
    const wdi_ring_identity *identity = &ring->header->identity;
    uint64_t head = atomic_load(&ring->header->head);
    uint64_t tail = atomic_load(&ring->header->tail);
    bool known = identity->magic == WDI_RING_MAGIC && identity->crc == wdi_ring_identity_crc(identity);
    return known && head <= tail && tail - head <= ring->mask + 1 ? tail - head : 0;
}

static uint64_t position_first(uint64_t position) { return position == 0 ? WDI_RING_ALIGN : position; }

void wdi_ring_recover(wdi_ring *ring, const wdi_run_id *stored, uint64_t position, const uint8_t boot_id[16],
                      wdi_recovery *ret_recovery) {
    wdi_recovery recovery = {.ring = ring, .pos = position, .end = position};
    recovery.next_start = position_first(position);
    if (stored == NULL)
        recovery.lost_bytes = orphaned_bytes(ring);
    else
        recovery.lost_bytes = ring->made_bytes;
    *ret_recovery = recovery;
    if (stored == NULL || ring->made_bytes != 0 || position == 0 || position % WDI_RING_ALIGN != 0 ||
        position >= WDI_RING_LIMIT - WDI_RING_BYTES_MAX)
        return;
    uint64_t bytes = ring->mask + 1;
    uint64_t head = atomic_load(&ring->header->head);
    uint64_t tail = atomic_load(&ring->header->tail);
    bool sane = head <= position && position <= tail && tail - head <= bytes && tail % WDI_RING_ALIGN == 0;
    bool same_boot = memcmp(stored->boot_id, boot_id, sizeof stored->boot_id) == 0;
    recovery.crc_seed = wire_crc_seed(stored->nonce);
    recovery.whole = sane && same_boot && identity_is(&ring->header->identity, ring, stored);
    recovery.end = recovery.whole ? tail : position + bytes;
    *ret_recovery = recovery;
}

/* The records behind a break that can still be read: lost, but known. */
static uint64_t readable_bytes(const wdi_recovery *recovery, uint64_t *ret_end) {
    uint64_t sum = 0;
    uint64_t pos = recovery->pos;
    wdi_record record;
    while (pos < recovery->end) {
        if (wdi_slot_read(recovery->ring, pos, recovery->end, recovery->crc_seed, &record)) {
            sum += record.end - pos;
            pos = *ret_end = record.end;
        } else {
            pos += WDI_RING_ALIGN;
        }
    }
    return sum;
}

/* After a loss of power the header's tail may be older than the data, or newer. The larger account counts. */
static void account_break(wdi_recovery *recovery) {
    uint64_t tail = atomic_load(&recovery->ring->header->tail);
    uint64_t behind = recovery->pos;
    uint64_t readable = readable_bytes(recovery, &behind);
    uint64_t claimed = tail > recovery->pos && tail <= recovery->end ? tail - recovery->pos : 0;
    recovery->lost_bytes += claimed > readable ? claimed : readable;
    if (claimed > 0 && tail > behind)
        behind = tail;
    recovery->pos = behind;
    recovery->end = behind;
}

/* A slot that was claimed and not signed is zeros, as a page that the disk lost is; but it is rarely as
 * large, and rarely ends where a page does. */
static bool page_is_gone(uint64_t from, uint64_t to) {
    return to % PAGE_BYTES == 0 || (from + PAGE_BYTES - 1) / PAGE_BYTES < to / PAGE_BYTES;
}

static void pass_over(wdi_recovery *recovery) {
    uint64_t pos = recovery->pos;
    wdi_slot_kind kind = wdi_slot_look(recovery->ring, pos, recovery->end);
    recovery->pos = wdi_slot_skip(recovery->ring, pos, recovery->end, recovery->crc_seed);
    bool lost = recovery->ring->cut || (kind == WDI_SLOT_UNMARKED && page_is_gone(pos, recovery->pos));
    if ((kind == WDI_SLOT_UNMARKED || kind == WDI_SLOT_CLAIMED) && !lost)
        recovery->skipped++; /* its wadi_track never returned */
    else
        recovery->lost_bytes += recovery->pos - pos;
}

bool wdi_recovery_next(wdi_recovery *recovery, wdi_record *ret_record) {
    while (recovery->pos < recovery->end) {
        if (wdi_slot_read(recovery->ring, recovery->pos, recovery->end, recovery->crc_seed, ret_record)) {
            recovery->pos = ret_record->end;
            return true;
        }
        if (recovery->whole)
            pass_over(recovery);
        else
            account_break(recovery);
    }
    uint64_t reached = position_first(recovery->pos);
    if (reached % WDI_RING_ALIGN == 0 && reached > recovery->next_start)
        recovery->next_start = reached;
    return false;
}

/* Reading slots whose content is not to be trusted. */
#include "sdk/src/ring/layout.h"

#include "schemas/wire/wire.h"

static uint64_t slot_word(const wdi_ring *ring, uint64_t pos) {
    return atomic_load_explicit(&wdi_slot_at(ring, pos)->pos, memory_order_acquire);
}

bool wdi_slot_read(const wdi_ring *ring, uint64_t pos, uint64_t end, uint32_t crc_seed,
                   wdi_record *ret_record) {
    if (end - pos < WDI_RING_RECORD_HEADER || slot_word(ring, pos) != pos)
        return false;
    wdi_slot *slot = wdi_slot_at(ring, pos);
    uint32_t word = slot->word;
    uint32_t n = word & WDI_WORD_N_MASK;
    uint32_t kind = (word >> WDI_WORD_KIND_SHIFT) & 15u;
    uint32_t priority = word >> WDI_WORD_PRIORITY_SHIFT;
    if (n == 0 || n > ring->payload_max || wdi_slot_bytes(n) > end - pos || kind < WDI_RECORD_EVENT ||
        kind > WDI_RECORD_CONTEXT || priority > WADI_CRITICAL)
        return false;
    uint32_t crc = wire_crc_event(crc_seed, wdi_slot_payload(slot), n);
    if (slot->check != wdi_slot_check(crc, word))
        return false;
    *ret_record = (wdi_record){
        .pos = pos,
        .end = pos + wdi_slot_bytes(n),
        .kind = (wdi_record_kind)kind,
        .priority = (wadi_priority)priority,
        .crc = crc,
        .n = n,
        .data = wdi_slot_payload(slot),
    };
    return true;
}

static uint32_t mark_bytes(uint64_t mark) { return (uint32_t)mark; }

uint32_t wdi_slot_owner(const wdi_ring *ring, uint64_t pos) {
    return (uint32_t)((slot_word(ring, pos) & ~WDI_MARK) >> WDI_MARK_TID_SHIFT);
}

wdi_slot_kind wdi_slot_look(const wdi_ring *ring, uint64_t pos, uint64_t end) {
    uint64_t word = slot_word(ring, pos);
    if (word == 0)
        return WDI_SLOT_UNMARKED;
    if (word == pos)
        return WDI_SLOT_COMMITTED;
    uint32_t bytes = mark_bytes(word);
    bool plausible = (word & WDI_MARK) != 0 && bytes % WDI_RING_ALIGN == 0 &&
                     bytes > WDI_RING_RECORD_HEADER && bytes <= wdi_slot_bytes(ring->payload_max) &&
                     bytes <= end - pos;
    return plausible ? WDI_SLOT_CLAIMED : WDI_SLOT_STRANGE;
}

/* Nothing was written to an unmarked slot, so the first word that is not zero belongs to the next one. */
static uint64_t skip_zeros(const wdi_ring *ring, uint64_t pos, uint64_t end) {
    while (pos < end && slot_word(ring, pos) == 0)
        pos += WDI_RING_ALIGN;
    return pos;
}

/* Behind a damaged record: to the next one that can be read, or that somebody may still be writing. */
static uint64_t skip_damage(const wdi_ring *ring, uint64_t pos, uint64_t end, uint32_t crc_seed) {
    wdi_record record;
    for (pos += WDI_RING_ALIGN; pos < end; pos += WDI_RING_ALIGN) {
        if (wdi_slot_look(ring, pos, end) == WDI_SLOT_CLAIMED ||
            wdi_slot_read(ring, pos, end, crc_seed, &record))
            break;
    }
    return pos;
}

uint64_t wdi_slot_skip(const wdi_ring *ring, uint64_t pos, uint64_t end, uint32_t crc_seed) {
    switch (wdi_slot_look(ring, pos, end)) {
    case WDI_SLOT_UNMARKED:
        return skip_zeros(ring, pos, end);
    case WDI_SLOT_CLAIMED:
        return pos + mark_bytes(slot_word(ring, pos));
    case WDI_SLOT_COMMITTED:
    case WDI_SLOT_STRANGE:
        break;
    }
    return skip_damage(ring, pos, end, crc_seed);
}

#include "sdk/src/store/format.h"

#include <string.h>

#include "sdk/src/base/crc32c.h"

_Static_assert(sizeof(wdi_meta) == 152, "no padding: records are stored as they are");
_Static_assert(sizeof(wdi_stream_record) == 128, "no padding");
_Static_assert(sizeof(wdi_run_record) == 112, "no padding");
_Static_assert(sizeof(wdi_boot_record) == 48, "no padding");
_Static_assert(sizeof(wdi_chunk_head) == 40, "no padding");
_Static_assert(sizeof(wdi_chunk_entry) == 12, "no padding");

/* ---- keys ------------------------------------------------------------------------------------------------
 */

static void key_append(wdi_key *key, uint64_t number, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;)
        key->bytes[key->n++] = (uint8_t)(number >> (8 * i));
}

wdi_key wdi_key_plain(wdi_key_kind kind) {
    wdi_key key = {.n = 0};
    key.bytes[key.n++] = (uint8_t)kind;
    return key;
}

wdi_key wdi_key_number(wdi_key_kind kind, uint64_t number) {
    wdi_key key = wdi_key_plain(kind);
    key_append(&key, number, 8);
    return key;
}

wdi_key wdi_key_pair(wdi_key_kind kind, uint64_t run, uint32_t id) {
    wdi_key key = wdi_key_number(kind, run);
    key_append(&key, id, 4);
    return key;
}

wdi_key wdi_key_boot(const uint8_t boot_id[WIRE_ID_BYTES]) {
    wdi_key key = wdi_key_plain(WDI_KEY_BOOT);
    memcpy(key.bytes + 1, boot_id, WIRE_ID_BYTES);
    key.n = 1 + WIRE_ID_BYTES;
    return key;
}

bool wdi_key_is(base_lmdb_val key, wdi_key_kind kind) {
    return key.n > 0 && ((const uint8_t *)key.data)[0] == (uint8_t)kind;
}

uint64_t wdi_key_number_of(base_lmdb_val key) {
    const uint8_t *at = key.data;
    uint64_t number = 0;
    for (size_t i = 1; i < 9 && i < key.n; i++)
        number = number << 8 | at[i];
    return number;
}

uint32_t wdi_record_crc(const wdi_key *key, const void *record, size_t n) {
    return base_crc32c(base_crc32c(0, key->bytes, key->n), record, n);
}

/* ---- chunks ------------------------------------------------------------------------------------- */

static uint32_t chunk_crc(uint64_t first, const uint8_t *value, uint32_t count) {
    const size_t from = offsetof(wdi_chunk_head, count);
    size_t to = sizeof(wdi_chunk_head) + count * sizeof(wdi_chunk_entry);
    return base_crc32c(base_crc32c(0, &first, sizeof first), value + from, to - from);
}

void wdi_chunk_seal(uint64_t first, uint8_t *out) {
    wdi_chunk_head head;
    memcpy(&head, out, sizeof head);
    head.crc = chunk_crc(first, out, head.count);
    memcpy(out, &head, sizeof head);
}

static bool table_fits(const wdi_chunk *c) {
    size_t payload = 0;
    for (uint32_t i = 0; i < c->head.count; i++) {
        wdi_chunk_entry e = wdi_chunk_get(c, i);
        if (e.reason >= WADI_DROP_COUNT || e.priority >= WDI_PRIORITIES)
            return false;
        if (e.reason == 0)
            payload += wire_frame_size(e.n) + e.n;
    }
    return payload == c->head.payload_bytes;
}

bool wdi_chunk_read(uint64_t first, base_lmdb_val val, wdi_chunk *ret_chunk) {
    wdi_chunk c = {.first = first};
    if (val.n < sizeof c.head)
        return false;
    memcpy(&c.head, val.data, sizeof c.head);
    if (first == 0 || c.head.count == 0 || c.head.count > WDI_CHUNK_NUMBERS_MAX ||
        c.head.payload_bytes > WDI_CHUNK_PAYLOAD_MAX || wdi_chunk_bytes(&c.head) != val.n)
        return false;
    if (chunk_crc(first, val.data, c.head.count) != c.head.crc)
        return false;
    c.table = (const uint8_t *)val.data + sizeof c.head;
    c.payload = c.table + c.head.count * sizeof(wdi_chunk_entry);
    if (!table_fits(&c))
        return false;
    *ret_chunk = c;
    return true;
}

wdi_chunk_entry wdi_chunk_get(const wdi_chunk *c, uint32_t index) {
    wdi_chunk_entry e;
    memcpy(&e, c->table + index * sizeof e, sizeof e);
    return e;
}

uint64_t wdi_chunk_chain(const wdi_chunk *c, uint64_t number) {
    uint64_t chain = c->head.chain;
    for (uint32_t i = 0; i < c->head.count && c->first + i < number; i++)
        chain = wire_chain(chain, wdi_chunk_get(c, i).crc);
    return chain;
}

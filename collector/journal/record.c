#include "record.h"

#include <assert.h>
#include <string.h>

#include "sdk/src/base/crc32c.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "entries are stored as they stand in memory");
_Static_assert(sizeof(journal_entry) % 8 == 0, "no padding behind the last field but the tenant's own");

/* ---- entries ------------------------------------------------------------------------------------ */

static uint32_t entry_crc(const journal_entry *entry, const void *body, size_t body_bytes) {
    journal_entry zeroed;
    memcpy(&zeroed, entry, sizeof zeroed);
    zeroed.crc = 0;
    return base_crc32c(base_crc32c(0, &zeroed, sizeof zeroed), body, body_bytes);
}

void record_entry_put(void *out, journal_entry *entry, const uint8_t *body) {
    entry->crc = entry_crc(entry, body, entry->body_bytes);
    memcpy(out, entry, sizeof *entry);
    if (entry->body_bytes > 0)
        memcpy((uint8_t *)out + sizeof *entry, body, entry->body_bytes);
}

bool record_entry_get(const void *data, size_t n, journal_entry *ret_entry, wire_span *ret_body) {
    journal_entry entry;
    if (n < sizeof entry)
        return false;
    memcpy(&entry, data, sizeof entry);
    if (n - sizeof entry != entry.body_bytes)
        return false;
    *ret_body = (wire_span){(const uint8_t *)data + sizeof entry, entry.body_bytes};
    memcpy(ret_entry, &entry, sizeof entry);
    return true;
}

bool record_entry_intact(const void *data, size_t n) {
    journal_entry entry;
    wire_span body;
    return record_entry_get(data, n, &entry, &body) && entry.crc == entry_crc(&entry, body.data, body.n);
}

/* ---- small numbers ------------------------------------------------------------------------------ */

/* Base-128, least first, as protobuf's varints. Reading past the end leaves `at` NULL. */
static uint8_t *number_put(uint8_t *at, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static const uint8_t *number_get(const uint8_t *at, const uint8_t *end, uint64_t *ret_value) {
    uint64_t value = 0;
    for (unsigned shift = 0; at != NULL && at < end && shift < 64; shift += 7) {
        value |= (uint64_t)(*at & 0x7f) << shift;
        if (*at++ < 0x80) {
            *ret_value = value;
            return at;
        }
    }
    return NULL;
}

static uint8_t *fixed_put(uint8_t *at, const void *data, size_t n) {
    memcpy(at, data, n);
    return at + n;
}

static const uint8_t *fixed_get(const uint8_t *at, const uint8_t *end, void *ret_data, size_t n) {
    if (at == NULL || (size_t)(end - at) < n)
        return NULL;
    memcpy(ret_data, at, n);
    return at + n;
}

/* ---- ledger and state --------------------------------------------------------------------------- */

/* Which counts follow, as bits, and then those: most are 0 for good. A count added later gets a new bit. */
static uint8_t *ledger_put(uint8_t *at, const ledger *sums) {
    const uint64_t *counts = &sums->numbers;
    uint64_t present = 0;
    for (size_t i = 0; i < sizeof *sums / sizeof *counts; i++)
        present |= (uint64_t)(counts[i] != 0) << i;
    at = number_put(at, present);
    for (size_t i = 0; i < sizeof *sums / sizeof *counts; i++)
        if (counts[i] != 0)
            at = number_put(at, counts[i]);
    return at;
}

static const uint8_t *ledger_get(const uint8_t *at, const uint8_t *end, ledger *ret_sums) {
    uint64_t *counts = &ret_sums->numbers;
    uint64_t present = 0;
    memset(ret_sums, 0, sizeof *ret_sums);
    at = number_get(at, end, &present);
    for (size_t i = 0; i < sizeof *ret_sums / sizeof *counts; i++)
        if (present >> i & 1)
            at = number_get(at, end, &counts[i]);
    return present >> (sizeof *ret_sums / sizeof *counts) == 0 ? at : NULL;
}

size_t record_ledger_put(uint8_t out[RECORD_LEDGER_BYTES_MAX], const ledger *sums) {
    return (size_t)(ledger_put(out, sums) - out);
}

bool record_ledger_get(const uint8_t *data, size_t n, ledger *ret_sums) {
    return ledger_get(data, data + n, ret_sums) == data + n;
}

/* The milestone is kept as its distance: mostly a byte or two. */
size_t record_state_put(uint8_t out[RECORD_STATE_BYTES_MAX], const dedup_state *state) {
    assert(state->mile_position <= state->last_position);
    uint8_t *at = fixed_put(out, &state->chain, sizeof state->chain);
    at = fixed_put(at, &state->last_us, sizeof state->last_us);
    at = fixed_put(at, state->installation, sizeof state->installation);
    at = number_put(at, state->next_seq);
    at = number_put(at, state->last_position);
    at = number_put(at, state->last_position - state->mile_position);
    at = number_put(at, state->entries);
    return (size_t)(ledger_put(at, &state->sums) - out);
}

bool record_state_get(const uint8_t *data, size_t n, dedup_state *ret_state) {
    dedup_state state;
    uint64_t distance = 0;
    const uint8_t *end = data + n;
    const uint8_t *at = fixed_get(data, end, &state.chain, sizeof state.chain);
    at = fixed_get(at, end, &state.last_us, sizeof state.last_us);
    at = fixed_get(at, end, state.installation, sizeof state.installation);
    at = number_get(at, end, &state.next_seq);
    at = number_get(at, end, &state.last_position);
    at = number_get(at, end, &distance);
    at = number_get(at, end, &state.entries);
    at = ledger_get(at, end, &state.sums);
    if (at != end || distance > state.last_position)
        return false;
    state.mile_position = state.last_position - distance;
    *ret_state = state;
    return true;
}

/* ---- keys --------------------------------------------------------------------------------------- */

/* The zero behind the tenant keeps "ab" + "c…" and "a" + "bc…" apart, and tenants together. */
static uint8_t *tenant_put(uint8_t *at, const char *tenant) {
    size_t n = strnlen(tenant, SUBMISSION_TENANT_MAX - 1);
    at = fixed_put(at, tenant, n);
    *at++ = 0;
    return at;
}

size_t record_stream_key(uint8_t out[RECORD_KEY_BYTES_MAX], const char *tenant, const uint8_t *stream) {
    return (size_t)(fixed_put(tenant_put(out, tenant), stream, WIRE_ID_BYTES) - out);
}

size_t record_installation_key(uint8_t out[RECORD_KEY_BYTES_MAX], const char *tenant,
                               const uint8_t *installation, const uint8_t *stream) {
    uint8_t *at = fixed_put(tenant_put(out, tenant), installation, WIRE_ID_BYTES);
    if (stream != NULL)
        at = fixed_put(at, stream, WIRE_ID_BYTES);
    return (size_t)(at - out);
}

bool record_installation_key_get(const uint8_t *data, size_t n, char ret_tenant[SUBMISSION_TENANT_MAX],
                                 uint8_t ret_installation[WIRE_ID_BYTES], uint8_t ret_stream[WIRE_ID_BYTES]) {
    size_t tenant_bytes = strnlen((const char *)data, n) + 1;
    if (tenant_bytes > SUBMISSION_TENANT_MAX || n != tenant_bytes + 2 * WIRE_ID_BYTES)
        return false;
    memcpy(ret_tenant, data, tenant_bytes);
    memcpy(ret_installation, data + tenant_bytes, WIRE_ID_BYTES);
    memcpy(ret_stream, data + tenant_bytes + WIRE_ID_BYTES, WIRE_ID_BYTES);
    return true;
}

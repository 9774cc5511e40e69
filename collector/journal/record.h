/* record: a journal entry as the database keeps it, and the state of a stream.
 *
 * Both are read by later versions: the entry as its structure, little-endian, behind it the body; the state
 * in a few small numbers, since there is one for every stream that ever was. Pure; any thread. */
#ifndef JOURNAL_RECORD_H
#define JOURNAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dedup.h"
#include "entry.h"

/* Writes entry and body to `out`, sizeof(journal_entry) + entry->body_bytes bytes, and sets entry->crc. */
void record_entry_put(void *out, journal_entry *entry, const uint8_t *body);

/* Reads it back; the body borrows from `data`. False: too short, or not what it says. */
bool record_entry_get(const void *data, size_t n, journal_entry *ret_entry, wire_span *ret_body);

/* Whether the CRC holds, over header and body. */
bool record_entry_intact(const void *data, size_t n);

#define RECORD_STATE_BYTES_MAX 320u

size_t record_state_put(uint8_t out[RECORD_STATE_BYTES_MAX], const dedup_state *state);
bool record_state_get(const uint8_t *data, size_t n, dedup_state *ret_state);

#define RECORD_LEDGER_BYTES_MAX (10u * sizeof(ledger) / sizeof(uint64_t))

size_t record_ledger_put(uint8_t out[RECORD_LEDGER_BYTES_MAX], const ledger *sums);
bool record_ledger_get(const uint8_t *data, size_t n, ledger *ret_sums);

/* tenant 0 stream: the key of a stream's state. */
#define RECORD_KEY_BYTES_MAX (SUBMISSION_TENANT_MAX + 2u * WIRE_ID_BYTES)
size_t record_stream_key(uint8_t out[RECORD_KEY_BYTES_MAX], const char *tenant, const uint8_t *stream);

/* tenant 0 installation stream: which streams an installation began. `stream` NULL: where they begin. */
size_t record_installation_key(uint8_t out[RECORD_KEY_BYTES_MAX], const char *tenant,
                               const uint8_t *installation, const uint8_t *stream);
bool record_installation_key_get(const uint8_t *data, size_t n, char ret_tenant[SUBMISSION_TENANT_MAX],
                                 uint8_t ret_installation[WIRE_ID_BYTES], uint8_t ret_stream[WIRE_ID_BYTES]);

#endif

#include "record_batch.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/src/base/crc32c.h"
#include "varint.h"

#define MAGIC 2
#define ATTRIBUTE_TRANSACTIONAL 0x10u
#define NUMBER_BYTES_MAX 5u    /* of a length or an offset */
#define LENGTH_BYTES_MOSTLY 2u /* of a record of 64 to 8,191 bytes */
#define WIDE_BYTES 8u          /* what varint_put_wide may write beyond its number */
/* A record's length, attributes, time, offset, and the lengths of key and value, and the headers' count. */
#define RECORD_OVERHEAD (NUMBER_BYTES_MAX + 1u + VARINT_BYTES_MAX + 4u * NUMBER_BYTES_MAX + WIDE_BYTES)

/* ---- records ------------------------------------------------------------------------------------------ */

void record_batch_fini(record_batch *b) {
    free(b->data);
    *b = (record_batch){0};
}

void record_batch_clear(record_batch *b) {
    b->n = 0;
    b->records = 0;
}

size_t record_bytes_max(const message *m) {
    size_t n = RECORD_OVERHEAD + m->key_n + m->value_n;
    for (size_t i = 0; i < m->n_headers; i++)
        n += 2 * NUMBER_BYTES_MAX + m->headers[i].name_n + m->headers[i].n;
    return n;
}

static char *put_number(char *at, int64_t value) { return varint_put_wide(at, varint_zigzag(value)); }

static char *put_sized(char *at, const void *data, size_t n) {
    at = put_number(at, (int64_t)n);
    if (n > 0)
        memcpy(at, data, n);
    return at + n;
}

/* What follows a record's length. */
static char *put_body(char *at, const message *m, int64_t delta_ms, int32_t offset) {
    *at++ = 0; /* attributes: none are defined */
    at = put_number(at, delta_ms);
    at = put_number(at, offset);
    at = put_sized(at, m->key, m->key_n);
    at = put_sized(at, m->value, m->value_n);
    at = put_number(at, (int64_t)m->n_headers);
    for (size_t i = 0; i < m->n_headers; i++) {
        const message_header *h = &m->headers[i];
        at = put_sized(at, h->name, h->name_n);
        at = put_sized(at, h->value, h->n);
    }
    return at;
}

/* The length before the body, for which so many bytes were left: nearly all records are of that length, and
 * counting each before it is written would take as long as writing. Gives the record's end. */
static char *put_length(char *record, size_t body_n) {
    uint64_t length = varint_zigzag((int64_t)body_n);
    size_t n = varint_bytes(length);
    if (n != LENGTH_BYTES_MOSTLY)
        memmove(record + n, record + LENGTH_BYTES_MOSTLY, body_n);
    varint_put(record, length);
    return record + n + body_n;
}

void record_batch_add(record_batch *b, const message *m) {
    if (b->records == 0)
        b->first_ms = b->max_ms = m->time_ms;
    b->max_ms = m->time_ms > b->max_ms ? m->time_ms : b->max_ms;
    char *record = (char *)b->data + b->n, *inside = record + LENGTH_BYTES_MOSTLY;
    char *end = put_body(inside, m, m->time_ms - b->first_ms, b->records);
    b->n = (size_t)(put_length(record, (size_t)(end - inside)) - (char *)b->data);
    b->records++;
}

/* ---- the batch ---------------------------------------------------------------------------------------- */

static uint8_t *put_16(uint8_t *at, uint16_t value) {
    value = htobe16(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static uint8_t *put_32(uint8_t *at, uint32_t value) {
    value = htobe32(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static uint8_t *put_64(uint8_t *at, uint64_t value) {
    value = htobe64(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

#define LENGTH_AT 8u
#define CRC_AT 17u
#define COVERED_AT 21u /* what the CRC covers, to the batch's end */

static void head_put(const record_batch *b, const record_writer *by, pack_codec codec, size_t packed,
                     uint8_t *out) {
    uint8_t *at = put_64(out, 0); /* base offset: the broker's to give */
    at = put_32(at, (uint32_t)(RECORD_BATCH_HEAD_BYTES + packed - LENGTH_AT - 4));
    at = put_32(at, UINT32_MAX); /* the leader's epoch: the broker's too */
    *at++ = MAGIC;
    at = put_32(at, 0);
    at = put_16(at, (uint16_t)(ATTRIBUTE_TRANSACTIONAL | codec));
    at = put_32(at, (uint32_t)b->records - 1);
    at = put_64(at, (uint64_t)b->first_ms);
    at = put_64(at, (uint64_t)b->max_ms);
    at = put_64(at, (uint64_t)by->producer);
    at = put_16(at, (uint16_t)by->epoch);
    at = put_32(at, (uint32_t)by->sequence);
    put_32(at, (uint32_t)b->records);
    put_32(out + CRC_AT, base_crc32c(0, out + COVERED_AT, RECORD_BATCH_HEAD_BYTES + packed - COVERED_AT));
}

size_t record_batch_bytes_max(const record_batch *b, const pack *how) {
    return RECORD_BATCH_HEAD_BYTES + pack_bytes_max(how, b->n);
}

size_t record_batch_write(const record_batch *b, const record_writer *by, pack *how, uint8_t *out,
                          size_t out_size) {
    pack_codec codec;
    size_t packed = pack_run(how, b->data, b->n, out + RECORD_BATCH_HEAD_BYTES,
                             out_size - RECORD_BATCH_HEAD_BYTES, &codec);
    if (packed == 0)
        return 0;
    head_put(b, by, codec, packed, out);
    return RECORD_BATCH_HEAD_BYTES + packed;
}

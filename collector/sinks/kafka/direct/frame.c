#include "frame.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 4u
#define SIZE_LEAST 512u

/* ---- writing ------------------------------------------------------------------------------------------ */

void frame_fini(frame *f) {
    free(f->data);
    *f = (frame){0};
}

bool frame_reserve(frame *f, size_t n) {
    if (f->failed || f->size - f->n >= n)
        return !f->failed;
    size_t size = f->n + n > 2 * f->size ? f->n + n : 2 * f->size;
    size = size > SIZE_LEAST ? size : SIZE_LEAST;
    uint8_t *data = realloc(f->data, size);
    if (!data) {
        f->failed = true;
        return false;
    }
    f->data = data;
    f->size = size;
    return true;
}

static void put(frame *f, const void *data, size_t n) {
    if (n == 0 || !frame_reserve(f, n))
        return;
    memcpy(f->data + f->n, data, n);
    f->n += n;
}

void frame_put_i8(frame *f, int8_t value) { put(f, &value, sizeof value); }

void frame_put_i16(frame *f, int16_t value) {
    uint16_t word = htobe16((uint16_t)value);
    put(f, &word, sizeof word);
}

void frame_put_i32(frame *f, int32_t value) {
    uint32_t word = htobe32((uint32_t)value);
    put(f, &word, sizeof word);
}

void frame_put_i64(frame *f, int64_t value) {
    uint64_t word = htobe64((uint64_t)value);
    put(f, &word, sizeof word);
}

void frame_put_string(frame *f, const char *text) {
    size_t n = strlen(text);
    frame_put_i16(f, (int16_t)n);
    put(f, text, n);
}

void frame_put_bytes(frame *f, const void *data, size_t n) {
    frame_put_i32(f, (int32_t)n);
    put(f, data, n);
}

void frame_patch_i32(frame *f, size_t at, int32_t value) {
    uint32_t word = htobe32((uint32_t)value);
    if (!f->failed)
        memcpy(f->data + at, &word, sizeof word);
}

void frame_begin(frame *f, api what, int16_t version, int32_t correlation, const char *client) {
    f->n = 0;
    f->failed = false;
    frame_put_i32(f, 0);
    frame_put_i16(f, (int16_t)what);
    frame_put_i16(f, version);
    frame_put_i32(f, correlation);
    frame_put_string(f, client);
}

bool frame_end(frame *f) {
    frame_patch_i32(f, 0, (int32_t)(f->n - LENGTH_BYTES));
    return !f->failed;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

/* The next bytes; NULL: the answer ends before them. */
static const uint8_t *take(answer *a, size_t n) {
    if (a->bad || (size_t)(a->end - a->at) < n) {
        a->bad = true;
        return NULL;
    }
    const uint8_t *at = a->at;
    a->at += n;
    return at;
}

void answer_skip(answer *a, size_t n) { take(a, n); }

int8_t answer_i8(answer *a) {
    const uint8_t *at = take(a, 1);
    return at ? (int8_t)*at : 0;
}

int16_t answer_i16(answer *a) {
    uint16_t word = 0;
    const uint8_t *at = take(a, sizeof word);
    if (at)
        memcpy(&word, at, sizeof word);
    return (int16_t)be16toh(word);
}

int32_t answer_i32(answer *a) {
    uint32_t word = 0;
    const uint8_t *at = take(a, sizeof word);
    if (at)
        memcpy(&word, at, sizeof word);
    return (int32_t)be32toh(word);
}

int64_t answer_i64(answer *a) {
    uint64_t word = 0;
    const uint8_t *at = take(a, sizeof word);
    if (at)
        memcpy(&word, at, sizeof word);
    return (int64_t)be64toh(word);
}

static answer_text text_take(answer *a, int32_t n) {
    const uint8_t *at = n > 0 ? take(a, (size_t)n) : NULL;
    return (answer_text){(const char *)at, at ? (size_t)n : 0};
}

answer_text answer_string(answer *a) { return text_take(a, answer_i16(a)); }
answer_text answer_bytes(answer *a) { return text_take(a, answer_i32(a)); }

int32_t answer_count(answer *a, size_t bytes_least) {
    int32_t n = answer_i32(a);
    if (n > 0 && (size_t)(a->end - a->at) / bytes_least < (size_t)n)
        a->bad = true;
    return n > 0 && !a->bad ? n : 0;
}

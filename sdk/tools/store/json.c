#include "sdk/tools/store/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- text --------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 sequence that begins here; 0: it is none. */
static size_t sequence_bytes(const uint8_t *at, size_t left) {
    static const struct {
        uint8_t mask, lead;
        uint32_t least;
    } kinds[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t n = 1; n <= 4 && n <= left; n++) {
        if ((at[0] & kinds[n - 1].mask) != kinds[n - 1].lead)
            continue;
        uint32_t code = at[0] & (uint8_t)~kinds[n - 1].mask;
        for (size_t i = 1; i < n; i++) {
            if ((at[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (at[i] & 0x3f);
        }
        bool good = code >= kinds[n - 1].least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        return good ? n : 0;
    }
    return 0;
}

json_t *json_of_text(wire_span text) {
    static const char replacement[] = "\xef\xbf\xbd";
    size_t n = 0;
    char *out = malloc(3 * text.n + 1);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < text.n;) {
        size_t bytes = sequence_bytes(text.data + i, text.n - i);
        const void *from = bytes > 0 ? (const void *)(text.data + i) : replacement;
        size_t taken = bytes > 0 ? bytes : sizeof replacement - 1;
        memcpy(out + n, from, taken);
        n += taken;
        i += bytes > 0 ? bytes : 1;
    }
    json_t *value = json_stringn_nocheck(out, n);
    free(out);
    return value;
}

json_t *json_of_hex(const uint8_t *bytes, size_t n) {
    static const char digits[] = "0123456789abcdef";
    char text[2 * WIRE_ID_BYTES];
    for (size_t i = 0; i < n && i < WIRE_ID_BYTES; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return json_stringn_nocheck(text, 2 * n);
}

json_t *json_of_base64(wire_span data) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    char *out = malloc((data.n + 2) / 3 * 4 + 1);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < data.n; i += 3) {
        size_t left = data.n - i;
        uint32_t bits = (uint32_t)data.data[i] << 16;
        bits |= left > 1 ? (uint32_t)data.data[i + 1] << 8 : 0;
        bits |= left > 2 ? data.data[i + 2] : 0;
        out[n++] = digits[bits >> 18];
        out[n++] = digits[bits >> 12 & 63];
        out[n++] = left > 1 ? digits[bits >> 6 & 63] : '=';
        out[n++] = left > 2 ? digits[bits & 63] : '=';
    }
    json_t *value = json_stringn_nocheck(out, n);
    free(out);
    return value;
}

json_t *json_of_double(double value) {
    if (isnan(value))
        return json_string_nocheck("NaN");
    if (isinf(value))
        return json_string_nocheck(value > 0 ? "Infinity" : "-Infinity");
    return json_real(value);
}

/* ---- time --------------------------------------------------------------------------------------- */

void time_put(int64_t us, char ret_text[TIME_TEXT_BYTES]) {
    struct tm tm = {.tm_mday = 1};
    us = us < WIRE_US_MIN ? WIRE_US_MIN : us > WIRE_US_MAX ? WIRE_US_MAX : us;
    int64_t micros = (us % 1000000 + 1000000) % 1000000;
    time_t seconds = (time_t)((us - micros) / 1000000);
    (void)gmtime_r(&seconds, &tm);
    size_t n = strftime(ret_text, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret_text + n, TIME_TEXT_BYTES - n, ".%06dZ", (int)micros);
}

json_t *json_of_time(int64_t us) {
    char text[TIME_TEXT_BYTES];
    time_put(us, text);
    return json_string_nocheck(text);
}

/* ---- out ---------------------------------------------------------------------------------------- */

bool json_print(json_t *value) {
    bool good = value != NULL && json_dumpf(value, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
    json_decref(value);
    return good;
}

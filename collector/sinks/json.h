/* json: JSON values written straight into a buffer that the caller has made large enough. Pure; any thread.
 * By hand, since a tree of values for every event would cost more than the rest of the collector. */
#ifndef SINKS_JSON_H
#define SINKS_JSON_H

#include <stddef.h>
#include <stdint.h>

/* The most bytes that n bytes of input become. */
#define JSON_STRING_MAX(n) (6u * (size_t)(n) + 2u)
#define JSON_BASE64_MAX(n) (((size_t)(n) + 2u) / 3u * 4u + 2u)
#define JSON_NUMBER_MAX 32u

/* Each writes one value and returns the bytes written. Bytes that are not UTF-8 become U+FFFD. */
size_t json_put_string(char *out, const uint8_t *text, size_t n);
size_t json_put_uint(char *out, uint64_t value);
size_t json_put_int(char *out, int64_t value);
/* Reads back to the same double; always with a point or an exponent. NaN and infinities as strings. */
size_t json_put_double(char *out, double value);
/* Exactly six digits; the place behind them. */
char *json_put_digits6(char *out, uint32_t value);
size_t json_put_base64(char *out, const uint8_t *data, size_t n);

#endif

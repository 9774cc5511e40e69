/* json: values as the collector's sinks write them. Over jansson. */
#ifndef STORE_JSON_H
#define STORE_JSON_H

#include <jansson.h>

#include "sdk/tools/store/events.h"

#define TIME_TEXT_BYTES 48u
void time_put(int64_t us, char ret_text[TIME_TEXT_BYTES]); /* RFC 3339, UTC */

/* New references; NULL: out of memory. Bytes that are no UTF-8 become U+FFFD. */
json_t *json_of_text(wire_span text);
json_t *json_of_hex(const uint8_t *bytes, size_t n);
json_t *json_of_base64(wire_span data);
json_t *json_of_double(double value); /* NaN and infinities as strings */
json_t *json_of_time(int64_t us);

/* One line to standard output; takes the reference. False: out of memory, or writing failed. */
bool json_print(json_t *value);

#endif

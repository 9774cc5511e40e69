#include "topic_name.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "sdk/src/base/crc32c.h"

#define PLACE "{name}"
#define CHECKSUM_BYTES 9u /* -01234567 */

bool topic_name_varies(const char *pattern) { return strstr(pattern, PLACE) != NULL; }

static bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

void topic_name_make(const char *pattern, const char *event, size_t event_n,
                     char ret_topic[TOPIC_NAME_SIZE]) {
    const char *place = strstr(pattern, PLACE);
    if (!place) {
        snprintf(ret_topic, TOPIC_NAME_SIZE, "%s", pattern);
        return;
    }
    size_t before = (size_t)(place - pattern);
    const char *behind = place + strlen(PLACE);
    size_t around = before + strlen(behind);
    size_t room = around < TOPIC_NAME_MAX ? TOPIC_NAME_MAX - around : 0;
    size_t kept = event_n <= room ? event_n : room > CHECKSUM_BYTES ? room - CHECKSUM_BYTES : 0;
    char clean[TOPIC_NAME_SIZE], checksum[CHECKSUM_BYTES + 1] = "";
    for (size_t i = 0; i < kept; i++)
        clean[i] = is_plain(event[i]) ? event[i] : '_';
    if (kept < event_n)
        snprintf(checksum, sizeof checksum, "-%08x", base_crc32c(0, event, event_n));
    snprintf(ret_topic, TOPIC_NAME_SIZE, "%.*s%.*s%s%s", (int)before, pattern, (int)kept, clean, checksum,
             behind);
}

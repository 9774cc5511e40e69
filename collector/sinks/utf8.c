#include "utf8.h"

#define REPLACEMENT_BYTES (sizeof UTF8_REPLACEMENT - 1)

size_t utf8_repaired_bytes(const uint8_t *text, size_t n) {
    size_t bytes = 0;
    for (size_t i = 0; i < n;) {
        size_t sequence = utf8_sequence(text + i, n - i);
        bytes += sequence > 0 ? sequence : REPLACEMENT_BYTES;
        i += sequence > 0 ? sequence : 1;
    }
    return bytes;
}

size_t utf8_repair(char *out, const uint8_t *text, size_t n) {
    char *at = out;
    for (size_t i = 0; i < n;) {
        size_t sequence = utf8_sequence(text + i, n - i);
        if (sequence > 0) {
            memcpy(at, text + i, sequence);
            at += sequence;
            i += sequence;
        } else {
            memcpy(at, UTF8_REPLACEMENT, REPLACEMENT_BYTES);
            at += REPLACEMENT_BYTES;
            i++;
        }
    }
    return (size_t)(at - out);
}

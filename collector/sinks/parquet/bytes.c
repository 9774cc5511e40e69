#include "bytes.h"

#include <stdlib.h>

#define CAP_MIN 256u

void bytes_free(bytes *b) {
    free(b->data);
    *b = (bytes){0};
}

bool bytes_grow(bytes *b, size_t n) {
    size_t cap = b->cap ? b->cap : CAP_MIN;
    while (cap - b->n < n)
        cap *= 2;
    uint8_t *grown = b->failed ? NULL : realloc(b->data, cap);
    if (!grown) {
        b->failed = true;
        return false;
    }
    b->data = grown;
    b->cap = cap;
    return true;
}

#include "sdk/tools/store/book.h"

#include <stdlib.h>
#include <string.h>

void book_fini(book *b) {
    free(b->entries);
    free(b->bytes);
}

static bool room_make(void **at, size_t *cap, size_t wanted, size_t size) {
    size_t larger = *cap == 0 ? 1024 : *cap;
    if (wanted <= *cap)
        return true;
    while (larger < wanted)
        larger *= 2;
    void *moved = realloc(*at, larger * size);
    if (moved == NULL)
        return false;
    *at = moved;
    *cap = larger;
    return true;
}

void book_add(book *b, const wdi_key *key, const void *data, size_t n) {
    void *entries = b->entries, *bytes = b->bytes;
    bool good = room_make(&entries, &b->cap, b->n + 1, sizeof *b->entries);
    b->entries = entries;
    good = good && room_make(&bytes, &b->cap_bytes, b->n_bytes + n, 1);
    b->bytes = bytes;
    if (!good) {
        b->failed = true;
        return;
    }
    b->entries[b->n] = (book_entry){.key = *key, .at = b->n_bytes, .n = n, .order = b->n};
    b->n++;
    if (n > 0)
        memcpy(b->bytes + b->n_bytes, data, n);
    b->n_bytes += n;
}

static int keys_compare(const wdi_key *a, const wdi_key *b) {
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return memcmp(a->bytes, b->bytes, a->n);
}

static int entries_compare(const void *a, const void *b) {
    const book_entry *x = a, *y = b;
    int order = keys_compare(&x->key, &y->key);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

void book_sort(book *b) {
    if (b->n > 1)
        qsort(b->entries, b->n, sizeof *b->entries, entries_compare);
}

bool book_get(const book *b, const wdi_key *key, wire_span *ret_data) {
    size_t low = 0, high = b->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (keys_compare(&b->entries[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == b->n || keys_compare(&b->entries[low].key, key) != 0)
        return false;
    *ret_data = (wire_span){b->bytes + b->entries[low].at, b->entries[low].n};
    return true;
}

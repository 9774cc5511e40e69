#include "records.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void records_fini(records *r) {
    free(r->commit);
    r->commit = NULL;
}

static records_err commit_take(records *r, const void *value, size_t n) {
    char *copy = NULL;
    if (value) {
        copy = malloc(n + 1);
        if (!copy)
            return RECORDS_ERR_MEMORY;
        memcpy(copy, value, n);
        copy[n] = '\0';
    }
    free(r->commit);
    r->commit = copy;
    r->commit_n = value ? n : 0;
    return RECORDS_OK;
}

/* The third word. It will be part of a file's name, so nothing else is one. */
static void history_take(records *r) {
    const char *last = strrchr(r->owner, ' ');
    const size_t n = RECORDS_HISTORY_SIZE - 1;
    bool is = last && memchr(r->owner, ' ', (size_t)(last - r->owner)) && strlen(last + 1) == n &&
              strspn(last + 1, "0123456789abcdef") == n;
    memcpy(r->history, is ? last + 1 : "", is ? n + 1 : 1);
}

static records_err owner_take(records *r, const void *value, size_t n) {
    if (n >= sizeof r->owner)
        return RECORDS_ERR_DATA;
    if (n > 0)
        memcpy(r->owner, value, n);
    r->owner[n] = '\0';
    history_take(r);
    return RECORDS_OK;
}

records_err records_take(records *r, const void *key, size_t key_n, const void *value, size_t value_n) {
    size_t id_n = strlen(r->id), suffix_n = strlen(RECORDS_OWNERS_SUFFIX);
    if (!key || key_n < id_n || memcmp(key, r->id, id_n) != 0)
        return RECORDS_ERR_FOREIGN;
    if (key_n == id_n)
        return commit_take(r, value, value_n);
    if (key_n != id_n + suffix_n || memcmp((const char *)key + id_n, RECORDS_OWNERS_SUFFIX, suffix_n) != 0)
        return RECORDS_ERR_FOREIGN;
    return owner_take(r, value, value ? value_n : 0);
}

/* Files as LMDB leaves them: random histories of transactions, and damage to what they left. */
#ifndef HISTORIES_H
#define HISTORIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sdk/src/base/lmdb.h"
#include "sdk/src/base/lmdb_check/lmdb_check.h"

#define HISTORY_PAGE_BYTES 4096u
#define HISTORY_KEY_MAX 64u

typedef struct image {
    uint8_t *bytes;
    size_t n;
} image;

void image_free(image *i);
image image_copy(const image *from);
/* The image as an open file without a name. */
int image_fd(const image *i);

typedef struct history {
    uint64_t random;
    int fd;        /* the file, in memory: what is tried here is not the disk */
    char path[32]; /* another way to it */
    base_lmdb *env;
    base_lmdb_db dbs[BASE_LMDB_DBS_MAX];
    unsigned n_dbs;
    uint64_t keys; /* how many different ones */
    uint64_t value_max;
    bool preallocate;
} history;

uint64_t history_random(history *h, uint64_t below);
/* Numbered databases of random kinds; a seed makes the same ones again. */
void history_begin(history *h, uint64_t seed);
void history_reopen(history *h);
void history_end(history *h);
/* A transaction of random changes, committed, or given up. The environment stays open. */
void history_step(history *h);
image history_image(const history *h);
/* Opens an image as a database with this history's kinds of keys, reads and then changes all sorts of things
 * in it. false: some call failed. */
bool history_use(const history *h, const image *i);

/* Values end in a checksum over key and value. */
bool history_value_right(const uint8_t *key, size_t key_n, const uint8_t *value, size_t n);

/* The image as a machine of 32 bits would have it: same pages, smaller words. Of a good one. */
void image_narrow(image *i);

/* Damages the image in one of many ways; the name of it. */
const char *image_damage(history *h, image *i);

#endif

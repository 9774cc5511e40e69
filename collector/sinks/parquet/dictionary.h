/* dictionary: the distinct values of a column chunk, numbered as they come. Texts, or values of eight bytes.
 * One thread. */
#ifndef PARQUET_DICTIONARY_H
#define PARQUET_DICTIONARY_H

#include "bytes.h"
#include "wire.h"

#define DICTIONARY_BYTES_MAX (512u << 10) /* as stored */
#define DICTIONARY_ENTRIES_MAX (32u << 10)
#define DICTIONARY_FULL UINT32_MAX

typedef struct dictionary_slot {
    uint32_t hash, index; /* index + 1; 0: free */
} dictionary_slot;

typedef struct dictionary {
    bool fixed;       /* values of eight bytes: stored without their length */
    bytes stored;     /* one behind the other, as the dictionary page has them */
    uint32_t n;       /* entries */
    uint32_t *starts; /* in `stored` */
    uint32_t *marks;  /* the caller's, one an entry, 0 at first */
    dictionary_slot *slots;
    uint32_t entries_cap, slots_n;
    bool failed; /* out of memory */
} dictionary;

void dictionary_free(dictionary *d);
void dictionary_clear(dictionary *d);

/* The value's index, a new one if it is not there yet. DICTIONARY_FULL: no room, or no memory. */
uint32_t dictionary_index(dictionary *d, const void *data, size_t n);

wire_span dictionary_value(const dictionary *d, uint32_t index);

/* Memory in use. */
size_t dictionary_bytes(const dictionary *d);

#endif

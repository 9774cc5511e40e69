/* records: what the checkpoint topic's records say, read in their order. Two keys are known:
 *
 *     <transactional.id>           the last commit's manifest
 *     <transactional.id>/owners    <start id of a collector> <how often it has claimed> <history>
 *
 * The history, 8 hex digits, is made by the first owner and handed on: its epochs are counted from 1.
 *
 * Pure; does not log. */
#ifndef SINKS_KAFKA_RECORDS_H
#define SINKS_KAFKA_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#define RECORDS_OWNER_SIZE 64u
#define RECORDS_HISTORY_SIZE 9u
#define RECORDS_OWNERS_SUFFIX "/owners"

typedef struct records {
    const char *id; /* borrowed: the transactional.id */
    char *commit;   /* malloc; NULL: none yet */
    size_t commit_n;
    char owner[RECORDS_OWNER_SIZE];     /* the newest; empty: none yet */
    char history[RECORDS_HISTORY_SIZE]; /* the newest owner's; empty: it names none */
} records;

typedef enum records_err {
    RECORDS_OK = 0,
    RECORDS_ERR_MEMORY,
    RECORDS_ERR_FOREIGN, /* another sink's: its open transactions would hide our checkpoint */
    RECORDS_ERR_DATA,    /* an owner that no collector wrote */
} records_err;

/* The record's value is NULL when it removes what the key had. */
records_err records_take(records *r, const void *key, size_t key_n, const void *value, size_t value_n);
void records_fini(records *r);

#endif

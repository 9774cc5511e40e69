/* LMDB, wrapped: the only file that includes lmdb.h is lmdb.c.
 *
 * Always synced commits, never MDB_WRITEMAP. LMDB's own asserts, which a damaged file can trip, end the call
 * with BASE_LMDB_CORRUPT instead of the process; the environment is then dead: every later call says so,
 * and only base_lmdb_close is of use. A file is opened at most once in a process, and never used after a
 * fork.
 *
 * Threads: without `readers` everything comes from one thread at a time (MDB_NOLOCK: the caller's own lock on
 * the directory is the lock), and no read transaction stays open over a write transaction. With `readers`,
 * LMDB's lock file serves: one writer, and readers in other threads, a transaction each. */
#ifndef BASE_LMDB_H
#define BASE_LMDB_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define BASE_LMDB_DBS_MAX 8u

typedef enum base_lmdb_err {
    BASE_LMDB_OK = 0,
    BASE_LMDB_FULL,     /* the map: abort the transaction, make room, try again */
    BASE_LMDB_NO_SPACE, /* the file system */
    BASE_LMDB_IO,       /* the disk failed; nothing of the transaction counts */
    BASE_LMDB_CORRUPT,  /* not LMDB's file, of another word size or version, or damaged */
    BASE_LMDB_MEMORY,
    BASE_LMDB_PERMISSION,
    BASE_LMDB_SYSTEM,   /* anything else */
    BASE_LMDB_GIVEN_UP, /* a commit had failed at the very end, which LMDB does not forgive: close, and open
                           again. That transaction may count, or not */
} base_lmdb_err;

typedef struct base_lmdb base_lmdb;
typedef struct base_lmdb_txn base_lmdb_txn;
typedef struct base_lmdb_cursor base_lmdb_cursor;

typedef struct base_lmdb_db {
    const char *name;  /* NULL: the file's unnamed one, when it is the only one */
    bool integer_keys; /* keys are native uint64_t; else compared as bytes */
} base_lmdb_db;

typedef struct base_lmdb_options {
    const char *path;        /* a file, made with mode 0600 */
    size_t map_bytes;        /* limit of the file; grown silently to what the file already uses */
    const base_lmdb_db *dbs; /* db indexes of the calls below are indexes of this array */
    size_t n_dbs;
    bool readers;             /* see Threads */
    pthread_mutex_t *working; /* error-checking; one that the committing thread holds is let go of while it
                                 waits for the disk. May be NULL */
    bool preallocate; /* reserve map_bytes on disk; where the file system refuses, *ret_reserved says so */
} base_lmdb_options;

/* A borrowed value: valid until the transaction ends or the next write in it. */
typedef struct base_lmdb_val {
    const void *data;
    size_t n;
} base_lmdb_val;

/* ret_reserved may be NULL. */
base_lmdb_err base_lmdb_open(const base_lmdb_options *opt, base_lmdb **ret_env, bool *ret_reserved);
void base_lmdb_close(base_lmdb *env);
/* The open file, as fstat has it. */
bool base_lmdb_stat(const base_lmdb *env, struct stat *ret_stat);
/* In the child of a fork, from its handler: closes the descriptors, LMDB's second one too where /proc tells
 * it. Async-signal-safe; as often as one likes. Only base_lmdb_forget may follow. */
void base_lmdb_disown(base_lmdb *env);
/* Then, later: LMDB's memory and mapping are left alone, for it may have been changing them at the fork. */
void base_lmdb_forget(base_lmdb *env);

base_lmdb_err base_lmdb_begin(base_lmdb *env, bool write, base_lmdb_txn **ret_txn);
base_lmdb_err base_lmdb_commit(base_lmdb_txn *txn); /* ends the transaction in any case; synced when OK */
void base_lmdb_abort(base_lmdb_txn *txn);           /* accepts NULL */

/* Absent keys are no error: *ret_found. A value that the disk cannot read is one (BASE_LMDB_IO), here and
 * with cursors: whoever looks at a value that was found meets no signal for that. */
base_lmdb_err base_lmdb_get(base_lmdb_txn *txn, unsigned db, base_lmdb_val key, base_lmdb_val *ret_val,
                            bool *ret_found);
base_lmdb_err base_lmdb_put(base_lmdb_txn *txn, unsigned db, base_lmdb_val key, base_lmdb_val val);
/* As put, but hands out n bytes to fill before the next call with this transaction. */
base_lmdb_err base_lmdb_reserve(base_lmdb_txn *txn, unsigned db, base_lmdb_val key, size_t n,
                                void **ret_data);
/* The same for a key above all that are there: pages are filled to the end. */
base_lmdb_err base_lmdb_append(base_lmdb_txn *txn, unsigned db, base_lmdb_val key, size_t n, void **ret_data);
base_lmdb_err base_lmdb_del(base_lmdb_txn *txn, unsigned db, base_lmdb_val key,
                            bool *ret_found); /* may be NULL */

/* A cursor belongs to its transaction: close it before commit or abort. */
base_lmdb_err base_lmdb_cursor_open(base_lmdb_txn *txn, unsigned db, base_lmdb_cursor **ret_cursor);
void base_lmdb_cursor_close(base_lmdb_cursor *cursor); /* accepts NULL */

typedef enum base_lmdb_move {
    BASE_LMDB_FIRST,
    BASE_LMDB_LAST,
    BASE_LMDB_NEXT,
    BASE_LMDB_PREV,
    BASE_LMDB_AT,       /* exactly *key */
    BASE_LMDB_AT_LEAST, /* the least key that is not below *key */
} base_lmdb_move;

/* key is read by AT and AT_LEAST, and written when something was found. */
base_lmdb_err base_lmdb_cursor_move(base_lmdb_cursor *cursor, base_lmdb_move move, base_lmdb_val *key,
                                    base_lmdb_val *ret_val, bool *ret_found);
/* Deletes where the cursor stands; NEXT then goes to the one behind. */
base_lmdb_err base_lmdb_cursor_del(base_lmdb_cursor *cursor);

/* Bytes of pages that hold something now, as this transaction sees it; the map's size. */
base_lmdb_err base_lmdb_used(base_lmdb_txn *txn, uint64_t *ret_bytes);
base_lmdb_err base_lmdb_db_used(base_lmdb_txn *txn, unsigned db, uint64_t *ret_bytes); /* of one database */
uint64_t base_lmdb_map_bytes(const base_lmdb *env);

#endif

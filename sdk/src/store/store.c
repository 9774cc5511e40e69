#include "sdk/src/store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/src/base/lmdb_check/lmdb_check.h"
#include "sdk/src/core/error.h"

#define PATH_BYTES_MAX 4096u
#define WHY_BYTES 128u
#define CHUNK_PAYLOAD_MIN 4096u
#define CHUNK_NUMBERS_MAX 512u       /* of a new chunk */
#define CHUNKS_IN_MAP 64u            /* a chunk takes at most this part of a small map */
#define TXN_PART 16u                 /* and a transaction of the drainer this part */
#define TXN_BYTES_MAX (256u * 1024u) /* LMDB has it in memory until the commit */

/* ---- memory ------------------------------------------------------------------------------------- */

static void store_free(wdi_store *s) {
    if (s == NULL)
        return;
    free(s->builder.table);
    free(s->builder.payload);
    free(s->scratch);
    free(s);
}

static wdi_store *store_alloc(const wdi_store_options *opt) {
    wdi_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    uint64_t payload = opt->disk_bytes_max / CHUNKS_IN_MAP;
    payload = payload < CHUNK_PAYLOAD_MIN ? CHUNK_PAYLOAD_MIN : payload;
    s->builder.payload_max = (uint32_t)(payload > WDI_CHUNK_PAYLOAD_MAX ? WDI_CHUNK_PAYLOAD_MAX : payload);
    s->builder.table_max = CHUNK_NUMBERS_MAX;
    s->builder.table = calloc(CHUNK_NUMBERS_MAX, sizeof *s->builder.table);
    s->builder.payload = malloc(WDI_CHUNK_PAYLOAD_MAX);
    s->scratch = malloc(2 * WDI_CHUNK_BYTES_MAX);
    memcpy(s->installation, opt->installation, sizeof s->installation);
    s->move_wait_us = opt->move_wait_us != 0 ? opt->move_wait_us : WDI_MOVE_WAIT_US_DEFAULT;
    s->max_age_us = opt->max_age_us;
    s->keep_all = opt->keep_all;
    s->diag = opt->diag;
    s->quota_percent = WDI_QUOTA_PERCENT_STOP;
    if (s->builder.table != NULL && s->builder.payload != NULL && s->scratch != NULL)
        return s;
    store_free(s);
    return NULL;
}

/* ---- opening ------------------------------------------------------------------------------------ */

static const base_lmdb_db events_db = {NULL, false};

/* `path` is borrowed while the environment lasts. */
static wadi_err env_open(wdi_store *s, const base_lmdb_options *lmdb) {
    bool reserved = false;
    s->lmdb = *lmdb;
    base_lmdb_err err = base_lmdb_open(lmdb, &s->env, &reserved);
    if (err != BASE_LMDB_OK)
        return wdi_lmdb_err(err);
    s->map_bytes = base_lmdb_map_bytes(s->env);
    if (lmdb->preallocate && !reserved)
        wdi_diagf(s->diag, WADI_DIAG_INFO, "store: %s: no space could be reserved", lmdb->path);
    return WADI_OK;
}

/* Beside the store, for a while. */
static wadi_err env_make(wdi_store *s, const char *path, uint64_t bytes) {
    (void)unlink(path); /* an earlier try's */
    const base_lmdb_options lmdb = {.path = path, .map_bytes = (size_t)bytes, .dbs = &events_db, .n_dbs = 1};
    return env_open(s, &lmdb);
}

static wadi_err store_begin_fresh(wdi_store *s, uint64_t quarantined) {
    wadi_err err = wdi_txn_begin(s);
    if (err != WADI_OK)
        return err;
    s->state.meta.format = WDI_STORE_FORMAT;
    s->state.meta.next_seq = 1;
    s->state.meta.next_stream = 1;
    s->state.meta.oldest_run = 1;
    s->state.meta.quarantined = quarantined;
    return wdi_txn_end(s, wdi_stream_insert(&s->state, 0, 1, 0));
}

/* Where a file is made before it takes the place of the store's. */
static bool new_path_set(const wdi_store_options *opt, char path[PATH_BYTES_MAX]) {
    int n = snprintf(path, PATH_BYTES_MAX, "%s.new", opt->path);
    return n > 0 && (size_t)n < PATH_BYTES_MAX;
}

static wadi_err store_make_beside(const wdi_store_options *opt, const char *path, uint64_t quarantined) {
    wdi_store *s = store_alloc(opt);
    wadi_err err = s != NULL ? env_make(s, path, opt->disk_bytes_max) : WADI_ERR_NO_MEMORY;
    if (err == WADI_OK)
        err = store_begin_fresh(s, quarantined);
    wdi_store_close(s);
    if (err != WADI_OK)
        (void)unlink(path);
    return err;
}

/* It takes its place when it is whole: cut off while LMDB writes its first pages, it would look damaged. */
static wadi_err store_make(const wdi_store_options *opt) {
    char path[PATH_BYTES_MAX];
    if (!new_path_set(opt, path))
        return WADI_ERR_INVALID;
    wadi_err err = store_make_beside(opt, path, wdi_quarantine_count(opt->quarantine_dir));
    if (err == WADI_OK && rename(path, opt->path) != 0) {
        err = wdi_err_of_errno(errno);
        (void)unlink(path);
    }
    return err;
}

/* *ret_block: WADI_ERR_IO, but the meta pages could be read: it is a block that failed, and not the disk. */
static wadi_err pages_check(int fd, char why[WHY_BYTES], bool *ret_block) {
    lmdb_check_report report;
    lmdb_check_result result = lmdb_check(fd, NULL, &report);
    *ret_block = report.reason == LMDB_CHECK_READ_FAULT && report.page_bytes != 0;
    if (result == LMDB_CHECK_GOOD || result == LMDB_CHECK_EMPTY)
        return WADI_OK;
    if (result == LMDB_CHECK_FAILED && !*ret_block)
        return report.reason == LMDB_CHECK_MEMORY_FAULT ? WADI_ERR_NO_MEMORY : WADI_ERR_IO;
    snprintf(why, WHY_BYTES, "page %" PRIu64 ": %s", report.page, lmdb_check_text(report.reason));
    return *ret_block ? WADI_ERR_IO : WADI_ERR_CORRUPT;
}

/* There is a file, and LMDB may map it. Looked at in every open, after a clean close too: a walk over the
 * pages costs less than the look at every chunk that follows, and a disk may spoil what lies still. */
static wadi_err file_ready(const wdi_store_options *opt, char why[WHY_BYTES]) {
    struct stat st;
    bool block = false;
    int fd = open(opt->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? store_make(opt) : WADI_OK; /* of another fault LMDB will tell */
    bool empty = fstat(fd, &st) == 0 && st.st_size == 0;
    wadi_err err = empty ? WADI_OK : pages_check(fd, why, &block);
    close(fd);
    if (block)
        return WADI_ERR_CORRUPT; /* it will not get better by waiting */
    return empty ? store_make(opt) : err;
}

static wadi_err state_load(wdi_store *s, bool *ret_fresh) {
    wadi_err err = wdi_reader_begin(s);
    if (err == WADI_OK)
        err = wdi_store_load(s, ret_fresh);
    wdi_reader_end(s);
    if (err == WADI_OK)
        s->kept = s->state;
    return err;
}

static wadi_err store_open_file(wdi_store *s, const wdi_store_options *opt, char why[WHY_BYTES]) {
    const base_lmdb_options lmdb = {.path = opt->path,
                                    .map_bytes = (size_t)opt->disk_bytes_max,
                                    .dbs = &events_db,
                                    .n_dbs = 1,
                                    .working = opt->working,
                                    .preallocate = !opt->keep_all};
    bool fresh = false;
    wadi_err err = env_open(s, &lmdb);
    if (err == WADI_OK)
        err = wdi_store_file(s, &s->file) ? WADI_OK : WADI_ERR_IO;
    if (err != WADI_OK)
        return err;
    err = state_load(s, &fresh);
    if (err == WADI_ERR_IO) {
        snprintf(why, WHY_BYTES, "a record cannot be read");
        return WADI_ERR_CORRUPT; /* as a page of the trees */
    }
    if (err != WADI_OK)
        return err;
    return fresh ? store_begin_fresh(s, wdi_quarantine_count(opt->quarantine_dir)) : WADI_OK;
}

/* The path may by now lead to a file that another process holds. */
static bool is_own_file(const wdi_store *s, const struct stat *st) {
    return st->st_dev == s->file.st_dev && st->st_ino == s->file.st_ino;
}

static wadi_err env_open_again(wdi_store *s) {
    const base_lmdb_options lmdb = s->lmdb;
    char why[WHY_BYTES];
    bool block = false;
    struct stat now;
    base_lmdb_close(s->env);
    s->env = NULL;
    int fd = open(lmdb.path, O_RDONLY | O_CLOEXEC);
    bool same = fd >= 0 && fstat(fd, &now) == 0 && is_own_file(s, &now);
    wadi_err err = same ? pages_check(fd, why, &block) : WADI_ERR_IO;
    if (fd >= 0)
        close(fd);
    if (err == WADI_OK)
        err = env_open(s, &lmdb);
    return err == WADI_OK && !(wdi_store_file(s, &now) && is_own_file(s, &now)) ? WADI_ERR_IO : err;
}

wadi_err wdi_store_reopen(wdi_store *s) {
    const wdi_meta before = s->kept.meta;
    bool fresh = false;
    wadi_err err = env_open_again(s);
    if (err == WADI_OK)
        err = state_load(s, &fresh);
    const wdi_meta *now = &s->kept.meta;
    if (err == WADI_OK && (fresh || now->next_seq < before.next_seq || now->ring_pos < before.ring_pos))
        err = WADI_ERR_CORRUPT; /* another file */
    if (err == WADI_OK) {
        wdi_diagf(s->diag, WADI_DIAG_WARN, "store: opened again, after its disk had failed");
        return WADI_OK;
    }
    if (err == WADI_ERR_CORRUPT)
        s->failed = err;
    s->state = s->kept;
    base_lmdb_close(s->env);
    s->env = NULL;
    return err;
}

/* A new file beside the damaged one, with what can be read of that. WADI_ERR_CORRUPT: nothing. */
static wadi_err store_salvage(const wdi_store_options *opt, const char *path, wdi_salvage_extent extent) {
    struct stat st;
    int fd = open(opt->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0)
            close(fd);
        return WADI_ERR_IO;
    }
    struct rlimit limit;
    /* With room for what is written twice on the way: never full of what was not full before. */
    uint64_t bytes = (uint64_t)st.st_size > opt->disk_bytes_max ? (uint64_t)st.st_size : opt->disk_bytes_max;
    bytes *= 2;
    /* Beyond this limit the kernel would not only refuse but raise SIGXFSZ in our host. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes > limit.rlim_cur)
        bytes = limit.rlim_cur;
    wdi_store *s = store_alloc(opt);
    wadi_err err = s != NULL ? env_make(s, path, bytes) : WADI_ERR_NO_MEMORY;
    if (err == WADI_OK)
        err = wdi_salvage(s, fd, opt->numbers, extent);
    wdi_store_close(s);
    close(fd);
    if (err != WADI_OK)
        (void)unlink(path);
    return err;
}

/* A disk that is full keeps no application from going on: what the copy has no room for stays in the
 * quarantined file, and is counted as lost while there is room for that; else the store begins anew. Nothing
 * is touched before there is a successor. */
static wadi_err store_succeed(const wdi_store_options *opt, const char *path) {
    wadi_err err = store_salvage(opt, path, WDI_SALVAGE_ALL);
    if (err != WADI_ERR_DISK_FULL)
        return err;
    wdi_quarantine_make_room(opt);
    err = store_salvage(opt, path, WDI_SALVAGE_ALL);
    if (err != WADI_ERR_DISK_FULL)
        return err;
    wdi_diagf(opt->diag, WADI_DIAG_ERROR, "store: no room for a copy of what a damaged file holds");
    err = store_salvage(opt, path, WDI_SALVAGE_NUMBERS);
    if (err != WADI_ERR_DISK_FULL)
        return err;
    return store_make_beside(opt, path, wdi_quarantine_count(opt->quarantine_dir) + 1);
}

/* Puts another file, or none, in the damaged one's place. What may pass, like a read that fails, leaves the
 * damaged file where it is. */
static wadi_err store_replace(const wdi_store_options *opt, const char *why, bool salvage) {
    char path[PATH_BYTES_MAX];
    if (!new_path_set(opt, path))
        return WADI_ERR_INVALID;
    wadi_err err = salvage ? store_succeed(opt, path) : WADI_ERR_CORRUPT;
    if (err != WADI_OK && err != WADI_ERR_CORRUPT)
        return err;
    return wdi_quarantine_take(opt, why, err == WADI_OK ? path : NULL);
}

static wadi_err store_try(const wdi_store_options *opt, char why[WHY_BYTES], wdi_store **ret_store) {
    snprintf(why, WHY_BYTES, "its records do not hold together");
    wadi_err err = file_ready(opt, why);
    if (err != WADI_OK)
        return err;
    wdi_store *s = store_alloc(opt);
    if (s == NULL)
        return WADI_ERR_NO_MEMORY;
    err = store_open_file(s, opt, why);
    if (err == WADI_OK)
        *ret_store = s;
    else
        wdi_store_close(s);
    return err;
}

/* What was salvaged is looked at like any other file; if it does not hold together, nothing is kept. */
wadi_err wdi_store_open(const wdi_store_options *opt, wdi_store **ret_store) {
    char why[WHY_BYTES];
    wadi_err err = store_try(opt, why, ret_store);
    if (err ==
        WADI_ERR_CORRUPT) /* seen twice: a read that went wrong once is no reason to part with anything */
        err = store_try(opt, why, ret_store);
    for (unsigned i = 0; err == WADI_ERR_CORRUPT && i < 2; i++) {
        err = store_replace(opt, why, i == 0);
        if (err == WADI_OK)
            err = store_try(opt, why, ret_store);
    }
    return err;
}

void wdi_store_installation_set(wdi_store *s, const uint8_t installation[WIRE_ID_BYTES]) {
    memcpy(s->installation, installation, sizeof s->installation);
}

bool wdi_store_file(const wdi_store *s, struct stat *ret_stat) {
    return s->env != NULL && base_lmdb_stat(s->env, ret_stat);
}

void wdi_store_close(wdi_store *s) {
    if (s == NULL)
        return;
    wdi_reader_end(s);
    wdi_store_abort(s);
    base_lmdb_close(s->env);
    store_free(s);
}

void wdi_store_disown(wdi_store *s) {
    if (s != NULL)
        base_lmdb_disown(s->env);
}

void wdi_store_forget(wdi_store *s) {
    if (s == NULL)
        return;
    base_lmdb_forget(s->env);
    store_free(s);
}

/* ---- notes -------------------------------------------------------------------------------------- */

wadi_err wdi_store_note_put(wdi_store *s, wdi_store_note note, const void *data, size_t n) {
    wdi_key key = wdi_key_number(WDI_KEY_NOTE, (uint64_t)note);
    if (n > WDI_NOTE_BYTES_MAX)
        return WADI_ERR_TOO_LARGE;
    wadi_err err = wdi_txn_begin(s);
    if (err == WADI_OK)
        err = n > 0 ? wdi_record_put(s, &key, data, n) : wdi_record_del(s, &key);
    return wdi_txn_end(s, err);
}

wadi_err wdi_store_note_get(wdi_store *s, wdi_store_note note, void *out, size_t cap, size_t *ret_n) {
    wdi_key key = wdi_key_number(WDI_KEY_NOTE, (uint64_t)note);
    wire_span record;
    bool found = false;
    wadi_err err = wdi_reader_begin(s);
    if (err == WADI_OK)
        err = wdi_record_get(s, &key, &record, &found);
    if (err == WADI_OK) {
        *ret_n = found && record.n <= cap ? record.n : 0;
        if (*ret_n > 0)
            memcpy(out, record.data, *ret_n);
    }
    wdi_reader_end(s);
    return err;
}

/* ---- what it holds ------------------------------------------------------------------------------ */

uint64_t wdi_store_ring_pos(const wdi_store *s) { return s->kept.meta.ring_pos; }

void wdi_store_numbers_get(const wdi_store *s, wdi_store_numbers *ret_numbers) {
    const wdi_state *kept = &s->kept;
    wdi_store_numbers numbers = {.next_seq = kept->meta.next_seq,
                                 .low = kept->meta.next_seq,
                                 .ring_pos = kept->meta.ring_pos,
                                 .run = kept->meta.run,
                                 .run_boot_us = s->run.boot_us,
                                 .run_wall_us = s->run.wall_us,
                                 .nonce = s->run.nonce};
    for (uint32_t i = kept->n_streams; i-- > 0;)
        if (kept->streams[i].record.low < wdi_stream_end(kept, &kept->streams[i]))
            numbers.low = kept->streams[i].record.low;
    memcpy(numbers.boot_id, s->run.boot_id, sizeof numbers.boot_id);
    *ret_numbers = numbers;
}

uint64_t wdi_store_pending(const wdi_store *s) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->state.n_streams; i++)
        n += wdi_stream_end(&s->state, &s->state.streams[i]) - s->state.streams[i].record.low;
    return n;
}

size_t wdi_store_txn_bytes_max(const wdi_store *s) {
    uint64_t part = s->map_bytes / TXN_PART;
    return (size_t)(part < TXN_BYTES_MAX ? part : TXN_BYTES_MAX);
}

void wdi_store_ring_tail_set(wdi_store *s, uint64_t ring_tail) { s->ring_tail = ring_tail; }

const wdi_dropped_log *wdi_store_dropped_log(const wdi_store *s) { return &s->dropped_log; }

static wadi_err owed_ticket_find(wdi_store *s, uint64_t *ret_ticket) {
    wdi_chunk chunk = {.first = 0};
    bool found = false;
    const wdi_stream *oldest = NULL;
    for (uint32_t i = 0; i < s->state.n_streams && oldest == NULL; i++)
        if (s->state.streams[i].record.low < wdi_stream_end(&s->state, &s->state.streams[i]))
            oldest = &s->state.streams[i];
    *ret_ticket = UINT64_MAX;
    if (oldest == NULL)
        return WADI_OK;
    uint64_t low = oldest->record.low;
    wadi_err err = wdi_reader_begin(s);
    if (err == WADI_OK)
        err = wdi_chunk_seek(s, low, &chunk, &found);
    if (err == WADI_OK && (!found || chunk.first > low))
        err = WADI_ERR_CORRUPT;
    *ret_ticket = 0; /* an earlier run's, or unknown: nothing of this run counts as settled */
    if (err == WADI_OK && chunk.head.run == s->run.ordinal)
        *ret_ticket = chunk.head.ring_begin + wdi_chunk_get(&chunk, (uint32_t)(low - chunk.first)).ring_end;
    wdi_reader_end(s);
    return err;
}

wadi_err wdi_store_owed_ticket(wdi_store *s, uint64_t *ret_ticket) { return owed_ticket_find(s, ret_ticket); }

void wdi_store_stats(const wdi_store *s, wadi_stats *ret_stats) {
    const wdi_meta *meta = &s->kept.meta;
    ret_stats->assigned = meta->next_seq - 1;
    ret_stats->pending = wdi_store_pending(s);
    ret_stats->acked = meta->acked;
    memcpy(ret_stats->dropped, meta->dropped, sizeof ret_stats->dropped);
    ret_stats->forks = meta->forks;
    ret_stats->resent = meta->resent;
    ret_stats->quarantined = meta->quarantined;
    ret_stats->disk_bytes = s->used_bytes;
    ret_stats->offset_us = s->clock.last.offset_us;
    ret_stats->offset_error_us = s->clock.last.error_us;
}

#include "verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "record.h"
#include "sdk/src/base/lmdb_check/lmdb_check.h"

#define FAULTS_SHOWN_MAX 20u
#define VALUE_BYTES_MAX (sizeof(journal_entry) + (64u << 20)) /* limits.body_bytes at its most */

/* What the state of a stream says of the entry that made it. */
typedef struct stream_end {
    uint64_t position, next_seq, chain;
    uint8_t stream[WIRE_ID_BYTES];
} stream_end;

typedef struct verify {
    FILE *out;
    uint64_t faults;
    bool no_memory;
    stream_end *ends;
    size_t n_ends, cap_ends, next_end;
    uint64_t entries, streams, first, last;
    int64_t received_us;
    uint64_t last_start;
    bool has_start; /* of an entry that is still there */
    uint64_t meta_start;
} verify;

/* ---- faults ------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void fault_tell(verify *v, const lmdb_check_entry *e,
                                                             const char *format, ...) {
    va_list args;
    if (v->faults++ >= FAULTS_SHOWN_MAX)
        return;
    if (e != NULL)
        fprintf(v->out, "page %" PRIu64 ": ", e->value_page != 0 ? e->value_page : e->page);
    va_start(args, format);
    vfprintf(v->out, format, args);
    va_end(args);
    fputc('\n', v->out);
}

/* ---- streams, installations, totals ------------------------------------------------------------- */

static void end_add(verify *v, const stream_end *end) {
    if (v->n_ends == v->cap_ends) {
        size_t cap = v->cap_ends == 0 ? 1024 : 2 * v->cap_ends;
        stream_end *moved = realloc(v->ends, cap * sizeof *moved);
        if (moved == NULL) {
            v->no_memory = true;
            return;
        }
        v->ends = moved;
        v->cap_ends = cap;
    }
    v->ends[v->n_ends++] = *end;
}

static void stream_visit(void *context, const lmdb_check_entry *e) {
    verify *v = context;
    dedup_state state;
    v->streams++;
    if (e->key_n <= WIRE_ID_BYTES || e->key_n > RECORD_KEY_BYTES_MAX || e->value_n > RECORD_STATE_BYTES_MAX ||
        !record_state_get(e->value, e->value_n, &state)) {
        fault_tell(v, e, "the state of a stream cannot be read");
        return;
    }
    stream_end end = {.position = state.last_position, .next_seq = state.next_seq, .chain = state.chain};
    memcpy(end.stream, e->key + e->key_n - WIRE_ID_BYTES, WIRE_ID_BYTES);
    end_add(v, &end);
}

static void installation_visit(void *context, const lmdb_check_entry *e) {
    char tenant[SUBMISSION_TENANT_MAX];
    uint8_t installation[WIRE_ID_BYTES], stream[WIRE_ID_BYTES];
    if (!record_installation_key_get(e->key, e->key_n, tenant, installation, stream))
        fault_tell(context, e, "an installation's stream cannot be read");
}

static bool key_is(const lmdb_check_entry *e, const char *name) {
    return e->key_n == strlen(name) && memcmp(e->key, name, e->key_n) == 0;
}

static void meta_visit(void *context, const lmdb_check_entry *e) {
    verify *v = context;
    ledger sums;
    if (key_is(e, "total") && !record_ledger_get(e->value, e->value_n, &sums))
        fault_tell(v, e, "the totals cannot be read");
    if (!key_is(e, "last_start"))
        return;
    if (e->value_n == sizeof v->meta_start)
        memcpy(&v->meta_start, e->value, sizeof v->meta_start);
    else
        fault_tell(v, e, "the position of the last start cannot be read");
}

/* ---- entries ------------------------------------------------------------------------------------ */

static int ends_compare(const void *a, const void *b) {
    const stream_end *x = a, *y = b;
    return (x->position > y->position) - (x->position < y->position);
}

/* The stream's last entry must be what the stream's state was computed from. */
static void end_check(verify *v, const lmdb_check_entry *e, const journal_entry *entry) {
    while (v->next_end < v->n_ends && v->ends[v->next_end].position < entry->position)
        v->next_end++;
    for (; v->next_end < v->n_ends && v->ends[v->next_end].position == entry->position; v->next_end++) {
        const stream_end *end = &v->ends[v->next_end];
        if (entry->kind != ENTRY_BATCH || memcmp(entry->stream, end->stream, WIRE_ID_BYTES) != 0 ||
            entry->chain_after != end->chain || entry->first_seq + entry->n_items != end->next_seq)
            fault_tell(v, e, "entry %" PRIu64 ": a stream's state says otherwise", entry->position);
    }
}

static void start_check(verify *v, const lmdb_check_entry *e, const journal_entry *entry) {
    if (entry->kind != ENTRY_START)
        return;
    if (v->has_start && entry->prev_position != v->last_start)
        fault_tell(v, e, "entry %" PRIu64 ": a start does not name the one before it", entry->position);
    v->has_start = true;
    v->last_start = entry->position;
}

/* In the order of positions: they are keys. */
static void entry_visit(void *context, const lmdb_check_entry *e) {
    verify *v = context;
    journal_entry entry;
    wire_span body;
    uint64_t position = 0;
    if (e->key_n == sizeof position)
        memcpy(&position, e->key, sizeof position);
    if (v->entries++ == 0)
        v->first = position;
    else if (position != v->last + 1)
        fault_tell(v, e, "entries %" PRIu64 " to %" PRIu64 " are missing", v->last + 1, position - 1);
    v->last = position;
    if (!record_entry_intact(e->value, e->value_n) ||
        !record_entry_get(e->value, e->value_n, &entry, &body) || entry.position != position) {
        fault_tell(v, e, "entry %" PRIu64 ": its checksum is wrong", position);
        return;
    }
    if (entry.received_us < v->received_us)
        fault_tell(v, e, "entry %" PRIu64 ": received before the one before it", position);
    v->received_us = entry.received_us;
    if (entry.prev_position >= position || entry.mile_position >= position)
        fault_tell(v, e, "entry %" PRIu64 ": names a later one as an earlier one", position);
    start_check(v, e, &entry);
    end_check(v, e, &entry);
}

/* ---- all of it ---------------------------------------------------------------------------------- */

static bool db_walk(verify *v, int fd, const char *name, lmdb_check_visit visit) {
    lmdb_check_sweep sweep;
    if (lmdb_check_read(fd, NULL, name, VALUE_BYTES_MAX, visit, v, &sweep) != LMDB_CHECK_GOOD)
        return false;
    if (sweep.entries_bad + sweep.pages_bad > 0)
        fault_tell(v, NULL, "%s: %" PRIu64 " values are larger than any can be", name, sweep.entries_bad);
    return true;
}

static journal_verdict records_verify(verify *v, int fd) {
    bool good = db_walk(v, fd, "meta", meta_visit) && db_walk(v, fd, "streams", stream_visit) &&
                db_walk(v, fd, "installations", installation_visit);
    if (v->n_ends > 1)
        qsort(v->ends, v->n_ends, sizeof *v->ends, ends_compare);
    good = good && db_walk(v, fd, "entries", entry_visit);
    if (!good || v->no_memory) {
        fprintf(stderr, "wadi-collector: the journal could not be read to its end\n");
        return JOURNAL_UNKNOWN;
    }
    if (v->n_ends > 0 && v->ends[v->n_ends - 1].position > v->last)
        fault_tell(v, NULL, "a stream's last entry, %" PRIu64 ", is behind the end",
                   v->ends[v->n_ends - 1].position);
    if (v->has_start && v->meta_start != v->last_start)
        fault_tell(v, NULL, "the last start is entry %" PRIu64 ", not %" PRIu64, v->last_start,
                   v->meta_start);
    if (v->faults > FAULTS_SHOWN_MAX)
        fprintf(v->out, "and %" PRIu64 " more\n", v->faults - FAULTS_SHOWN_MAX);
    if (v->faults > 0)
        return JOURNAL_DAMAGED;
    fprintf(v->out, "sound: entries %" PRIu64 " to %" PRIu64 ", %" PRIu64 " streams\n", v->first, v->last,
            v->streams);
    return JOURNAL_SOUND;
}

static int file_open(const char *dir) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/journal.mdb", dir) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* A collector that runs writes to the file: what is read would be of several moments. */
static bool dir_lock(const char *dir, int *ret_fd) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *ret_fd = fd;
        return true;
    }
    fprintf(stderr, "wadi-collector: %s: %s\n", dir,
            fd >= 0 && errno == EWOULDBLOCK ? "in use by a collector: stop it first" : strerror(errno));
    if (fd >= 0)
        close(fd);
    return false;
}

static journal_verdict file_verify(const char *dir, FILE *out) {
    lmdb_check_report report;
    int fd = file_open(dir);
    if (fd < 0) {
        fprintf(stderr, "wadi-collector: %s/journal.mdb: %s\n", dir, strerror(errno));
        return JOURNAL_UNKNOWN;
    }
    journal_verdict verdict = JOURNAL_DAMAGED;
    switch (lmdb_check(fd, NULL, &report)) {
    case LMDB_CHECK_GOOD: {
        verify v = {.out = out, .received_us = INT64_MIN};
        verdict = records_verify(&v, fd);
        free(v.ends);
        break;
    }
    case LMDB_CHECK_EMPTY:
        fputs("sound: nothing in it yet\n", out);
        verdict = JOURNAL_SOUND;
        break;
    case LMDB_CHECK_FAILED:
    case LMDB_CHECK_UNKNOWN:
        fprintf(stderr, "wadi-collector: %s/journal.mdb: page %" PRIu64 ": %s\n", dir, report.page,
                lmdb_check_text(report.reason));
        verdict = JOURNAL_UNKNOWN;
        break;
    case LMDB_CHECK_DAMAGED:
    case LMDB_CHECK_FOREIGN:
        fprintf(out, "page %" PRIu64 ": %s\n", report.page, lmdb_check_text(report.reason));
        break;
    }
    close(fd);
    return verdict;
}

journal_verdict journal_verify(const char *dir, FILE *out) {
    int dir_fd = -1;
    if (!dir_lock(dir, &dir_fd))
        return JOURNAL_UNKNOWN;
    journal_verdict verdict = file_verify(dir, out);
    close(dir_fd);
    return verdict;
}

journal_err journal_pages_check(const char *dir) {
    lmdb_check_report report;
    int fd = file_open(dir);
    if (fd < 0)
        return JOURNAL_OK; /* there is none yet; of another fault LMDB will tell */
    struct stat file;
    if (fstat(fd, &file) == 0) /* nothing answers until it is done: a large one takes its time */
        diag_info("checking the journal's pages", DIAG_STR("dir", dir),
                  DIAG_UINT("bytes", (uint64_t)file.st_size));
    lmdb_check_result result = lmdb_check(fd, NULL, &report);
    close(fd);
    switch (result) {
    case LMDB_CHECK_GOOD:
    case LMDB_CHECK_EMPTY:
        return JOURNAL_OK;
    case LMDB_CHECK_UNKNOWN:
    case LMDB_CHECK_FAILED:
        diag_error("the journal's pages cannot be checked",
                   DIAG_STR("reason", lmdb_check_text(report.reason)), DIAG_UINT("page", report.page));
        return JOURNAL_ERR_IO;
    case LMDB_CHECK_DAMAGED:
    case LMDB_CHECK_FOREIGN:
        break;
    }
    diag_error("the journal's file is damaged: wadi-collector --verify-journal says more; restore it from a "
               "copy, or move it away to begin a new one",
               DIAG_STR("dir", dir), DIAG_STR("reason", lmdb_check_text(report.reason)),
               DIAG_UINT("page", report.page));
    return JOURNAL_ERR_CORRUPT;
}

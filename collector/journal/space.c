#include "state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "sdk/src/base/clock.h"

/* What a group, a tick, a start and a trim may need on the file system beyond what the file has: the largest
 * group twice, as pages are copied before they are freed. */
#define DISK_RESERVE_BYTES (4u * GROUP_BYTES_MAX)
/* No disk takes more than the reserve in between. */
#define CHECK_US 10000u
/* A trim reads a page of every entry it deletes, perhaps from a cold disk; acknowledgements wait for it. */
#define TRIM_US_MAX 2000u

/* Free pages inside the file are taken before the file grows, and the file grows into the disk. */
static bool disk_is_short(const journal *j, uint64_t used_bytes) {
    struct stat file;
    struct statvfs disk;
    if (fstatat(j->dir_fd, "journal.mdb", &file, 0) != 0 || fstatvfs(j->dir_fd, &disk) != 0)
        return false;
    uint64_t file_bytes = (uint64_t)file.st_blocks * 512;
    uint64_t free_inside = file_bytes > used_bytes ? file_bytes - used_bytes : 0;
    return free_inside + (uint64_t)disk.f_bavail * disk.f_frsize < DISK_RESERVE_BYTES;
}

static uint64_t watermark_bytes(const journal *j) {
    return (uint64_t)((double)j->opt.max_bytes * j->opt.high_watermark);
}

static uint64_t used_bytes_get(journal *j) {
    db_txn *txn = NULL;
    uint64_t used = 0;
    if (db_begin(j->db, false, &txn) == JOURNAL_OK && db_used(txn, &used) == JOURNAL_OK)
        report_space(j, txn, used);
    db_abort(txn);
    return used;
}

bool space_is_short(journal *j) {
    uint64_t now_us = base_mono_us();
    if (j->space_checked_us != 0 && now_us - j->space_checked_us < CHECK_US)
        return j->full;
    j->space_checked_us = now_us;
    uint64_t used = used_bytes_get(j);
    return used > watermark_bytes(j) || disk_is_short(j, used);
}

/* Nothing at or above it may go. Until every sink has confirmed once, nothing may. */
static uint64_t needed_from(const journal *j, const tail *t) {
    uint64_t needed = t->last; /* the end of the journal is always kept: it holds the last position */
    for (uint32_t i = 0; i < j->opt.n_sinks; i++) {
        uint64_t low = atomic_load_explicit(&j->lows[i], memory_order_relaxed);
        needed = low < needed ? low : needed;
    }
    return needed;
}

/* Kept for comparing chains while it is young and there is room. Near the watermark there is none. */
static bool is_kept(const journal *j, const journal_entry *e, int64_t now_us, uint64_t used) {
    uint64_t room = watermark_bytes(j) / 8 * 7;
    room = j->opt.keep_bytes < room ? j->opt.keep_bytes : room;
    return used <= room && (uint64_t)(now_us - e->received_us) < j->opt.keep_us;
}

/* The oldest entry, if it may go. */
static journal_err oldest_get(journal *j, db_txn *txn, const tail *t, uint64_t needed, uint64_t used,
                              bool *ret_goes, uint64_t *ret_bytes) {
    journal_entry e;
    wire_span body = {NULL, 0};
    bool found = false;
    *ret_goes = false;
    if (t->first >= needed)
        return JOURNAL_OK;
    journal_err err = db_entry_get(txn, t->first, &e, &body, &found);
    *ret_goes = err == JOURNAL_OK && (!found || !is_kept(j, &e, t->received_us, used));
    *ret_bytes = found ? sizeof e + body.n : 0;
    return err;
}

bool space_can_trim(journal *j) {
    uint64_t needed = needed_from(j, &j->tail), used = 0, bytes;
    bool goes = false;
    db_txn *txn = NULL;
    if (j->tail.first >= needed || db_begin(j->db, false, &txn) != JOURNAL_OK)
        return false;
    if (db_used(txn, &used) != JOURNAL_OK ||
        oldest_get(j, txn, &j->tail, needed, used, &goes, &bytes) != JOURNAL_OK)
        goes = false;
    db_abort(txn);
    return goes;
}

journal_err space_trim(journal *j, db_txn *txn, tail *t, uint32_t entries_max) {
    uint64_t needed = needed_from(j, t), used = 0, bytes = 0;
    uint64_t until_us = base_mono_us() + TRIM_US_MAX;
    j->trim_more = false;
    if (t->first >= needed)
        return JOURNAL_OK;
    journal_err err = db_used(txn, &used);
    bool goes = true;
    for (uint32_t i = 0; err == JOURNAL_OK && goes; i++) {
        err = oldest_get(j, txn, t, needed, used, &goes, &bytes);
        if (err == JOURNAL_ERR_CORRUPT) { /* a matter of space for now: what comes in is taken all the same */
            report_damaged(j, t->first);
            return JOURNAL_OK;
        }
        if (err != JOURNAL_OK || !goes)
            break;
        j->trim_more = i == entries_max || base_mono_us() > until_us;
        if (j->trim_more)
            break;
        err = db_entry_delete(txn, t->first++);
        used -= used > bytes ? bytes : 0;
    }
    return err;
}

#include "sdk/src/core/orphan.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"
#include "sdk/src/core/begin.h"
#include "sdk/src/core/options.h"

/* A file system's clock is coarse: a change right after a mark could bear the mark's time. */
#define MARK_AGE_NS UINT64_C(2000000000)
#define MARK_NAME "settled"

static const wdi_orphan_mark no_mark;

/* ---- marks -------------------------------------------------------------------------------------- */

/* False: there is no store. */
static bool mark_take(const wdi_lane *lane, wdi_orphan_mark *ret_mark) {
    struct stat st;
    if (fstatat(lane->dir_fd, "store.mdb", &st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    *ret_mark = (wdi_orphan_mark){
        .changed_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec,
        .file = (uint64_t)st.st_ino,
        .bytes = (uint64_t)st.st_size,
    };
    return true;
}

static bool mark_is(const wdi_orphan_mark *a, const wdi_orphan_mark *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

/* The same on disk, for processes to come. Of this boot only: a loss of power may take back a time that
 * LMDB's sync left out, and keep what was written then. Never synced, since anything but this mark is none.
 */
typedef struct mark_file {
    uint8_t boot_id[WIRE_ID_BYTES];
    wdi_orphan_mark mark;
} mark_file;

static void mark_write(const wdi_lane *lane, const wdi_orphan_mark *mark) {
    mark_file file = {.mark = *mark};
    int fd = openat(lane->dir_fd, MARK_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    base_boot_id(file.boot_id);
    (void)!write(fd, &file, sizeof file);
    close(fd);
}

static wdi_orphan_mark mark_read(const wdi_lane *lane) {
    mark_file file;
    uint8_t boot_id[WIRE_ID_BYTES];
    int fd = openat(lane->dir_fd, MARK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return no_mark;
    ssize_t n = read(fd, &file, sizeof file);
    close(fd);
    base_boot_id(boot_id);
    bool good = n == (ssize_t)sizeof file && memcmp(file.boot_id, boot_id, sizeof boot_id) == 0;
    return good ? file.mark : no_mark;
}

/* The lane, still held, owes nothing. */
static void mark_set(wdi_orphan *o) {
    uint64_t now_ns = (uint64_t)base_wall_us() * 1000;
    wdi_orphan_mark mark;
    if (!mark_take(&o->lane, &mark) || mark.changed_ns + MARK_AGE_NS >= now_ns)
        return;
    o->marks[o->lane.number] = mark;
    mark_write(&o->lane, &mark);
}

/* The lane, just locked, was seen to owe nothing, and has not changed since. Without a store there is nothing
 * to owe. */
static bool mark_holds(wdi_orphan *o) {
    wdi_orphan_mark mark, *seen = &o->marks[o->lane.number];
    if (!mark_take(&o->lane, &mark) || mark_is(&mark, seen))
        return true;
    *seen = mark_read(&o->lane);
    if (mark_is(&mark, seen))
        return true;
    *seen = no_mark;
    return false;
}

/* ---- one lane ----------------------------------------------------------------------------------- */

static void lane_release(wdi_orphan *o) {
    wdi_upload_close(o->upload);
    o->upload = NULL;
    wdi_ring_close(&o->ring);
    wdi_store_close(o->store);
    o->store = NULL;
    wdi_lane_close(&o->lane);
}

/* From ring to store. A run of this boot is begun where the last one is another boot's, for the clock's sake,
 * or left something in the ring, which is so emptied; else nothing is written. */
static wadi_err ring_empty(wdi_orphan *o, const wdi_orphan_host *host) {
    uint8_t boot_id[WIRE_ID_BYTES];
    uint64_t start = 0, lost = 0;
    wire_run run;
    bool started = false;
    wadi_err err = wdi_begin_recover(o->store, &o->ring, host->diag, &start, &lost);
    if (err != WADI_OK)
        return err;
    base_boot_id(boot_id);
    wdi_store_run(o->store, &run);
    bool same_boot = memcmp(run.boot_id, boot_id, sizeof boot_id) == 0;
    if (run.ordinal == 0 || (same_boot && start == wdi_store_ring_pos(o->store) && lost == 0))
        return WADI_OK;
    return wdi_begin_run(o->store, &o->ring, start, (uint32_t)(o->ring.mask + 1), &run, &started);
}

/* The file's own size is the limit that its process gave it, where that could be reserved. */
static uint64_t lane_bytes_max(const wdi_orphan *o, uint64_t otherwise) {
    wdi_orphan_mark mark;
    return mark_take(&o->lane, &mark) && mark.bytes > otherwise ? mark.bytes : otherwise;
}

/* Only delivered: what may be dropped, of age or for room, its own process knows. A store without room
 * delivers first what it has. */
static wadi_err lane_load(wdi_orphan *o, const wdi_orphan_host *host) {
    const wadi_options *opt = host->options;
    wdi_store_options store = {.path = o->lane.store_path,
                               .quarantine_dir = o->lane.quarantine_dir,
                               .disk_bytes_max = lane_bytes_max(o, opt->disk_bytes_max),
                               .keep_all = true,
                               .diag = host->diag,
                               .working = host->working};
    memcpy(store.installation, host->installation, sizeof store.installation);
    wadi_err err = wdi_store_open(&store, &o->store);
    if (err == WADI_OK && !wdi_lane_holds(&o->lane, o->store))
        err = WADI_ERR_IO;
    if (err == WADI_OK)
        err = wdi_ring_open(&o->ring, o->lane.dir_fd, opt->ring_bytes);
    if (err == WADI_OK)
        err = ring_empty(o, host);
    o->partial = err == WADI_ERR_DISK_FULL && o->store != NULL && wdi_store_pending(o->store) > 0;
    return o->partial ? WADI_OK : err;
}

/* Holds the lane, if it owes something. */
static wadi_err lane_hold(wdi_orphan *o, const wdi_orphan_host *host) {
    o->opening = true;
    pthread_mutex_unlock(host->working);
    wadi_err err = lane_load(o, host);
    pthread_mutex_lock(host->working);
    o->opening = false;
    if (err != WADI_OK)
        return err;
    if (wdi_store_pending(o->store) == 0) {
        mark_set(o);
        return WADI_OK;
    }
    wdi_diagf(host->diag, WADI_DIAG_INFO, "lane %u: delivers what its process left", o->lane.number);
    return wdi_upload_open(host->options, &wdi_transport_mbedtls, o->store, host->diag, &o->upload);
}

/* ---- the look ----------------------------------------------------------------------------------- */

static void look_end(wdi_orphan *o, uint64_t now_us) {
    o->next = 0;
    o->look_us = now_us + (o->owed ? o->retry_us : WDI_ORPHAN_LOOK_US);
    o->retry_us = !o->owed                                    ? WDI_ORPHAN_LOOK_US
                  : o->retry_us < WDI_ORPHAN_RETRY_US_MAX / 2 ? 2 * o->retry_us
                                                              : WDI_ORPHAN_RETRY_US_MAX;
}

/* Of a lane that this thread has just locked. */
static void lane_try(wdi_orphan *o, const wdi_orphan_host *host) {
    uint32_t number = o->lane.number;
    wadi_err err = mark_holds(o) ? WADI_OK : lane_hold(o, host);
    if (err == WADI_OK && o->upload != NULL)
        return;
    lane_release(o);
    if (err == WADI_OK)
        return;
    o->owed = true; /* as far as one can tell */
    wdi_diagf(host->diag, WADI_DIAG_WARN, "lane %u: what its process left cannot be read: %s", number,
              wadi_strerror(err));
}

/* Goes on with the look until a lane is held, or there are no more. */
static void look(wdi_orphan *o, const wdi_orphan_host *host, uint64_t now_us) {
    if (o->next == 0) {
        o->owed = false;
        o->last_us = now_us;
    }
    while (o->upload == NULL && o->next < WDI_LANES_MAX) {
        uint32_t number = o->next++;
        if (number == host->lane->number)
            continue;
        wdi_lane_found found = wdi_lane_adopt(&o->lane, host->lane, host->options->dir, number);
        if (found == WDI_LANE_ABSENT)
            break;
        if (found == WDI_LANE_TAKEN)
            lane_try(o, host);
    }
    if (o->upload == NULL)
        look_end(o, now_us);
}

/* Nobody there: the other lanes' turn would come to nothing too. */
static bool unreachable(const wdi_orphan *o) {
    wdi_upload_stats stats;
    wdi_upload_stats_get(o->upload, &stats);
    return stats.uploads == 0 && stats.upload_errors > 0;
}

static void lane_deliver(wdi_orphan *o, uint64_t now_us) {
    wadi_err err = wdi_upload_step(o->upload, now_us);
    bool delivered = err == WADI_OK && wdi_upload_idle(o->upload);
    if (err == WADI_OK && !delivered && !wdi_upload_offline(o->upload))
        return;
    bool stop = !delivered && unreachable(o);
    if (delivered && !o->partial)
        mark_set(o);
    else if (delivered)
        o->next = o->lane.number; /* there is room now for what is in its ring */
    lane_release(o);
    o->owed |= !delivered;
    if (stop)
        look_end(o, now_us);
    else
        o->look_us = now_us; /* the next lane */
}

/* ---- what others see ---------------------------------------------------------------------------- */

void wdi_orphan_init(wdi_orphan *o) {
    memset(o, 0, sizeof *o);
    o->lane = WDI_LANE_NONE;
    o->ring.fd = -1;
    o->retry_us = WDI_ORPHAN_LOOK_US;
}

void wdi_orphan_close(wdi_orphan *o) { lane_release(o); }

void wdi_orphan_disown(wdi_orphan *o) {
    if (o->opening)
        return;
    wdi_upload_disown(o->upload);
    wdi_store_disown(o->store);
    wdi_ring_disown(&o->ring);
    wdi_lane_disown(&o->lane);
}

void wdi_orphan_forget(wdi_orphan *o) {
    if (!o->opening) {
        wdi_upload_forget(o->upload);
        wdi_store_forget(o->store);
        wdi_ring_close(&o->ring);
        wdi_lane_close(&o->lane);
    }
    wdi_orphan_init(o);
}

void wdi_orphan_step(wdi_orphan *o, const wdi_orphan_host *host, uint64_t now_us) {
    if (o->upload == NULL && now_us >= o->look_us) {
        if (host->offline)
            o->look_us = now_us + WDI_ORPHAN_LOOK_US;
        else
            look(o, host, now_us);
    }
    if (o->upload != NULL)
        lane_deliver(o, now_us);
}

void wdi_orphan_flush(wdi_orphan *o, uint64_t now_us) {
    uint64_t first_us = o->last_us + WDI_ORPHAN_FLUSH_US;
    uint64_t look_us = first_us > now_us ? first_us : now_us;
    if (look_us < o->look_us)
        o->look_us = look_us;
}

size_t wdi_orphan_pollfds(const wdi_orphan *o, struct pollfd *ret_fds, size_t max) {
    return o->upload != NULL ? wdi_upload_pollfds(o->upload, ret_fds, max) : 0;
}

uint64_t wdi_orphan_deadline_us(const wdi_orphan *o) {
    if (o->upload != NULL)
        return wdi_upload_deadline_us(o->upload);
    return o->owed || o->next != 0 ? o->look_us : WDI_UPLOAD_NEVER;
}

#include "sdk/src/core/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sdk/src/core/error.h"

#define ROOT_LOCK_PAUSE_US 2000u
#define ROOT_LOCK_TRIES_MAX 5000u /* ten seconds */
#define ADOPTED "adopted"
#define BUSY_PAUSE_US 20000u
#define BUSY_TRIES_MAX 3
#define MOVED_TRIES_MAX 10

/* ---- files -------------------------------------------------------------------------------------- */

/* A file system that knows no sync of directories has the last word. */
static wadi_err names_sync(int dir_fd) {
    return fsync(dir_fd) == 0 || errno == EINVAL ? WADI_OK : wdi_err_of_errno(errno);
}

/* The same for a parent that may be searched and not read. */
static wadi_err parent_sync(int fd) {
    int parent_fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd < 0)
        return errno == EACCES ? WADI_OK : wdi_err_of_errno(errno);
    wadi_err err = names_sync(parent_fd);
    close(parent_fd);
    return err;
}

/* The names of directories, too, must survive a power cut. Also of those that were there: whoever made one
 * may have died before he synced it. */
static wadi_err path_sync(int root_fd, int lanes_fd) {
    wadi_err err = names_sync(lanes_fd);
    if (err == WADI_OK)
        err = names_sync(root_fd);
    return err == WADI_OK ? parent_sync(root_fd) : err;
}

/* Opens directory `name` below `parent_fd`, making it if need be. */
static wadi_err dir_open(int parent_fd, const char *name, int *ret_fd) {
    if (mkdirat(parent_fd, name, 0700) != 0 && errno != EEXIST)
        return wdi_err_of_errno(errno);
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return wdi_err_of_errno(errno);
    *ret_fd = fd;
    return WADI_OK;
}

/* ---- taking one ---------------------------------------------------------------------------------- */

static bool path_set(char out[WDI_LANE_PATH_BYTES_MAX], const char *dir, const char *rest) {
    int n = snprintf(out, WDI_LANE_PATH_BYTES_MAX, "%s/%s", dir, rest);
    return n > 0 && (size_t)n < WDI_LANE_PATH_BYTES_MAX;
}

static bool paths_set(wdi_lane *lane, const char *dir) {
    char rest[48];
    snprintf(rest, sizeof rest, "lanes/%u/store.mdb", lane->number);
    return path_set(lane->store_path, dir, rest) && path_set(lane->quarantine_dir, dir, "quarantine");
}

/* The directory that is locked is the one that the path leads to: the lock goes by descriptors, the store by
 * its path, and `dir` may have been moved, or its symlink turned, in between. */
static bool path_leads_here(const wdi_lane *lane, const char *dir) {
    char rest[32], path[WDI_LANE_PATH_BYTES_MAX];
    struct stat named, locked;
    snprintf(rest, sizeof rest, "lanes/%u", lane->number);
    return path_set(path, dir, rest) && stat(path, &named) == 0 && fstat(lane->dir_fd, &locked) == 0 &&
           named.st_dev == locked.st_dev && named.st_ino == locked.st_ino;
}

static void dir_close(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Takes lane `number`. Absent and not to be made: WADI_OK, and *ret_taken is false. */
static wadi_err lane_take(wdi_lane *lane, int lanes_fd, uint32_t number, bool make, bool *ret_taken) {
    char name[16];
    wadi_err err = WADI_OK;
    *ret_taken = false;
    snprintf(name, sizeof name, "%u", number);
    if (make) {
        err = dir_open(lanes_fd, name, &lane->dir_fd);
    } else {
        lane->dir_fd = openat(lanes_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (lane->dir_fd < 0)
            return errno == ENOENT ? WADI_OK : wdi_err_of_errno(errno);
    }
    if (err == WADI_OK)
        err = wdi_lock_take(&lane->lock, lane->dir_fd, "lock");
    if (err == WADI_OK)
        lane->number = number;
    else
        dir_close(&lane->dir_fd);
    *ret_taken = err == WADI_OK;
    return err;
}

/* Of a lane that is held: only to be delivered. Whoever asks holds the lock for a moment himself. */
static bool lane_is_adopted(int lanes_fd, uint32_t number) {
    char name[16];
    wdi_lock probe = WDI_LOCK_NONE;
    snprintf(name, sizeof name, "%u", number);
    int dir_fd = openat(lanes_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return false;
    bool adopted =
        faccessat(dir_fd, ADOPTED, F_OK, 0) == 0 && wdi_lock_take(&probe, dir_fd, ADOPTED) == WADI_ERR_BUSY;
    if (!adopted)
        wdi_lock_release(&probe);
    close(dir_fd);
    return adopted;
}

/* An orphan before a new one. For each that is held only to be delivered there is one more number: a process
 * that comes back finds a lane, though a sibling is at work on its own. */
static wadi_err lane_choose(wdi_lane *lane, int lanes_fd, uint32_t lanes_max) {
    bool taken = false;
    for (int make = 0; make <= 1; make++) {
        uint32_t end = lanes_max;
        for (uint32_t i = 0; i < end && i < WDI_LANES_MAX; i++) {
            wadi_err err = lane_take(lane, lanes_fd, i, make != 0, &taken);
            if (taken || (err != WADI_OK && err != WADI_ERR_BUSY))
                return err;
            end += err == WADI_ERR_BUSY && lane_is_adopted(lanes_fd, i);
        }
    }
    return WADI_ERR_BUSY;
}

/* ---- opening ------------------------------------------------------------------------------------ */

/* Held only while lanes are looked through. Whoever is stopped by force while he holds it does not stop the
 * others for good. */
static wadi_err root_lock(wdi_lock *lock, int root_fd) {
    static const struct timespec pause = {.tv_nsec = ROOT_LOCK_PAUSE_US * 1000};
    wadi_err err = wdi_lock_take(lock, root_fd, "lock");
    for (uint32_t i = 0; err == WADI_ERR_BUSY && i < ROOT_LOCK_TRIES_MAX; i++) {
        nanosleep(&pause, NULL);
        err = wdi_lock_take(lock, root_fd, "lock");
    }
    return err == WADI_ERR_BUSY ? WADI_ERR_TIMEOUT : err;
}

static wadi_err lane_open_in(wdi_lane *lane, int root_fd, uint32_t lanes_max) {
    int lanes_fd = -1;
    wdi_lock lock;
    wadi_err err = root_lock(&lock, root_fd);
    if (err != WADI_OK)
        return err;
    err = dir_open(root_fd, "lanes", &lanes_fd);
    if (err == WADI_OK)
        err = lane_choose(lane, lanes_fd, lanes_max);
    if (err == WADI_OK)
        err = path_sync(root_fd, lanes_fd);
    dir_close(&lanes_fd);
    wdi_lock_release(&lock);
    return err;
}

/* All held: some of that may be for a moment, by somebody who looks for what is owed. */
static wadi_err lane_open_patiently(wdi_lane *lane, int root_fd, uint32_t lanes_max) {
    static const struct timespec pause = {.tv_nsec = BUSY_PAUSE_US * 1000};
    wadi_err err = lane_open_in(lane, root_fd, lanes_max);
    for (int i = 0; err == WADI_ERR_BUSY && i < BUSY_TRIES_MAX; i++) {
        nanosleep(&pause, NULL);
        err = lane_open_in(lane, root_fd, lanes_max);
    }
    return err;
}

/* *ret_moved: `dir` is another directory by now. */
static wadi_err lane_open_once(wdi_lane *lane, const char *dir, uint32_t lanes_max, bool *ret_moved) {
    int root_fd = -1;
    *lane = WDI_LANE_NONE;
    *ret_moved = false;
    wadi_err err = dir_open(AT_FDCWD, dir, &root_fd);
    if (err == WADI_OK)
        err = lane_open_patiently(lane, root_fd, lanes_max);
    if (err == WADI_OK && !paths_set(lane, dir))
        err = WADI_ERR_INVALID;
    if (err == WADI_OK && !path_leads_here(lane, dir)) {
        *ret_moved = true;
        err = WADI_ERR_IO;
    }
    dir_close(&root_fd);
    if (err != WADI_OK)
        wdi_lane_close(lane);
    return err;
}

wadi_err wdi_lane_open(wdi_lane *lane, const char *dir, uint32_t lanes_max) {
    bool moved = true;
    wadi_err err = WADI_OK;
    for (int i = 0; moved && i < MOVED_TRIES_MAX; i++)
        err = lane_open_once(lane, dir, lanes_max, &moved);
    return err;
}

wdi_lane_found wdi_lane_adopt(wdi_lane *lane, const wdi_lane *own, const char *dir, uint32_t number) {
    bool taken = false;
    *lane = WDI_LANE_NONE;
    int lanes_fd = openat(own->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lanes_fd < 0)
        return WDI_LANE_HELD;
    wadi_err err = lane_take(lane, lanes_fd, number, false, &taken);
    dir_close(&lanes_fd);
    if (!taken)
        return err == WADI_OK ? WDI_LANE_ABSENT : WDI_LANE_HELD;
    if (paths_set(lane, dir) && path_leads_here(lane, dir)) {
        /* Where that fails, on a full disk for one, the lane counts as held. */
        (void)!wdi_lock_take(&lane->adopted, lane->dir_fd, ADOPTED);
        return WDI_LANE_TAKEN;
    }
    wdi_lane_close(lane);
    return WDI_LANE_HELD;
}

bool wdi_lane_holds(const wdi_lane *lane, const wdi_store *store) {
    struct stat opened, locked;
    return wdi_store_file(store, &opened) && fstatat(lane->dir_fd, "store.mdb", &locked, 0) == 0 &&
           opened.st_dev == locked.st_dev && opened.st_ino == locked.st_ino;
}

bool wdi_lane_gone(const wdi_lane *lane) {
    static const char *const names[] = {"store.mdb", "ring"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (faccessat(lane->dir_fd, names[i], F_OK, 0) != 0 && errno == ENOENT)
            return true;
    return false;
}

void wdi_lane_disown(wdi_lane *lane) { dir_close(&lane->dir_fd); }

void wdi_lane_close(wdi_lane *lane) {
    dir_close(&lane->dir_fd);
    wdi_lock_release(&lane->adopted);
    wdi_lock_release(&lane->lock);
}

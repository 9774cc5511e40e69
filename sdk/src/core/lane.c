#include "sdk/src/core/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/src/core/error.h"

/* ---- lanes of this process, and fork ------------------------------------------------------------ */

static pthread_mutex_t lanes_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t lanes_once = PTHREAD_ONCE_INIT;
static wdi_lane *lanes_held;

static void fork_prepare(void) { pthread_mutex_lock(&lanes_lock); }
static void fork_parent(void) { pthread_mutex_unlock(&lanes_lock); }
static void fork_child(void) {
    for (wdi_lane *lane = lanes_held; lane != NULL; lane = lane->next) {
        close(lane->lock_fd);
        lane->lock_fd = -1;
    }
    lanes_held = NULL;
    pthread_mutex_unlock(&lanes_lock);
}
static void fork_watch(void) { (void)pthread_atfork(fork_prepare, fork_parent, fork_child); }

static void lane_list(wdi_lane *lane) {
    pthread_once(&lanes_once, fork_watch);
    pthread_mutex_lock(&lanes_lock);
    lane->next = lanes_held;
    lanes_held = lane;
    pthread_mutex_unlock(&lanes_lock);
}

static void lane_unlist(wdi_lane *lane) {
    pthread_mutex_lock(&lanes_lock);
    for (wdi_lane **at = &lanes_held; *at != NULL; at = &(*at)->next) {
        if (*at != lane)
            continue;
        *at = lane->next;
        break;
    }
    pthread_mutex_unlock(&lanes_lock);
}

/* ---- files -------------------------------------------------------------------------------------- */

/* The name of a new directory, too, must survive a power cut. A parent that may be searched and not read
 * cannot be synced: then the file system has the last word. */
static wadi_err parent_sync(int fd) {
    int parent_fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd < 0)
        return errno == EACCES ? WADI_OK : wdi_err_of_errno(errno);
    wadi_err err = fsync(parent_fd) != 0 ? wdi_err_of_errno(errno) : WADI_OK;
    close(parent_fd);
    return err;
}

/* Opens directory `name` below `parent_fd`, making it if need be. */
static wadi_err dir_open(int parent_fd, const char *name, int *ret_fd) {
    bool made = mkdirat(parent_fd, name, 0700) == 0;
    if (!made && errno != EEXIST)
        return wdi_err_of_errno(errno);
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return wdi_err_of_errno(errno);
    wadi_err err = made ? parent_sync(fd) : WADI_OK;
    if (err == WADI_OK)
        *ret_fd = fd;
    else
        close(fd);
    return err;
}

static wadi_err lock_take(wdi_lane *lane) {
    int fd = openat(lane->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return wdi_err_of_errno(errno);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        close(fd);
        return error == EWOULDBLOCK ? WADI_ERR_BUSY : wdi_err_of_errno(error);
    }
    lane->lock_fd = fd;
    return WADI_OK;
}

/* ---- opening ------------------------------------------------------------------------------------ */

static bool path_set(char out[WDI_LANE_PATH_BYTES_MAX], const char *dir, const char *rest) {
    int n = snprintf(out, WDI_LANE_PATH_BYTES_MAX, "%s/%s", dir, rest);
    return n > 0 && (size_t)n < WDI_LANE_PATH_BYTES_MAX;
}

static wadi_err lane_open_in(wdi_lane *lane, int root_fd, const wdi_diag *diag) {
    int lanes_fd = -1;
    wadi_err err = dir_open(root_fd, "lanes", &lanes_fd);
    if (err == WADI_OK)
        err = dir_open(lanes_fd, "0", &lane->dir_fd);
    if (err == WADI_OK)
        err = lock_take(lane);
    if (err == WADI_OK)
        err = wdi_installation_load(root_fd, diag, lane->installation);
    if (lanes_fd >= 0)
        close(lanes_fd);
    return err;
}

wadi_err wdi_lane_open(wdi_lane *lane, const char *dir, const wdi_diag *diag) {
    int root_fd = -1;
    memset(lane, 0, sizeof *lane);
    lane->lock_fd = -1;
    lane->dir_fd = -1;
    if (!path_set(lane->store_path, dir, "lanes/0/store.mdb") ||
        !path_set(lane->quarantine_dir, dir, "quarantine"))
        return WADI_ERR_INVALID;
    wadi_err err = dir_open(AT_FDCWD, dir, &root_fd);
    if (err == WADI_OK)
        err = lane_open_in(lane, root_fd, diag);
    if (root_fd >= 0)
        close(root_fd);
    if (err == WADI_OK)
        lane_list(lane);
    else
        wdi_lane_close(lane);
    return err;
}

void wdi_lane_close(wdi_lane *lane) {
    lane_unlist(lane);
    if (lane->dir_fd >= 0)
        close(lane->dir_fd);
    if (lane->lock_fd >= 0)
        close(lane->lock_fd);
    lane->dir_fd = -1;
    lane->lock_fd = -1;
}

#include "sdk/src/core/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <unistd.h>

#include "sdk/src/core/error.h"

static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;
static wdi_lock *held;

static wadi_err file_lock(int dir_fd, const char *name, int *ret_fd) {
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return wdi_err_of_errno(errno);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        close(fd);
        return error == EWOULDBLOCK ? WADI_ERR_BUSY : wdi_err_of_errno(error);
    }
    *ret_fd = fd;
    return WADI_OK;
}

wadi_err wdi_lock_take(wdi_lock *lock, int dir_fd, const char *name) {
    *lock = WDI_LOCK_NONE;
    pthread_mutex_lock(&held_lock);
    wadi_err err = file_lock(dir_fd, name, &lock->fd);
    if (err == WADI_OK) {
        lock->next = held;
        held = lock;
    }
    pthread_mutex_unlock(&held_lock);
    return err;
}

void wdi_lock_release(wdi_lock *lock) {
    pthread_mutex_lock(&held_lock);
    for (wdi_lock **at = &held; *at != NULL; at = &(*at)->next) {
        if (*at != lock)
            continue;
        *at = lock->next;
        break;
    }
    if (lock->fd >= 0)
        close(lock->fd);
    *lock = WDI_LOCK_NONE;
    pthread_mutex_unlock(&held_lock);
}

/* ---- fork --------------------------------------------------------------------------------------- */

void wdi_locks_fork_prepare(void) { pthread_mutex_lock(&held_lock); }

void wdi_locks_fork_parent(void) { pthread_mutex_unlock(&held_lock); }

void wdi_locks_fork_child(void) {
    for (wdi_lock *lock = held; lock != NULL; lock = lock->next) {
        close(lock->fd);
        lock->fd = -1;
    }
    held = NULL;
    pthread_mutex_unlock(&held_lock);
}

/* lane: one process's own corner of the store directory, held by a file lock.
 *
 *     <dir>/installation          16 random bytes and their CRC
 *     <dir>/lanes/0/lock          flock: whoever holds it owns what is beside it
 *     <dir>/lanes/0/ring, store.mdb
 *     <dir>/quarantine/           damaged files, set aside
 *
 * flock survives fork(), so a child that lives on would hold its parent's lane: an atfork handler, registered
 * once a process, closes the descriptor there. Threads: any; open and close take a lock. */
#ifndef WDI_CORE_LANE_H
#define WDI_CORE_LANE_H

#include <stdint.h>

#include "sdk/include/wadi/wadi.h"
#include "sdk/src/core/diag.h"
#include "sdk/src/core/installation.h"

#define WDI_LANE_PATH_BYTES_MAX 4096u

typedef struct wdi_lane {
    int lock_fd; /* -1: not held; also in a child after fork() */
    int dir_fd;  /* of the lane's directory */
    uint8_t installation[WDI_INSTALLATION_BYTES];
    char store_path[WDI_LANE_PATH_BYTES_MAX];
    char quarantine_dir[WDI_LANE_PATH_BYTES_MAX];
    struct wdi_lane *next; /* of the lanes that this process holds */
} wdi_lane;

/* Makes what is missing, takes the lock, reads or makes the installation id. *lane needs no initialisation,
 * must stay where it is until closed, and on failure needs no close. WADI_ERR_BUSY: somebody holds it, this
 * process included. */
WADI_NODISCARD wadi_err wdi_lane_open(wdi_lane *lane, const char *dir, const wdi_diag *diag);
void wdi_lane_close(wdi_lane *lane);

#endif

/* lane: one handle's own corner of the store directory, held by a file lock.
 *
 *     <dir>/lock                  taken for a moment by whoever opens
 *     <dir>/installation          the id that all lanes share (installation.h)
 *     <dir>/lanes/<n>/lock        whoever holds it owns what is beside it
 *     <dir>/lanes/<n>/ring, store.mdb
 *     <dir>/lanes/<n>/adopted     held besides, by who only delivers what the lane owes
 *     <dir>/lanes/<n>/settled     a mark of orphan.c, of no weight
 *     <dir>/quarantine/           damaged files, set aside
 *
 * Lanes are never deleted: to forget a stream would make a delayed duplicate new. One that nobody holds is
 * an orphan, taken before a new one is made. Threads: any. */
#ifndef WDI_CORE_LANE_H
#define WDI_CORE_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "sdk/include/wadi/wadi.h"
#include "sdk/src/core/lock.h"
#include "sdk/src/store/store.h"

#define WDI_LANE_PATH_BYTES_MAX 4096u
#define WDI_LANES_MAX 256u /* of a directory, whatever anybody's lanes_max */

typedef struct wdi_lane {
    wdi_lock lock;
    wdi_lock adopted;
    int dir_fd; /* of the lane's directory */
    uint32_t number;
    char store_path[WDI_LANE_PATH_BYTES_MAX];
    char quarantine_dir[WDI_LANE_PATH_BYTES_MAX];
} wdi_lane;
#define WDI_LANE_NONE ((wdi_lane){.lock = {-1, NULL}, .adopted = {-1, NULL}, .dir_fd = -1})

/* Makes what is missing, takes the first orphan among lanes 0 … lanes_max - 1 or makes one. *lane needs no
 * initialisation, must stay where it is until closed, and on failure needs no close. Lanes that are held only
 * to be delivered do not count against lanes_max: their numbers are passed over. WADI_ERR_BUSY: all of them
 * are held, by this process or others. WADI_ERR_IO: `dir` kept being moved away. */
WADI_NODISCARD wadi_err wdi_lane_open(wdi_lane *lane, const char *dir, uint32_t lanes_max);
/* The store's open file is the one in the lane's locked directory. False, where its path led to another one
 * since: nothing may be written there, for another process may hold that. */
bool wdi_lane_holds(const wdi_lane *lane, const wdi_store *store);
/* Its files were deleted: those that are open go on, and end with the process. */
bool wdi_lane_gone(const wdi_lane *lane);
void wdi_lane_close(wdi_lane *lane);
/* In the child of a fork, from its handler, which has closed the locks: closes the rest. */
void wdi_lane_disown(wdi_lane *lane);

typedef enum wdi_lane_found {
    WDI_LANE_ABSENT, /* and with it all of higher numbers */
    WDI_LANE_HELD,   /* or not to be had for another reason */
    WDI_LANE_TAKEN,
} wdi_lane_found;

/* Takes lane `number` of the directory in which `own` is held, if it is there and nobody's, and `dir` still
 * leads to it. Only after WDI_LANE_TAKEN is there something to close. */
wdi_lane_found wdi_lane_adopt(wdi_lane *lane, const wdi_lane *own, const char *dir, uint32_t number);

#endif

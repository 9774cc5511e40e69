/* installation: the id that a store's directory goes by: a label of its events, and the key that collectors
 * count and partition by. Never a part of dedup, which goes by streams alone, so it may change at any time.
 *
 * `<dir>/installation` holds 16 random bytes and their CRC. They are the id; or, with `installation_from`
 * machine-id, the id is SHA-256(a constant of ours, the machine's id, these bytes)[0..16): copies of one
 * image differ as soon as their machines do, two directories of one machine differ too, and nobody can tell
 * the machine's id from it. So another machine-id is another installation at the next open, with nothing to
 * write.
 *
 * The file is written beside the lane's lock, which its holder has to itself, synced, and put in place by one
 * link or rename: after a crash there is the old one or the new one, whole. All lanes of a directory share
 * it; whoever has it open keeps the id that it read.
 *
 * Threads: any, between open and close. */
#ifndef WDI_CORE_INSTALLATION_H
#define WDI_CORE_INSTALLATION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sdk/include/wadi/wadi.h"
#include "sdk/src/core/diag.h"

#define WDI_INSTALLATION_BYTES 16u
#define WDI_MACHINE_ID_PATH "/etc/machine-id"

typedef struct wdi_installation {
    pthread_mutex_t lock; /* of `id`, and of the file against the handle's other threads */
    int lane_fd;          /* borrowed: the directory of the lane that is held */
    bool has_machine;
    uint8_t machine[WDI_INSTALLATION_BYTES];
    uint8_t id[WDI_INSTALLATION_BYTES];
    _Atomic bool changed; /* since wdi_installation_changed said so */
} wdi_installation;

/* Reads what the lane's directory has, or makes it. `machine_id_path`: NULL, or the file that the machine's
 * id is read from; without a good one the file alone decides, and diag says so. *i needs no initialisation;
 * close it after a failure, too. */
WADI_NODISCARD wadi_err wdi_installation_open(wdi_installation *i, int lane_fd, const char *machine_id_path,
                                              const wdi_diag *diag);
void wdi_installation_close(wdi_installation *i); /* accepts a zeroed one */

/* Another id, at random, on disk when it returns. Blocks for the disk. After an error it is the old or the
 * new one, the same as the next open will find, a power cut aside. */
WADI_NODISCARD wadi_err wdi_installation_reset(wdi_installation *i);

/* The id of a directory, as an open would have it, of the file as it is. Writes nothing. False: there is
 * none.
 */
bool wdi_installation_peek(int root_fd, const char *machine_id_path, uint8_t ret_id[WDI_INSTALLATION_BYTES]);

void wdi_installation_id(wdi_installation *i, uint8_t ret_id[WDI_INSTALLATION_BYTES]);

/* For the background thread: true once after each reset, with the new id. */
bool wdi_installation_changed(wdi_installation *i, uint8_t ret_id[WDI_INSTALLATION_BYTES]);

#endif

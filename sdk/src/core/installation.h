/* installation: the store directory's id, which all its lanes share: 16 random bytes and their CRC in a file.
 * Threads: any; no state of its own. */
#ifndef WDI_CORE_INSTALLATION_H
#define WDI_CORE_INSTALLATION_H

#include <stdint.h>

#include "sdk/include/wadi/wadi.h"
#include "sdk/src/core/diag.h"

#define WDI_INSTALLATION_BYTES 16u

/* Reads the id of the directory `root_fd`, or makes it. */
WADI_NODISCARD wadi_err wdi_installation_load(int root_fd, const wdi_diag *diag,
                                              uint8_t ret_id[WDI_INSTALLATION_BYTES]);

#endif

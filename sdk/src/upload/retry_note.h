/* retry_note: the wait that a collector asked for, kept in the store so that a restart does not end it. */
#ifndef WDI_UPLOAD_RETRY_NOTE_H
#define WDI_UPLOAD_RETRY_NOTE_H

#include "sdk/src/store/store.h"

WADI_NODISCARD wadi_err wdi_retry_note_write(wdi_store *store, uint64_t wait_us);

/* What is left of it: 0 when there is none, or when it cannot be read. In another boot than the one that
 * wrote it, it counts once: a device whose clock is behind would otherwise serve it at every boot. */
uint64_t wdi_retry_note_take(wdi_store *store);

/* The wait is over. */
void wdi_retry_note_delete(wdi_store *store);

#endif

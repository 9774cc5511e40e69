#include "sdk/src/upload/retry_note.h"

#include "sdk/src/base/clock.h"

#include <string.h>

/* Read only by the machine that wrote it: its own byte order serves. */
typedef struct retry_note {
    uint8_t boot_id[WIRE_ID_BYTES];
    uint64_t boot_until_us; /* counts in the boot that wrote it; the wall clock after that */
    int64_t wall_until_us;
    uint64_t wait_us; /* never longer than it was, wherever the wall clock went meanwhile */
} retry_note;

wadi_err wdi_retry_note_write(wdi_store *store, uint64_t wait_us) {
    retry_note note = {
        .boot_until_us = base_boot_us() + wait_us,
        .wall_until_us = base_wall_us() + (int64_t)wait_us,
        .wait_us = wait_us,
    };
    base_boot_id(note.boot_id);
    return wdi_store_note_put(store, WDI_NOTE_RETRY_AFTER, &note, sizeof note);
}

/* One that cannot be deleted, in a store without room, is over all the same, or counts once more. */
void wdi_retry_note_delete(wdi_store *store) {
    (void)!wdi_store_note_put(store, WDI_NOTE_RETRY_AFTER, "", 0);
}

uint64_t wdi_retry_note_take(wdi_store *store) {
    retry_note note;
    uint8_t boot_id[WIRE_ID_BYTES];
    size_t n = 0;
    if (wdi_store_note_get(store, WDI_NOTE_RETRY_AFTER, &note, sizeof note, &n) != WADI_OK ||
        n != sizeof note)
        return 0;
    base_boot_id(boot_id);
    bool same_boot = memcmp(boot_id, note.boot_id, sizeof boot_id) == 0;
    int64_t left_us =
        same_boot ? (int64_t)(note.boot_until_us - base_boot_us()) : note.wall_until_us - base_wall_us();
    if (!same_boot || left_us <= 0)
        wdi_retry_note_delete(store);
    if (left_us <= 0)
        return 0;
    return (uint64_t)left_us < note.wait_us ? (uint64_t)left_us : note.wait_us;
}

/* The note in the ring's head. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sdk/src/base/crc32c.h"
#include "sdk/src/ring/layout.h"

static uint32_t note_crc(const wdi_ring_note *note) {
    return base_crc32c(0, note, offsetof(wdi_ring_note, crc));
}

void wdi_ring_note_set(wdi_ring *ring, const void *data, uint32_t n) {
    wdi_ring_note *notes = ring->header->notes;
    const wdi_ring_note *newest = &notes[notes[1].turn > notes[0].turn];
    wdi_ring_note note = {.turn = newest->turn + 1, .n = n};
    if (n > sizeof note.data || (newest->n == n && memcmp(newest->data, data, n) == 0) ||
        !wdi_ring_ready(ring))
        return;
    memcpy(note.data, data, n);
    note.crc = note_crc(&note);
    notes[note.turn % 2] = note; /* the older one */
}

bool wdi_ring_note_get(int dir_fd, void *ret_data, uint32_t n) {
    wdi_ring_note notes[2];
    const wdi_ring_note *newest = NULL;
    int fd = openat(dir_fd, "ring", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t got = pread(fd, notes, sizeof notes, (off_t)offsetof(wdi_ring_header, notes));
    close(fd);
    for (unsigned i = 0; got == (ssize_t)sizeof notes && i < 2; i++)
        if (notes[i].n == n && n <= sizeof notes[i].data && notes[i].crc == note_crc(&notes[i]) &&
            (newest == NULL || notes[i].turn > newest->turn))
            newest = &notes[i];
    if (newest == NULL)
        return false;
    memcpy(ret_data, newest->data, n);
    return true;
}

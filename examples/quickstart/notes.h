/* notes: what a device writes down about its own calls, for the audit: `intent` before wadi_track, `ok` or
 * `refused` after it. One write(2) a line, so that the note of a call that returned survives kill -9. The
 * file is appended to over all launches of a device.
 *
 *     installation 0f5c…          intent 0007-0002-00000031
 *     refused … ring_full         ok 0007-0002-00000031
 */
#ifndef QUICKSTART_NOTES_H
#define QUICKSTART_NOTES_H

#include <stdbool.h>
#include <stddef.h>

#define NOTES_ID_BYTES 32 /* with the terminator */

typedef struct notes {
    int fd;
} notes;

/* Ends the line that a killed process may have left half written. False: errno says why. */
bool notes_open(notes *ret_notes, const char *path);
void notes_close(notes *n);

/* Appends "<what> <id>" or "<what> <id> <more>". Aborts the device when it cannot: without notes there is
 * nothing to audit. */
void notes_put(notes *n, const char *what, const char *id, const char *more);

#endif

/* notes: what the devices know about their streams, in a file that outlives them. Each number is written
 * before it is relied on: `assigned` before an event is sent, `acked` before the event is forgotten. */
#ifndef CRASH_NOTES_H
#define CRASH_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/collector/audit.h"

typedef struct notes {
    int fd;
    audit_stream *streams; /* malloc */
    uint32_t n_streams;
} notes;

/* Made with `n_streams` if missing; 0: with those that it has. */
bool notes_open(notes *n, const char *path, uint32_t n_streams);
void notes_close(notes *n);

/* Any thread, each for its own streams. A failure ends the process: without notes there is no proof. */
void notes_assigned(notes *n, uint32_t stream, uint64_t seq);
void notes_acked(notes *n, uint32_t stream, uint64_t seq);

#endif

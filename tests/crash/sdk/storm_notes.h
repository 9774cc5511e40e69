/* What the processes of a fork storm note of their events, in a file that outlives them: each writer, a
 * thread of one process, counts the events 0, 1, 2 … that it is about to record and those for which the call
 * returned OK. A refused event uses up no index. */
#ifndef CRASH_STORM_NOTES_H
#define CRASH_STORM_NOTES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORM_WRITERS_MAX 8192u
#define STORM_TEXT_BYTES 160u

typedef struct storm_note {
    _Atomic uint64_t intent, ok, refused;
    _Atomic uint64_t seen_us; /* when it last got on, of base_mono_us */
    _Atomic uint32_t pid;
    _Atomic bool lives, leads; /* the first of its process */
} storm_note;

typedef struct storm_notes {
    _Atomic uint32_t n, forks;
    _Atomic bool is_wrong;
    char wrong[STORM_TEXT_BYTES]; /* the first thing that must not be */
    storm_note at[STORM_WRITERS_MAX];
} storm_notes;

/* As the judge reads them. */
_Static_assert(offsetof(storm_notes, at) == 176 && sizeof(storm_note) == 40, "see fork_storm_test.py");

#endif

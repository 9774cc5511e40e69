/* mem_journal: a journal in memory, with the devices' part of every entry made up: batches of numbered events
 * whose one property `uid` tells them apart. */
#ifndef SIM_MEM_JOURNAL_H
#define SIM_MEM_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "entry.h"
#include "sim_random.h"

#define MEM_STREAMS 4u
#define MEM_BATCH_EVENTS_MAX 6u

typedef struct mem_event {
    int64_t us; /* the event time that the journal fixed */
    uint64_t seq;
    uint32_t uid; /* 0: a tombstone */
    uint8_t stream;
    bool explicit_time;
} mem_event;

typedef struct mem_entry {
    journal_entry entry;
    uint8_t *body;
    mem_event events[MEM_BATCH_EVENTS_MAX];
    uint32_t n_events;
} mem_entry;

typedef struct mem_journal {
    sim_random *random;
    mem_entry *entries; /* entries[i] has position i + 1; those up to `base` are trimmed */
    uint64_t n, cap, base;
    int64_t now_us;
    uint64_t last_start;
    uint32_t last_uid;
    struct {
        uint64_t next_seq, chain;
        int64_t floor_us;
    } streams[MEM_STREAMS];
    bool explicit_times;
} mem_journal;

void mem_journal_init(mem_journal *j, sim_random *random);
void mem_journal_fini(mem_journal *j);
void mem_journal_batch(mem_journal *j);
void mem_journal_tick(mem_journal *j);
/* Appends a start and gives its id. */
void mem_journal_start(mem_journal *j, uint8_t ret_id[16]);
/* Back to an older end, and to what was trimmed then. */
void mem_journal_restore(mem_journal *j, uint64_t n, uint64_t base);
entry_source mem_journal_source(mem_journal *j);

#endif

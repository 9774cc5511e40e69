/* What the simulator of dedup is made of: devices, a network that loses, doubles and reorders, a collector
 * with the project's own dedup code, and an oracle that knows every event's fate.
 *
 * Everything is bounded and copied by value, so that a snapshot is an assignment. A history is a function of
 * its seed. */
#ifndef SIM_DEDUP_WORLD_H
#define SIM_DEDUP_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dedup.h"

enum {
    STEPS = 60, /* random steps of a history, before it is drained */
    EVENTS_MAX = 128,
    DEVICES_MAX = 3,
    LINES_MAX = 48, /* streams that a device or the collector has met */
    BATCH_MAX = 4,  /* numbers in a batch */
    PIPE_MAX = 2,   /* batches of a device in flight */
    NET_MAX = 256,
    SNAPSHOTS_MAX = 8,
};

typedef enum fault {
    FAULT_KILL,
    FAULT_COLLECTOR_CRASH,
    FAULT_POWER,
    FAULT_QUOTA,
    FAULT_VM_SNAPSHOT,
    FAULT_BACKUP,
    FAULT_ROLLBACK,
    FAULT_CLONE,
    FAULT_TRIM,
    FAULT_COLLECTOR_SNAPSHOT,
    FAULT_COLLECTOR_RESTORE,
    FAULT_COUNT
} fault;

/* One clause of the contract left out, to show that the oracle notices. */
typedef enum without { WITHOUT_NOTHING, WITHOUT_LOW, WITHOUT_CHAIN, WITHOUT_COMMIT } without;

/* A number as a device keeps it. */
typedef struct record {
    uint64_t stream, seq, chain_before;
    uint32_t event, run;
    bool dropped, resent;
} record;

typedef struct batch {
    uint64_t stream, id;
    uint32_t device, generation; /* answers count only for the process that sent it */
    batch_facts facts;
    wire_item items[BATCH_MAX];
    uint32_t events[BATCH_MAX];
} batch;

typedef struct answer {
    batch to;
    dedup_decision decision;
} answer;

/* ---- device ------------------------------------------------------------------------------------- */

typedef struct line {
    uint64_t stream, next_seq, chain;
} line;

/* What the device's store holds. */
typedef struct store {
    record records[EVENTS_MAX];
    line lines[LINES_MAX];
    uint32_t n_records, n_lines;
    uint64_t stream; /* that new events go to */
    uint32_t ring_position, run;
} store;

typedef struct ring {
    struct {
        bool present;
        uint32_t event, run;
    } slots[EVENTS_MAX];
    uint32_t tail;
} ring;

typedef struct device {
    store now, synced; /* what the process sees; what a power cut leaves */
    ring ring;
    bool alive;
    uint32_t index, generation;
    batch in_flight[PIPE_MAX];
    uint32_t n_in_flight;
} device;

typedef struct snapshot {
    device of;
    bool running; /* a virtual machine with its memory, not a copy of its disk */
} snapshot;

/* ---- collector ---------------------------------------------------------------------------------- */

typedef struct past {
    uint64_t seq, chain;
} past;

typedef struct tracked {
    uint64_t stream;
    dedup_state state;
    past known[EVENTS_MAX + LINES_MAX]; /* ascending; trimmed from the front */
    uint32_t n_known;
} tracked;

typedef struct database {
    tracked streams[LINES_MAX];
    uint32_t n_streams;
    uint64_t position;
} database;

/* A number appended by the transaction that is open. */
typedef struct appended {
    uint32_t event;
    bool dropped, resent;
} appended;

typedef struct collector {
    database now, durable;
    appended appended[NET_MAX * BATCH_MAX];
    uint32_t n_appended;
    answer waiting[NET_MAX]; /* for the commit */
    uint32_t n_waiting;
} collector;

/* ---- world -------------------------------------------------------------------------------------- */

typedef struct fate {
    uint32_t delivered, dropped;
    uint32_t possible; /* delivered, and marked as a possible duplicate */
} fate;

typedef struct world {
    uint64_t random, seed;
    without without;
    const char *violation; /* NULL: none so far */
    uint32_t faults[FAULT_COUNT];
    uint32_t n_faults;
    uint32_t n_events, generations;
    fate fates[EVENTS_MAX]; /* by event: what the journal holds durably */
    bool restored;          /* the collector lost a part of its past: what it lost may come twice */
    device devices[DEVICES_MAX];
    uint32_t n_devices;
    snapshot snapshots[SNAPSHOTS_MAX];
    uint32_t n_snapshots;
    database backups[2]; /* of the collector */
    uint32_t n_backups;
    batch requests[NET_MAX];
    uint32_t n_requests;
    answer answers[NET_MAX];
    uint32_t n_answers;
    collector collector;
    uint64_t decided[WIRE_STATUS_UNAUTHORIZED + 1]; /* decisions by status, gaps as NONE: what was reached */
} world;

uint64_t world_random(world *w);
uint32_t world_below(world *w, uint32_t n);
bool world_chance(world *w, double p);
void world_violate(world *w, const char *what);
uint32_t event_crc(uint32_t event);

void device_init(world *w, device *d);
void device_open(world *w, device *d);
void device_track(world *w, device *d);
void device_pump(world *w, device *d, uint32_t n);
void device_sync(device *d);
void device_quota(world *w, device *d);
void device_send(world *w, device *d);
void device_timeout(world *w, device *d);
void device_answer(world *w, device *d, const answer *a);
void device_power_cut(world *w, device *d);
void device_copy(world *w, const device *d, snapshot *ret_snapshot);
void device_load(world *w, device *d, const snapshot *s);

void collector_receive(world *w, const batch *b);
void collector_commit(world *w);
void collector_crash(world *w);
void collector_trim(world *w);
void collector_backup(world *w);
void collector_restore(world *w);

#endif

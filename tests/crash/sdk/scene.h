/* What the device's crash tests share: a device that records until it is killed, a region that answers it,
 * and the account of both. All of it lies in memory that outlives processes, and on no disk that is put to
 * the test.
 *
 * A round is one life of the device's process. In it events are recorded with the indexes 0, 1, 2 …; an event
 * that was refused uses up none. The region takes the place of transport and collector (the linker's --wrap),
 * checks what it gets as the table of the design says, and notes for every number which event it was. */
#ifndef CRASH_SCENE_H
#define CRASH_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "sdk/include/wadi/wadi.h"

#define SCENE_ROUNDS_MAX 4096u
#define SCENE_NUMBERS_MAX (1u << 22)
#define SCENE_DROPPED UINT32_MAX /* an index: a tombstone */

typedef struct scene_round {
    uint64_t returned; /* events for which wadi_track_ex had returned */
    uint64_t told;     /* of these, the ones that had been promised to outlive a power cut */
} scene_round;

typedef struct scene_number {
    uint64_t chain; /* after it */
    uint32_t round, index;
} scene_number;

typedef struct scene {
    uint32_t boots;    /* each with a boot id of its own */
    uint32_t n_rounds; /* begun; the last one may go on */
    uint32_t cut_from; /* no power was cut since this round began */
    char installation[33];
    bool region_away; /* not reachable */
    bool region_calm; /* no answer is lost */
    uint64_t seed;
    uint8_t stream[16];
    uint64_t next_seq; /* what the region wants next; 1: it has nothing */
    char wrong[200];   /* the first thing that must not be; "" */
    scene_round rounds[SCENE_ROUNDS_MAX];
    scene_number numbers[SCENE_NUMBERS_MAX]; /* by number, from 1 on */
} scene;

/* Decides which answers of the region are lost; part of scene_init. */
void region_init(uint64_t seed);

/* Makes it, shared with the children of this process. */
bool scene_init(uint64_t seed);
extern scene *scene_now;
/* Of another device. */
void scene_reset(void);

/* Called after each change of a round or of next_seq by the device's process. NULL: nobody wants to know. */
extern void (*scene_changed)(uint32_t round);

/* Notes what must not be; only the first counts. */
void scene_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* From now on this process does as the region with a copy of the scene: what others see stays as it is. */
bool scene_branch(void);

typedef struct device_plan {
    const char *dir;
    uint64_t disk_bytes_max;
    uint32_t flush_ms;   /* 0: 10 */
    uint32_t events_max; /* of a round */
    bool stays;          /* at the end it waits for its death; else it may also close, and exits */
    uint32_t deliver_ms; /* patience of an audit; 0: a minute */
} device_plan;

/* Lets a random moment of the last round come: of the time since its first event (or two seconds without one)
 * where `recording`, else of the time since now. */
void scene_moment_await(bool recording, uint32_t us);

/* The new round's number. */
uint32_t scene_round_begin(void);
/* The power is cut while the last round is on: what was not promised may be lost. A new boot. */
void scene_power_cut(void);

wadi_err device_open(const device_plan *plan, bool aloud, wadi **ret_w);

#define DEVICE_TEXT_BYTES 900u
typedef struct device_event {
    const char *name;
    uint32_t text_bytes; /* below DEVICE_TEXT_BYTES */
    wadi_priority priority;
} device_event;

/* Records the round's next event, and notes it. */
wadi_err device_record(wadi *w, uint32_t round, const device_event *what, wadi_ticket *ret_ticket);

/* Opens the store of `plan` and records in the last round. Never returns. Exit status 0: it closed, or had no
 * more to do; 3: the disk said no, as it may when its power is gone. */
_Noreturn void device_main(const device_plan *plan);

/* Opens, delivers everything to the region, closes, and says whether what the region has of rounds and
 * numbers is what may be: every event that was promised, or its tombstone; none twice; all in order. Prints
 * what is not. */
bool device_audit(const device_plan *plan);

#endif

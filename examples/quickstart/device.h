/* One device of the quickstart's fleet: a process that uses libwadi and writes down what it did. */
#ifndef QUICKSTART_DEVICE_H
#define QUICKSTART_DEVICE_H

#include <stdint.h>

#include <wadi/wadi.h>

#include "notes.h"

typedef struct device {
    const char *dir; /* DIR/devices/NNNN: store, notes, and for `replay` rows */
    unsigned number, launch;
    uint64_t seed;
    double rate;       /* events a second */
    uint64_t until_us; /* of CLOCK_MONOTONIC: when `record` ends */
    notes notes;
    wadi *w;
    wadi_ticket last; /* of what was tracked in this launch */
} device;

uint64_t now_us(void);
void sleep_us(uint64_t us);

/* Records until the time is over; its own audit id is a property of every event. */
int record(device *d);

/* Records what is left of DIR/rows, in order. */
int replay(device *d);

/* Tracks with notes around the call. `patient`: a full ring, which is emptied soon, is no refusal. */
wadi_err track_noted(device *d, const char *id, const wadi_event *event, bool patient);

#endif

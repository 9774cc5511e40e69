/* A device that records until SIGTERM, and then uploads all of it; SIGUSR1 resets its installation. What it
 * notes of an event, and what the event is called, comes from a clock that nobody puts back: so it is told
 * apart from what the same process recorded at this place before it was put back to an earlier state. */
#include <wadi/wadi.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "examples/quickstart/notes.h"

#define PAUSE_US 1500
#define POLL_US 10000
#define POLLS_MAX 6000
#define ID_DIGITS 100000000u

static volatile sig_atomic_t ending, resetting;

static void on_signal(int number) {
    if (number == SIGTERM)
        ending = 1;
    else
        resetting = 1;
}

static void pause_us(long us) {
    const struct timespec t = {.tv_nsec = us * 1000};
    nanosleep(&t, NULL);
}

/* Of ten microseconds: no two events are that near. */
static unsigned moment(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned)(((uint64_t)t.tv_sec * 100000u + (uint64_t)t.tv_nsec / 10000u) % ID_DIGITS);
}

static wadi_ticket record(wadi *w, notes *n, unsigned number) {
    char id[NOTES_ID_BYTES];
    wadi_ticket ticket = 0;
    snprintf(id, sizeof id, "%04u-0001-%08u", number, moment());
    const wadi_prop props[] = {WADI_STR("audit", id)};
    wadi_event event = WADI_EVENT_INIT;
    event.name = "lived";
    event.props = props;
    event.n_props = 1;
    notes_put(n, "intent", id, "");
    if (wadi_track_ex(w, &event, &ticket) == WADI_OK)
        notes_put(n, "ok", id, "");
    return ticket;
}

int main(int argc, char **argv) {
    notes n;
    wadi *w = NULL;
    if (argc != 5 && argc != 6)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* putback is not our parent */
    signal(SIGTERM, on_signal);
    signal(SIGUSR1, on_signal);
    wadi_options opt = WADI_OPTIONS_INIT;
    char store[512], noted[512];
    snprintf(store, sizeof store, "%s/store", argv[1]);
    snprintf(noted, sizeof noted, "%s/notes", argv[1]);
    opt.dir = store;
    opt.endpoint = argv[2];
    opt.ca_file = argv[3];
    opt.installation_from = argv[5]; /* NULL at the end of argv */
    opt.flush_ms = 30;
    opt.retry_max_ms = 500;
    opt.disk_bytes_max = 2 << 20;
    opt.ring_bytes = 64 << 10;
    if (!notes_open(&n, noted) || wadi_open(&opt, &w) != WADI_OK)
        return 3;
    unsigned number = (unsigned)atoi(argv[4]);
    wadi_ticket last = 0;
    while (!ending) {
        wadi_ticket ticket = record(w, &n, number);
        last = ticket != 0 ? ticket : last;
        if (resetting && wadi_reset_installation(w) != WADI_OK)
            return 5;
        resetting = 0;
        pause_us(PAUSE_US);
    }
    wadi_err err = wadi_flush(w);
    for (int i = 0; i < POLLS_MAX && (err = wadi_wait(w, last, WADI_ACKED, 0)) == WADI_ERR_TIMEOUT; i++)
        pause_us(POLL_US);
    wadi_close(w, 1000);
    return err == WADI_OK ? 0 : 4;
}

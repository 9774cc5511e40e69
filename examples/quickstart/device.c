/* quickstart_device: one device of the fleet. The quickstart's program starts it, kills it with -9 and
 * starts it again; see usage below. */
#include "device.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define POLL_US 5000u
#define CLOSE_MS 5000u
#define DISK_MS 10000u

static const char usage[] =
    "Usage: quickstart_device record|drain|replay --dir DIR --endpoint URL --ca FILE\n"
    "  record   records events at --rate a second until --until (ms, CLOCK_MONOTONIC), then uploads until "
    "killed\n"
    "  drain    uploads what the store holds; ends when all of it is acknowledged\n"
    "  replay   records what is left of DIR/rows, and then drains\n"
    "  --number N --launch N     make audit ids unique\n"
    "  --seed N                  of what is recorded\n"
    "  --disk-bytes N --ring-bytes N\n";

uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void sleep_us(uint64_t us) {
    struct timespec t = {.tv_sec = (time_t)(us / 1000000u), .tv_nsec = (long)(us % 1000000u) * 1000};
    nanosleep(&t, NULL);
}

wadi_err track_noted(device *d, const char *id, const wadi_event *event, bool patient) {
    notes_put(&d->notes, "intent", id, "");
    wadi_err err;
    while ((err = wadi_track_ex(d->w, event, &d->last)) == WADI_ERR_FULL && patient)
        sleep_us(POLL_US);
    if (err == WADI_OK)
        notes_put(&d->notes, "ok", id, "");
    else
        notes_put(&d->notes, "refused", id, wadi_err_name(err));
    return err;
}

/* ---- command line ----------------------------------------------------------------------------------- */

typedef struct arguments {
    const char *mode;
    device device;
    wadi_options wadi;
} arguments;

enum option_id { DIR_ = 1, ENDPOINT, CA, NUMBER, LAUNCH, SEED, RATE, UNTIL, DISK_BYTES, RING_BYTES };

static const struct option options[] = {
    {"dir", required_argument, NULL, DIR_},
    {"endpoint", required_argument, NULL, ENDPOINT},
    {"ca", required_argument, NULL, CA},
    {"number", required_argument, NULL, NUMBER},
    {"launch", required_argument, NULL, LAUNCH},
    {"seed", required_argument, NULL, SEED},
    {"rate", required_argument, NULL, RATE},
    {"until", required_argument, NULL, UNTIL},
    {"disk-bytes", required_argument, NULL, DISK_BYTES},
    {"ring-bytes", required_argument, NULL, RING_BYTES},
    {NULL, 0, NULL, 0},
};

static bool argument_set(arguments *a, int id, const char *value) {
    uint64_t number = strtoull(value, NULL, 10);
    switch (id) {
    case DIR_:
        a->device.dir = value;
        break;
    case ENDPOINT:
        a->wadi.endpoint = value;
        break;
    case CA:
        a->wadi.ca_file = value;
        break;
    case NUMBER:
        a->device.number = (unsigned)number;
        break;
    case LAUNCH:
        a->device.launch = (unsigned)number;
        break;
    case SEED:
        a->device.seed = number;
        break;
    case RATE:
        a->device.rate = strtod(value, NULL);
        break;
    case UNTIL:
        a->device.until_us = number * 1000;
        break;
    case DISK_BYTES:
        a->wadi.disk_bytes_max = number;
        break;
    case RING_BYTES:
        a->wadi.ring_bytes = (uint32_t)number;
        break;
    default:
        return false;
    }
    return true;
}

static bool arguments_read(int argc, char **argv, arguments *ret) {
    int id;
    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!argument_set(ret, id, optarg ? optarg : ""))
            return false;
    ret->mode = optind + 1 == argc ? argv[optind] : "";
    return ret->device.dir != NULL && ret->wadi.endpoint != NULL;
}

/* ---- life ------------------------------------------------------------------------------------------- */

static void diag_print(void *context, wadi_diag_level level, const char *line) {
    const device *d = context;
    fprintf(stderr, "%llu launch %u level %d: %s\n", (unsigned long long)now_us(), d->launch, (int)level,
            line);
}

/* A back-off of at most a second: the storm's outages are short, and the audit waits for the last event. */
static wadi_err store_open(device *d, wadi_options opt) {
    char dir[512], installation[33];
    snprintf(dir, sizeof dir, "%s/store", d->dir);
    opt.dir = dir;
    opt.app = "quickstart";
    opt.app_version = WADI_VERSION;
    opt.flush_ms = 200;
    opt.retry_min_ms = 100;
    opt.retry_max_ms = 1000;
    opt.diag = diag_print;
    opt.diag_context = d;
    opt.diag_level = WADI_DIAG_INFO;
    wadi_err err = wadi_open(&opt, &d->w);
    if (err == WADI_OK)
        err = wadi_installation(d->w, installation);
    if (err == WADI_OK)
        notes_put(&d->notes, "installation", installation, "");
    return err;
}

/* What an earlier launch left in the ring is in the store since wadi_open. Once the last event of this one is
 * there too, `pending` is all there is. */
static int drain(device *d) {
    wadi_stats stats = WADI_STATS_INIT;
    if (d->last != 0 &&
        (wadi_flush(d->w) != WADI_OK || wadi_wait(d->w, d->last, WADI_DISK, DISK_MS) != WADI_OK))
        return EXIT_FAILURE;
    while (wadi_stats_get(d->w, &stats) == WADI_OK && stats.pending > 0)
        sleep_us(POLL_US);
    wadi_err err = wadi_close(d->w, CLOSE_MS);
    d->w = NULL;
    return err == WADI_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int record_until_killed(device *d) {
    int status = record(d);
    if (status != EXIT_SUCCESS)
        return status;
    for (;;)
        pause();
}

static int replay_and_drain(device *d) {
    int status = replay(d);
    return status == EXIT_SUCCESS ? drain(d) : status;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(device *d);
    } modes[] = {{"record", record_until_killed}, {"drain", drain}, {"replay", replay_and_drain}};
    arguments a = {.device = {.rate = 20, .notes = {-1}}, .wadi = WADI_OPTIONS_INIT};
    int (*run)(device *) = NULL;
    if (!arguments_read(argc, argv, &a)) {
        fputs(usage, stderr);
        return 64;
    }
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, a.mode) == 0)
            run = modes[i].run;
    if (!run) {
        fputs(usage, stderr);
        return 64;
    }

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a device never outlives its fleet */
    device *d = &a.device;
    char path[512];
    snprintf(path, sizeof path, "%s/notes", d->dir);
    if (!notes_open(&d->notes, path)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return EXIT_FAILURE;
    }
    wadi_err err = store_open(d, a.wadi);
    int status = EXIT_FAILURE;
    if (err == WADI_OK)
        status = run(d);
    else
        fprintf(stderr, "wadi_open: %s\n", wadi_strerror(err));
    wadi_close(d->w, 0);
    notes_close(&d->notes);
    return status;
}

/* wadi-crash-devices: devices that send to a collector which is killed under them, until they are told to
 * finish: by SIGTERM, or after --batches. Then they send what is pending, print a line of JSON, and exit with
 * 0 when everything was acknowledged. Whatever happens, what is acknowledged stands in the notes. */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "sdk/src/base/clock.h"
#include "uplink.h"

#define RECONNECT_MS 10u
#define CONNECTIONS_MAX 64u

typedef struct arguments {
    const char *port_file, *ca_file, *notes_file;
    uint32_t first, streams, connections, batches, batch_max, pace_ms, retry_ms_max, drain_ms, displaced_ms;
    uint64_t seed;
} arguments;

typedef struct counts {
    uint64_t batches, reconnects, retries, retries_unhinted, rewinds, unverified, wrong;
} counts;

/* A connection, and the devices behind it. */
typedef struct sender {
    const arguments *arguments;
    notes *notes;
    load *load;
    device *devices;
    uint32_t n_devices, next;
    uplink uplink;
    counts counts;
    bool drained;
    pthread_t thread;
} sender;

static atomic_bool finishing;
static atomic_uint_fast64_t finish_by_us;
static atomic_uint batches_left;

/* ---- arguments --------------------------------------------------------------------------------------- */

static const struct option options[] = {
    {"port-file", required_argument, NULL, 'p'},    {"ca", required_argument, NULL, 'c'},
    {"notes", required_argument, NULL, 'n'},        {"first", required_argument, NULL, 'f'},
    {"streams", required_argument, NULL, 's'},      {"connections", required_argument, NULL, 'k'},
    {"batches", required_argument, NULL, 'b'},      {"batch-max", required_argument, NULL, 'm'},
    {"pace-ms", required_argument, NULL, 'P'},      {"seed", required_argument, NULL, 'S'},
    {"retry-ms-max", required_argument, NULL, 'r'}, {"drain-ms", required_argument, NULL, 'd'},
    {"displaced-ms", required_argument, NULL, 'D'}, {NULL, 0, NULL, 0},
};

static uint32_t *number_of(arguments *a, int letter) {
    const struct {
        int letter;
        uint32_t *number;
    } numbers[] = {{'f', &a->first},        {'s', &a->streams},  {'k', &a->connections},
                   {'b', &a->batches},      {'P', &a->pace_ms},  {'m', &a->batch_max},
                   {'r', &a->retry_ms_max}, {'d', &a->drain_ms}, {'D', &a->displaced_ms}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].letter == letter)
            return numbers[i].number;
    return NULL;
}

static bool arguments_parse(int argc, char **argv, arguments *a) {
    int letter;
    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        uint32_t *number = number_of(a, letter);
        if (number)
            *number = (uint32_t)strtoul(optarg, NULL, 10);
        else if (letter == 'S')
            a->seed = strtoull(optarg, NULL, 10);
        else if (letter == 'p')
            a->port_file = optarg;
        else if (letter == 'c')
            a->ca_file = optarg;
        else if (letter == 'n')
            a->notes_file = optarg;
        else
            return false;
    }
    return a->port_file && a->ca_file && a->notes_file && a->connections > 0 && a->batch_max > 0 &&
           a->connections <= CONNECTIONS_MAX && a->streams >= a->connections;
}

/* ---- sending ----------------------------------------------------------------------------------------- */

static void pause_ms(uint32_t ms) {
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* One of --batches, or any when there is no such limit. */
static bool may_track(const sender *s) {
    if (atomic_load(&finishing))
        return false;
    if (s->arguments->batches == 0)
        return true;
    unsigned left = atomic_load(&batches_left);
    while (left > 0 && !atomic_compare_exchange_weak(&batches_left, &left, left - 1))
        ;
    if (left == 0)
        atomic_store(&finishing, true);
    return left > 0;
}

/* The next device that has something to send; NULL: none has. */
static device *device_next(sender *s) {
    for (uint32_t tried = 0; tried < s->n_devices; tried++) {
        device *d = &s->devices[s->next++ % s->n_devices];
        if (d->n < DEVICE_PENDING_MAX && may_track(s)) {
            uint32_t events = 1 + (uint32_t)(load_random(s->load) % s->arguments->batch_max);
            device_track(d, s->load, s->notes, events, base_wall_us());
        }
        if (d->n > 0)
            return d;
    }
    return NULL;
}

static void answer_count(sender *s, int status, const wire_ack *ack) {
    s->counts.batches += ack->status == WIRE_STATUS_OK;
    s->counts.rewinds += ack->status == WIRE_STATUS_REWIND;
    s->counts.unverified += ack->status == WIRE_STATUS_UNVERIFIED;
    s->counts.retries += status == 503;
    s->counts.retries_unhinted += status == 503 && ack->retry_after_ms == 0;
}

static void batch_send(sender *s, device *d) {
    uint64_t through;
    int status = 0;
    wire_ack ack;
    wire_span body = device_batch(d, s->load, base_wall_us(), &through);
    if (!uplink_exchange(&s->uplink, body, &status, &ack)) {
        s->counts.reconnects++;
        device_unanswered(d, s->load);
        return;
    }
    answer_count(s, status, &ack);
    bool beyond = ack.status == WIRE_STATUS_OK && ack.agreed_through != through;
    if (beyond || !device_answered(d, s->notes, &ack)) {
        fprintf(stderr,
                "devices: stream %u from %" PRIu64 " low %" PRIu64 ": %d, status %d, through %" PRIu64
                ", next %" PRIu64 ": %s\n",
                d->stream, d->from, d->low, status, (int)ack.status, ack.agreed_through, ack.next_seq,
                ack.message);
        s->counts.wrong++;
        pause_ms(RECONNECT_MS);
    }
    if (ack.status == WIRE_STATUS_RETRY) {
        uint32_t most = s->arguments->retry_ms_max;
        pause_ms(ack.retry_after_ms < most ? ack.retry_after_ms : most);
    }
}

static bool is_over(void) {
    uint64_t by_us = atomic_load(&finish_by_us);
    return by_us != 0 && base_mono_us() > by_us;
}

static void *sender_main(void *argument) {
    sender *s = argument;
    while (!s->drained && !is_over()) {
        device *d = uplink_open(&s->uplink) ? device_next(s) : NULL;
        if (d)
            batch_send(s, d);
        else if (s->uplink.conn)
            s->drained = true;
        else
            pause_ms(RECONNECT_MS);
        if (!atomic_load(&finishing))
            pause_ms(s->arguments->pace_ms);
    }
    uplink_close(&s->uplink);
    return NULL;
}

/* ---- all of them ------------------------------------------------------------------------------------- */

static bool sender_begin(sender *s, const arguments *a, notes *n, base_tls *tls, uint32_t index) {
    load_options opt = {.streams = a->first + a->streams,
                        .batch_min = 1,
                        .batch_max = 1,
                        .displaced_us = 1000 * (int64_t)a->displaced_ms,
                        .seed = a->seed + index};
    s->arguments = a;
    s->notes = n;
    s->load = load_new(&opt);
    s->devices = calloc(a->streams / a->connections + 1, sizeof *s->devices);
    uplink_init(&s->uplink, tls, a->port_file);
    if (!s->load || !s->devices)
        return false;
    for (uint32_t i = index; i < a->streams; i += a->connections)
        device_init(&s->devices[s->n_devices++], a->first + i);
    return pthread_create(&s->thread, NULL, sender_main, s) == 0;
}

static bool senders_end(sender *senders, uint32_t n, counts *ret_sum) {
    bool drained = true;
    for (uint32_t i = 0; i < n; i++) {
        const counts *c = &senders[i].counts;
        pthread_join(senders[i].thread, NULL);
        drained = drained && senders[i].drained;
        ret_sum->batches += c->batches;
        ret_sum->reconnects += c->reconnects;
        ret_sum->retries += c->retries;
        ret_sum->retries_unhinted += c->retries_unhinted;
        ret_sum->rewinds += c->rewinds;
        ret_sum->unverified += c->unverified;
        ret_sum->wrong += c->wrong;
        load_free(senders[i].load);
        free(senders[i].devices);
    }
    return drained;
}

/* Waits for SIGTERM in a thread of its own, since senders end by themselves too. */
static void *term_wait(void *arguments_ptr) {
    const arguments *a = arguments_ptr;
    sigset_t term;
    int received;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigwait(&term, &received);
    atomic_store(&finish_by_us, base_mono_us() + 1000u * (uint64_t)a->drain_ms);
    atomic_store(&finishing, true);
    return NULL;
}

static int devices_run(arguments *a, notes *n, base_tls *tls) {
    static sender senders[CONNECTIONS_MAX];
    pthread_t waiter;
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    signal(SIGPIPE, SIG_IGN);
    atomic_store(&batches_left, a->batches);
    if (a->batches > 0)
        atomic_store(&finish_by_us, base_mono_us() + 1000u * (uint64_t)a->drain_ms);
    if (pthread_create(&waiter, NULL, term_wait, a) != 0)
        return 2;
    for (uint32_t i = 0; i < a->connections; i++)
        if (!sender_begin(&senders[i], a, n, tls, i))
            return 2;
    counts sum = {0};
    bool drained = senders_end(senders, a->connections, &sum);
    printf("{\"drained\":%s,\"batches\":%" PRIu64 ",\"reconnects\":%" PRIu64 ",\"retries\":%" PRIu64
           ",\"retries_unhinted\":%" PRIu64 ",\"rewinds\":%" PRIu64 ",\"unverified\":%" PRIu64
           ",\"wrong\":%" PRIu64 "}\n",
           drained ? "true" : "false", sum.batches, sum.reconnects, sum.retries, sum.retries_unhinted,
           sum.rewinds, sum.unverified, sum.wrong);
    return drained && sum.wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    arguments a = {.streams = 64,
                   .connections = 8,
                   .batch_max = 40,
                   .pace_ms = 20,
                   .retry_ms_max = 200,
                   .drain_ms = 60000,
                   .displaced_ms = 500,
                   .seed = 1};
    notes n;
    base_tls *tls = NULL;
    char why[256] = "";
    if (!arguments_parse(argc, argv, &a)) {
        fprintf(stderr, "usage: wadi-crash-devices --port-file F --ca F --notes F [--first N] [--streams N]\n"
                        "  [--connections N] [--batches N] [--batch-max N] [--pace-ms N] [--seed N]\n"
                        "  [--retry-ms-max N] [--drain-ms N] [--displaced-ms N]\n");
        return 64;
    }
    base_tls_options opt = {.ca_file = a.ca_file};
    if (!notes_open(&n, a.notes_file, a.first + a.streams) ||
        base_tls_new(&opt, why, sizeof why, &tls) != BASE_TLS_OK) {
        fprintf(stderr, "devices: cannot begin %s\n", why);
        return 2;
    }
    int status = devices_run(&a, &n, tls);
    fflush(stdout);
    _exit(status); /* the thread that waits for SIGTERM still does */
}

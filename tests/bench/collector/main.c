/* wadi-bench-collector: loads a running collector over TLS, waits until its sink has committed every event,
 * audits the files if they are JSON lines, and prints one line of JSON.
 *
 * Handshakes are outside the measured span. It runs from the first byte sent to the last event committed, and
 * so does the collector's CPU time, the kernel's share included.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "fleet.h"
#include "sdk/src/base/clock.h"
#include "watch.h"

#define SINK_WAIT_US 60000000u

typedef struct arguments {
    fleet_options fleet;
    load_options load;
    const char *name, *events_dir;
    int pid;
    uint16_t admin_port;
} arguments;

static const struct option options[] = {
    {"name", required_argument, NULL, 'n'},
    {"host", required_argument, NULL, 'h'},
    {"port", required_argument, NULL, 'p'},
    {"ca", required_argument, NULL, 'c'},
    {"admin-port", required_argument, NULL, 'a'},
    {"pid", required_argument, NULL, 'i'},
    {"events-dir", required_argument, NULL, 'd'},
    {"connections", required_argument, NULL, 'k'},
    {"streams", required_argument, NULL, 's'},
    {"events", required_argument, NULL, 'e'},
    {"batch-min", required_argument, NULL, 'm'},
    {"batch-max", required_argument, NULL, 'M'},
    {"displaced-ms", required_argument, NULL, 'D'},
    {"rate", required_argument, NULL, 'r'},
    {NULL, 0, NULL, 0},
};

static bool argument_take(arguments *a, int letter, const char *value) {
    unsigned long number = strtoul(value, NULL, 10);
    switch (letter) {
    case 'n':
        a->name = value;
        return true;
    case 'h':
        a->fleet.host = value;
        return true;
    case 'p':
        a->fleet.port = value;
        return true;
    case 'c':
        a->fleet.ca_file = value;
        return true;
    case 'a':
        a->admin_port = (uint16_t)number;
        return true;
    case 'i':
        a->pid = (int)number;
        return true;
    case 'd':
        a->events_dir = value;
        return true;
    case 'k':
        a->fleet.connections = (uint32_t)number;
        return number > 0;
    case 's':
        a->load.streams = (uint32_t)number;
        return number > 0;
    case 'r':
        a->fleet.rate = number;
        return true;
    case 'e':
        a->fleet.events = number;
        return number > 0;
    case 'm':
        a->load.batch_min = (uint32_t)number;
        return number > 0;
    case 'M':
        a->load.batch_max = (uint32_t)number;
        return number > 0;
    case 'D':
        a->load.displaced_us = (int64_t)number * 1000;
        return true;
    default:
        return false;
    }
}

static bool arguments_parse(int argc, char **argv, arguments *a) {
    int letter;
    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (letter == '?' || !argument_take(a, letter, optarg))
            return false;
    return optind == argc && a->fleet.port && a->pid && a->admin_port &&
           a->load.batch_min <= a->load.batch_max && a->load.streams >= a->fleet.connections;
}

/* The largest RssAnon, sampled beside the run. */
static atomic_uint_fast64_t rss_max_kb;
static atomic_bool rss_stop;

static void *rss_sample(void *pid) {
    while (!atomic_load(&rss_stop)) {
        uint64_t kb = watch_rss_anon_kb(*(int *)pid);
        if (kb > atomic_load(&rss_max_kb))
            atomic_store(&rss_max_kb, kb);
        usleep(50000);
    }
    return NULL;
}

static bool sink_wait(const arguments *a, uint64_t before, uint64_t events) {
    uint64_t until_us = base_mono_us() + SINK_WAIT_US;
    while (watch_metric(a->admin_port, "wadi_sink_events_total") - before < events) {
        if (base_mono_us() > until_us) {
            fprintf(stderr, "bench: the sink did not commit every event within a minute\n");
            return false;
        }
        usleep(20000);
    }
    return true;
}

/* The line is left open for what the audit finds. */
static void result_print(const arguments *a, const fleet_result *r, uint64_t span_us, uint64_t cpu_us,
                         uint64_t idle_kb) {
    printf("{\"bench\":\"%s\",\"events\":%" PRIu64 ",\"connections\":%u,\"streams\":%u,"
           "\"events_per_s\":%.0f,\"events_per_s_to_sink\":%.0f,\"cpu_us_per_event\":%.3f,"
           "\"ack_p50_ms\":%.2f,\"ack_p99_ms\":%.2f,\"rss_anon_mb\":%.1f,\"rss_anon_idle_mb\":%.1f,"
           "\"body_bytes_per_event\":%.1f,\"answers_503\":%" PRIu64,
           a->name, r->events, a->fleet.connections, a->load.streams,
           (double)r->events * 1e6 / (double)r->elapsed_us, (double)r->events * 1e6 / (double)span_us,
           (double)cpu_us / (double)r->events, (double)r->ack_p50_us / 1000, (double)r->ack_p99_us / 1000,
           (double)atomic_load(&rss_max_kb) / 1024, (double)idle_kb / 1024,
           (double)r->body_bytes / (double)r->events, r->answered_503);
}

static bool audit(const arguments *a, const load *l, audit_result *ret_result) {
    audit_stream *streams = calloc(a->load.streams, sizeof *streams);
    if (!streams)
        return false;
    for (uint32_t s = 0; s < a->load.streams; s++)
        streams[s].assigned = streams[s].acked = load_next_seq(l, s) - 1;
    audit_options opt = {.dir = a->events_dir, .streams = streams, .n_streams = a->load.streams};
    bool ok = audit_run(&opt, ret_result) && ret_result->foreign == 0;
    free(streams);
    return ok;
}

static int audit_print(const arguments *a, const load *l) {
    audit_result u;
    if (!audit(a, l, &u))
        return 1;
    printf(",\"missing\":%" PRIu64 ",\"twice\":%" PRIu64 ",\"misordered\":%" PRIu64 ",\"late\":%" PRIu64,
           u.missing, u.twice, u.misordered, u.late);
    return u.missing > 0 || u.twice > 0 || u.misordered > 0;
}

static int bench(arguments *a, load *l, fleet *f) {
    pthread_t sampler;
    uint64_t idle_kb = watch_rss_anon_kb(a->pid),
             before = watch_metric(a->admin_port, "wadi_sink_events_total");
    pthread_create(&sampler, NULL, rss_sample, &a->pid);
    uint64_t cpu_us = watch_cpu_us(a->pid), began_us = base_mono_us();
    fleet_result result;
    bool ok = fleet_run(f, l, a->load.streams, &result) && sink_wait(a, before, result.events);
    uint64_t span_us = base_mono_us() - began_us;
    cpu_us = watch_cpu_us(a->pid) - cpu_us;
    atomic_store(&rss_stop, true);
    pthread_join(sampler, NULL);
    if (!ok)
        return 1;
    result_print(a, &result, span_us, cpu_us, idle_kb);
    int status = a->events_dir ? audit_print(a, l) : 0;
    printf("}\n");
    return status;
}

int main(int argc, char **argv) {
    arguments a = {
        .name = "collector.jsonl",
        .fleet = {.host = "localhost", .connections = 64, .events = 4000000},
        .load = {.streams = 10000, .batch_min = 100, .batch_max = 500, .displaced_us = 500000, .seed = 1}};
    if (!arguments_parse(argc, argv, &a)) {
        fprintf(stderr, "usage: wadi-bench-collector --port P --ca FILE --admin-port P --pid PID\n"
                        "  [--events-dir DIR] [--name N] [--host H] [--connections N] [--streams N] "
                        "[--events N] [--batch-min N]\n"
                        "  [--batch-max N] [--displaced-ms N] [--rate EVENTS_A_SECOND]\n");
        return 64;
    }
    load *l = load_new(&a.load);
    fleet *f = l ? fleet_connect(&a.fleet) : NULL;
    int status = f ? bench(&a, l, f) : 1;
    fleet_close(f);
    load_free(l);
    return status;
}

/* A program with libwadi inside that does as it is told, one command a line on standard input, one line of
 * answer each. Diagnostics go to standard error. A signal ends it as it would end any application. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <wadi/wadi.h>

#define PADDING_MAX 30000u
#define PATIENCE_MS 20000u
#define WORDS_MAX 8

typedef struct device {
    wadi_options opt;
    wadi *w;
    wadi_ticket last;
    uint64_t serial;
} device;

static void diag_print(void *context, wadi_diag_level level, const char *line) {
    (void)context;
    fprintf(stderr, "%d %s\n", (int)level, line);
}

static void answer(const char *text) {
    puts(text);
    fflush(stdout);
}

static uint64_t number(const char *text) { return text != NULL ? strtoull(text, NULL, 10) : 0; }

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- commands ------------------------------------------------------------------------------------ */

/* set NAME VALUE: an option of the next open. */
static void command_set(device *d, char **words) {
    const struct {
        const char *name;
        const char **text;
        uint32_t *n32;
        uint64_t *n64;
    } options[] = {
        {"dir", &d->opt.dir, NULL, NULL},
        {"endpoint", &d->opt.endpoint, NULL, NULL},
        {"ca_file", &d->opt.ca_file, NULL, NULL},
        {"flush_ms", NULL, &d->opt.flush_ms, NULL},
        {"ring_bytes", NULL, &d->opt.ring_bytes, NULL},
        {"retry_min_ms", NULL, &d->opt.retry_min_ms, NULL},
        {"retry_max_ms", NULL, &d->opt.retry_max_ms, NULL},
        {"max_age_s", NULL, &d->opt.max_age_s, NULL},
        {"disk_bytes_max", NULL, NULL, &d->opt.disk_bytes_max},
        {"upload_bytes_per_day_max", NULL, NULL, &d->opt.upload_bytes_per_day_max},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(words[1], options[i].name) != 0)
            continue;
        if (options[i].text != NULL)
            *options[i].text = words[2] != NULL ? strdup(words[2]) : NULL; /* until the end of the program */
        else if (options[i].n32 != NULL)
            *options[i].n32 = (uint32_t)number(words[2]);
        else if (options[i].n64 != NULL)
            *options[i].n64 = number(words[2]);
        answer("ok");
        return;
    }
    answer("no such option");
}

static void command_open(device *d, char **words) {
    (void)words;
    answer(wadi_err_name(wadi_open(&d->opt, &d->w)));
}

static void command_close(device *d, char **words) {
    wadi_err err = wadi_close(d->w, (uint32_t)number(words[1]));
    d->w = NULL;
    answer(wadi_err_name(err));
}

static wadi_err track(device *d, const char *padding, wadi_priority priority) {
    const wadi_prop props[] = {WADI_INT("serial", (int64_t)d->serial), WADI_STR("padding", padding)};
    wadi_event ev = WADI_EVENT_INIT;
    ev.name = "recorded";
    ev.props = props;
    ev.n_props = 2;
    ev.priority = priority;
    wadi_err err = wadi_track_ex(d->w, &ev, &d->last);
    d->serial += err == WADI_OK;
    return err;
}

/* track N BYTES PRIORITY PATIENCE_MS: waits where the ring is full. Answers how many were taken, and the last
 * outcome. */
static void command_track(device *d, char **words) {
    const struct timespec pause = {.tv_nsec = 1000000};
    static char padding[PADDING_MAX + 1];
    uint64_t n = number(words[1]), taken = 0, bytes = number(words[2]);
    uint64_t patience_ms = words[3] != NULL && words[4] != NULL ? number(words[4]) : PATIENCE_MS;
    wadi_err err = WADI_OK;
    memset(padding, 'x', sizeof padding - 1);
    padding[bytes < PADDING_MAX ? bytes : PADDING_MAX] = '\0';
    for (uint64_t until_ms = now_ms() + patience_ms; taken < n;) {
        err = track(d, padding, (wadi_priority)number(words[3]));
        taken += err == WADI_OK;
        if (err == WADI_OK)
            continue;
        if (err != WADI_ERR_FULL || now_ms() >= until_ms)
            break;
        nanosleep(&pause, NULL);
    }
    padding[bytes < PADDING_MAX ? bytes : PADDING_MAX] = 'x';
    printf("%" PRIu64 " %s\n", taken, wadi_err_name(err));
    fflush(stdout);
}

/* wait disk|acked MS: for the last event taken. */
static void command_wait(device *d, char **words) {
    wadi_level level = strcmp(words[1], "acked") == 0 ? WADI_ACKED : WADI_DISK;
    answer(wadi_err_name(wadi_wait(d->w, d->last, level, (uint32_t)number(words[2]))));
}

static void command_flush(device *d, char **words) {
    (void)words;
    answer(wadi_err_name(wadi_flush(d->w)));
}

static void command_stats(device *d, char **words) {
    (void)words;
    wadi_stats s = WADI_STATS_INIT;
    if (wadi_stats_get(d->w, &s) != WADI_OK)
        abort();
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {{"accepted", s.accepted},
                  {"refused_full", s.refused_full},
                  {"refused_io", s.refused_io},
                  {"assigned", s.assigned},
                  {"pending", s.pending},
                  {"acked", s.acked},
                  {"ring_lost", s.ring_lost},
                  {"disk_bytes", s.disk_bytes},
                  {"quarantined", s.quarantined},
                  {"uploads", s.uploads},
                  {"upload_errors", s.upload_errors},
                  {"upload_bytes", s.upload_bytes},
                  {"upload_day_bytes", s.upload_day_bytes},
                  {"store_errors", s.store_errors}};
    printf("{");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        printf("\"%s\": %" PRIu64 ", ", fields[i].name, fields[i].value);
    printf("\"store_error\": \"%s\", \"dropped\": [", wadi_err_name((wadi_err)s.store_error));
    for (int i = 0; i < WADI_DROP_COUNT; i++)
        printf("%s%" PRIu64, i > 0 ? ", " : "", s.dropped[i]);
    puts("]}");
    fflush(stdout);
}

static void command_installation(device *d, char **words) {
    (void)words;
    char hex[33];
    if (wadi_installation(d->w, hex) != WADI_OK)
        abort();
    answer(hex);
}

/* limit fsize|nofile N: the soft limit; 0: as high as it may be. */
static void command_limit(device *d, char **words) {
    (void)d;
    struct rlimit limit;
#ifdef __USE_GNU
    const __rlimit_resource_t what = strcmp(words[1], "fsize") == 0 ? RLIMIT_FSIZE : RLIMIT_NOFILE;
#else
    const int what = strcmp(words[1], "fsize") == 0 ? RLIMIT_FSIZE : RLIMIT_NOFILE;
#endif
    int failed = getrlimit(what, &limit);
    limit.rlim_cur = number(words[2]) > 0 ? number(words[2]) : limit.rlim_max;
    answer(failed == 0 && setrlimit(what, &limit) == 0 ? "ok" : strerror(errno));
}

/* memory: anonymous memory of the process, in KiB. */
static void command_memory(device *d, char **words) {
    (void)d;
    (void)words;
    char line[256];
    FILE *in = fopen("/proc/self/status", "re");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        if (strncmp(line, "RssAnon:", 8) != 0)
            continue;
        printf("%" PRIu64 "\n", number(line + 8));
        break;
    }
    if (in != NULL)
        fclose(in);
    fflush(stdout);
}

static const struct {
    const char *name;
    void (*run)(device *d, char **words);
} commands[] = {
    {"set", command_set},       {"open", command_open},   {"close", command_close},
    {"track", command_track},   {"wait", command_wait},   {"flush", command_flush},
    {"stats", command_stats},   {"limit", command_limit}, {"installation", command_installation},
    {"memory", command_memory},
};

static void line_run(device *d, char *line) {
    char *words[WORDS_MAX + 1] = {NULL}, *rest = NULL;
    size_t n = 0;
    for (char *word = strtok_r(line, " \n", &rest); word != NULL && n < WORDS_MAX;
         word = strtok_r(NULL, " \n", &rest))
        words[n++] = word;
    for (size_t i = 0; n > 0 && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(words[0], commands[i].name) == 0) {
            commands[i].run(d, words);
            return;
        }
    answer("no such command");
}

int main(void) {
    char line[4096];
    device d = {.opt = WADI_OPTIONS_INIT};
    d.opt.diag = diag_print;
    d.opt.diag_level = WADI_DIAG_INFO;
    while (fgets(line, sizeof line, stdin) != NULL)
        line_run(&d, line);
    (void)!wadi_close(d.w, 0);
    return 0;
}

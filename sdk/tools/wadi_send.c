/* wadi-send: records events from the command line or from standard input, like logger(1). */
#include "sdk/tools/input.h"
#include "sdk/tools/sender.h"
#include "sdk/tools/settings.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define TIMEOUT_MS_DEFAULT 5000u

enum {
    OPTION_CONFIG = SETTINGS_N,
    OPTION_JSON,
    OPTION_CSV,
    OPTION_EVENT,
    OPTION_TIME_COLUMN,
    OPTION_VERBOSE,
    OPTION_HELP,
    OPTION_VERSION,
};

typedef struct command {
    settings settings;
    const char *config, *event, *time_column;
    bool json, csv, verbose;
} command;

static void help_print(FILE *out) {
    fputs("usage: wadi-send [options] name [key=value | key:=json]...\n"
          "       wadi-send [options] --json < lines\n"
          "       wadi-send [options] --csv  < rows\n"
          "Records events in a store on this device, and uploads them to a collector.\n\n"
          "  --json                     one JSON object a line: name, time, properties\n"
          "  --csv                      CSV; its first row names the columns\n"
          "  --event NAME               CSV: the events' name (default row)\n"
          "  --time-column NAME         CSV: the column of event times (default time, if it is there)\n"
          "  --config FILE              settings, one `name = value` a line\n"
          "  --verbose                  say more on standard error\n"
          "  --help, --version\n\nSettings; also WADI_DIR=..., and `dir = ...` in --config:\n",
          out);
    settings_help(out);
    fputs(
        "\nExit status: 0 done; 64 usage; 65 some input was refused, the rest was taken; 69 an event was\n"
        "dropped (--wait acked); 70 an error of wadi-send itself; 71 the system refused; 74 the disk "
        "failed,\n"
        "or is full; 75 safe on disk, but not acknowledged in time (--wait acked), or the store is in use;\n"
        "77 permission denied; 78 a bad --config or a bad certificate. Of several, 65 yields.\n",
        out);
}

__attribute__((noreturn, format(printf, 2, 3))) static void quit(int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("wadi-send: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(status);
}

/* ---- the command line ------------------------------------------------------------------------------- */

static const struct option options_own[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"json", no_argument, NULL, OPTION_JSON},
    {"csv", no_argument, NULL, OPTION_CSV},
    {"event", required_argument, NULL, OPTION_EVENT},
    {"time-column", required_argument, NULL, OPTION_TIME_COLUMN},
    {"verbose", no_argument, NULL, OPTION_VERBOSE},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

/* getopt's table: every setting under both spellings, --ca_file and --ca-file, and the options of our own. */
static const struct option *options_table(void) {
    static struct option table[2 * SETTINGS_N + sizeof options_own / sizeof *options_own];
    static char dashed[SETTINGS_N][SETTING_NAME_BYTES_MAX];
    struct option *next = table;
    for (int id = 0; id < SETTINGS_N; id++) {
        setting_name_dashed((setting_id)id, dashed[id]);
        *next++ = (struct option){setting_name((setting_id)id), required_argument, NULL, id};
        *next++ = (struct option){dashed[id], required_argument, NULL, id};
    }
    memcpy(next, options_own, sizeof options_own);
    return table;
}

static void option_take(command *cmd, int option) {
    char why[256];
    switch (option) {
    case OPTION_CONFIG:
        cmd->config = optarg;
        return;
    case OPTION_JSON:
        cmd->json = true;
        return;
    case OPTION_CSV:
        cmd->csv = true;
        return;
    case OPTION_EVENT:
        cmd->event = optarg;
        return;
    case OPTION_TIME_COLUMN:
        cmd->time_column = optarg;
        return;
    case OPTION_VERBOSE:
        cmd->verbose = true;
        return;
    case OPTION_HELP:
        help_print(stdout);
        exit(EX_OK);
    case OPTION_VERSION:
        puts("wadi-send " WADI_VERSION);
        exit(EX_OK);
    default:
        break;
    }
    if (option < 0 || option >= SETTINGS_N)
        quit(EX_USAGE, "see wadi-send --help");
    cmd->settings.at[option].set = false; /* of two flags the last counts */
    if (!setting_put(&cmd->settings, (setting_id)option, optarg, why, sizeof why))
        quit(EX_USAGE, "--%s", why);
}

/* Where the event's name stands in argv; argc: nowhere. */
static int command_parse(command *cmd, int argc, char **argv) {
    char why[512];
    int option;
    while ((option = getopt_long(argc, argv, "+", options_table(), NULL)) != -1)
        option_take(cmd, option);
    if (!settings_environment(&cmd->settings, why, sizeof why))
        quit(EX_USAGE, "in the environment: %s", why);
    if (cmd->config != NULL && !settings_file(&cmd->settings, cmd->config, why, sizeof why))
        quit(EX_CONFIG, "%s", why);
    if (cmd->json + cmd->csv + (optind < argc) != 1)
        quit(EX_USAGE, "one of: an event's name, --json, --csv; see wadi-send --help");
    if (setting_text(&cmd->settings, SETTING_dir) == NULL)
        quit(EX_USAGE, "where is the store? give --dir, WADI_DIR, or dir = in --config");
    if (setting_number(&cmd->settings, SETTING_wait, WAIT_DISK) == WAIT_ACKED &&
        setting_text(&cmd->settings, SETTING_endpoint) == NULL)
        quit(EX_USAGE, "--wait acked needs an endpoint");
    return optind;
}

/* ---- open, send, wait ------------------------------------------------------------------------------- */

static void diag_print(void *context, wadi_diag_level level, const char *line) {
    (void)context;
    (void)level;
    fprintf(stderr, "wadi-send: %s\n", line);
}

static uint32_t number32(const settings *s, setting_id id, const char *name, uint32_t otherwise) {
    uint64_t number = setting_number(s, id, otherwise);
    if (number > UINT32_MAX)
        quit(EX_USAGE, "%s is too large", name);
    return (uint32_t)number;
}

static wadi_options options_make(const command *cmd) {
    const settings *s = &cmd->settings;
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = setting_text(s, SETTING_dir);
    opt.endpoint = setting_text(s, SETTING_endpoint);
    opt.ca_file = setting_text(s, SETTING_ca_file);
    opt.cert_file = setting_text(s, SETTING_cert_file);
    opt.key_file = setting_text(s, SETTING_key_file);
    opt.api_key = setting_text(s, SETTING_api_key);
    opt.app = setting_text(s, SETTING_app);
    opt.app_version = setting_text(s, SETTING_app_version);
    opt.flush_ms = number32(s, SETTING_flush_ms, "flush_ms", 0);
    opt.ring_bytes = number32(s, SETTING_ring_bytes, "ring_bytes", 0);
    opt.disk_bytes_max = setting_number(s, SETTING_disk_bytes_max, 0);
    opt.max_age_s = number32(s, SETTING_max_age_s, "max_age_s", 0);
    opt.upload_bytes_per_day_max = setting_number(s, SETTING_upload_bytes_per_day_max, 0);
    opt.diag = diag_print;
    opt.diag_level = cmd->verbose ? WADI_DIAG_DEBUG : WADI_DIAG_WARN;
    return opt;
}

static int exit_status_of(wadi_err err) {
    switch (err) {
    case WADI_OK:
        return EX_OK;
    case WADI_ERR_INVALID:
        return EX_USAGE;
    case WADI_ERR_TLS:
        return EX_CONFIG;
    case WADI_ERR_BUSY:
    case WADI_ERR_TIMEOUT:
        return EX_TEMPFAIL;
    case WADI_ERR_PERMISSION:
        return EX_NOPERM;
    case WADI_ERR_IO:
    case WADI_ERR_DISK_FULL:
    case WADI_ERR_CORRUPT:
        return EX_IOERR;
    case WADI_ERR_DROPPED:
        return EX_UNAVAILABLE;
    case WADI_ERR_NO_MEMORY:
    case WADI_ERR_SYSTEM:
        return EX_OSERR;
    case WADI_ERR_FULL:
    case WADI_ERR_TOO_LARGE:
    case WADI_ERR_CLOSED:
    case WADI_ERR_FORKED:
        break;
    }
    return EX_SOFTWARE;
}

/* Many at a time, from a shell's loop or a pipeline, may hold all lanes: waits for its turn. */
static wadi *store_open(const wadi_options *opt, uint32_t timeout_ms) {
    static const struct timespec pause = {.tv_nsec = 20000000};
    uint64_t until_ms = sender_now_ms() + timeout_ms;
    wadi *w = NULL;
    wadi_err err;
    while ((err = wadi_open(opt, &w)) == WADI_ERR_BUSY && sender_now_ms() < until_ms)
        nanosleep(&pause, NULL);
    if (err != WADI_OK)
        quit(exit_status_of(err), "%s: %s", opt->dir, wadi_strerror(err));
    return w;
}

/* Waits for what was asked for, and closes in any case. */
static int finish(sender *s, wait_level wait, uint32_t timeout_ms) {
    wadi_err err = WADI_OK;
    if (s->last != 0 && wait != WAIT_NONE)
        err = wadi_wait(s->w, s->last, WADI_DISK, timeout_ms);
    if (err != WADI_OK)
        fprintf(stderr, "wadi-send: not on disk: %s\n", wadi_strerror(err));
    int status = err == WADI_ERR_TIMEOUT ? EX_IOERR : exit_status_of(err);
    if (err == WADI_OK && s->last != 0 && wait == WAIT_ACKED) {
        err = wadi_wait(s->w, s->last, WADI_ACKED, timeout_ms);
        if (err != WADI_OK)
            fprintf(stderr, "wadi-send: on disk, but not acknowledged: %s\n", wadi_strerror(err));
        status = err == WADI_ERR_TIMEOUT ? EX_TEMPFAIL : exit_status_of(err);
    }
    wadi_close(s->w, wait == WAIT_DISK && status == EX_OK ? timeout_ms : 0);
    if (status == EX_OK && s->stuck)
        return EX_IOERR;
    return status == EX_OK && s->bad > 0 ? EX_DATAERR : status;
}

int main(int argc, char **argv) {
    static command cmd = {.event = "row"};
    int first = command_parse(&cmd, argc, argv);
    uint32_t timeout_ms = number32(&cmd.settings, SETTING_timeout_ms, "timeout_ms", TIMEOUT_MS_DEFAULT);
    wadi_options opt = options_make(&cmd);
    sender s = {.w = store_open(&opt, timeout_ms), .timeout_ms = timeout_ms};
    if (cmd.json)
        input_json(&s, stdin);
    else if (cmd.csv)
        input_csv(&s, stdin, cmd.event, cmd.time_column != NULL ? cmd.time_column : "time",
                  cmd.time_column != NULL);
    else
        input_arguments(&s, argv[first], argv + first + 1, argc - first - 1);
    int status = finish(&s, (wait_level)setting_number(&cmd.settings, SETTING_wait, WAIT_DISK), timeout_ms);
    /* A bad argument is the caller's mistake, not the data's. */
    return status == EX_DATAERR && first < argc ? EX_USAGE : status;
}

/* wadi-store: looks into the stores of this device, and mends them. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sdk/src/core/installation.h"
#include "sdk/tools/store/show.h"
#include "sdk/tools/store/verify.h"

enum { STATUS_SOUND = 0, STATUS_DAMAGED = 1, STATUS_USAGE = 2, STATUS_UNKNOWN = 3 };

typedef enum command_id {
    COMMAND_STAT,
    COMMAND_LS,
    COMMAND_VERIFY,
    COMMAND_EXPORT,
    COMMAND_REPAIR
} command_id;

typedef struct command {
    command_id id;
    bool json, machine_id;
    uint64_t limit; /* of events; 0: none */
    const char *path;
} command;

static void help_print(FILE *out) {
    fputs("usage: wadi-store stat   [--json] DIR\n"
          "       wadi-store ls     [--limit N] DIR\n"
          "       wadi-store verify DIR\n"
          "       wadi-store export --json [--limit N] DIR\n"
          "       wadi-store repair DIR\n"
          "Looks into the store DIR (the `dir` that its application gave to wadi_open), whether the\n"
          "application runs or not. All but repair write nothing there, take no lock, and read a copy in\n"
          "TMPDIR (/tmp), so that nobody waits for them. In place of DIR, but for stat and repair, may\n"
          "stand one LMDB file: from quarantine/, or copied from elsewhere.\n\n"
          "  stat     lanes: who holds them, streams and numbers, what was dropped, the clock, disk used\n"
          "  ls       a line for each event that is owed, and each range of dropped numbers; last the\n"
          "           events that are still in the ring of a lane that nobody holds\n"
          "  verify   every page, every record's checksum, order and chain of the numbers; says what is\n"
          "           damaged, and where\n"
          "  export   the same events as ls, as JSON lines with the names that a collector gives them, as\n"
          "           far as the device knows; of a damaged file, all that can still be read\n"
          "  repair   does to damaged lanes what opening them would do: sets the file aside in\n"
          "           quarantine/, salvages what can be read, and drops what cannot. Refuses a lane that a\n"
          "           process holds. Uploads nothing\n\n"
          "  --json   stat, export: JSON\n"
          "  --limit N  ls, export: at most N lines\n"
          "  --machine-id  stat, export: the application asks for its installation from machine-id\n"
          "  --help, --version\n\n"
          "Exit status: 0 sound, or done; 1 something is damaged (verify); 2 usage; 3 it could not be\n"
          "found out or done: the reason is on standard error.\n",
          out);
}

/* ---- the command line --------------------------------------------------------------------------- */

static int usage(const char *what) {
    fprintf(stderr, "wadi-store: %s; see wadi-store --help\n", what);
    return STATUS_USAGE;
}

static bool command_find(const char *name, command_id *ret_id) {
    static const char *const names[] = {"stat", "ls", "verify", "export", "repair"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) {
            *ret_id = (command_id)i;
            return true;
        }
    return false;
}

static bool limit_read(const char *text, uint64_t *ret_limit) {
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9')
        return false;
    *ret_limit = strtoull(text, &end, 10);
    return *end == '\0' && *ret_limit > 0;
}

/* -1: run it. Else leave with the status. */
static int command_parse(command *cmd, int argc, char **argv) {
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},       {"limit", required_argument, NULL, 'l'},
        {"machine-id", no_argument, NULL, 'm'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},    {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
        switch (option) {
        case 'j':
            cmd->json = true;
            break;
        case 'm':
            cmd->machine_id = true;
            break;
        case 'l':
            if (!limit_read(optarg, &cmd->limit))
                return usage("--limit wants a number above 0");
            break;
        case 'h':
            help_print(stdout);
            return STATUS_SOUND;
        case 'v':
            puts("wadi-store " WADI_VERSION);
            return STATUS_SOUND;
        default:
            return usage("what is that?");
        }
    if (argc - optind != 2)
        return usage("a command and a directory are wanted");
    if (!command_find(argv[optind], &cmd->id))
        return usage("no such command");
    if (cmd->limit != 0 && cmd->id != COMMAND_LS && cmd->id != COMMAND_EXPORT)
        return usage("--limit belongs to ls and export");
    if ((cmd->id == COMMAND_EXPORT) != cmd->json && cmd->id != COMMAND_STAT)
        return usage(cmd->json ? "--json belongs to stat and export" : "export wants --json");
    cmd->path = argv[optind + 1];
    return -1;
}

/* ---- events ------------------------------------------------------------------------------------- */

typedef struct listing {
    const command *cmd;
    const store_dir *dir;
    const lane *l;
    uint64_t shown;
    bool failed;
} listing;

static bool listing_visit(void *context, const event_entry *entry) {
    listing *list = context;
    if (list->cmd->id == COMMAND_LS)
        show_event(list->l, entry);
    else
        list->failed = !show_event_json(list->dir, list->l, entry);
    list->shown++;
    return !list->failed && (list->cmd->limit == 0 || list->shown < list->cmd->limit);
}

static void lost_tell(const lane *l, const events_sum *sum) {
    uint64_t bad = sum->bad_events + sum->missing;
    if (bad > 0)
        lane_complain(l, "%llu numbers that are owed cannot be read", (unsigned long long)bad);
    if (sum->ring_lost_bytes > 0)
        lane_complain(l, "%llu bytes of the ring cannot be read", (unsigned long long)sum->ring_lost_bytes);
}

static int lane_list(listing *list, lane *l) {
    const events_want want = {
        .visit = listing_visit, .context = list, .strays = l->result != LMDB_CHECK_GOOD || !l->found.sure};
    events_sum sum;
    if (l->err != WADI_OK || !l->settled) {
        if (l->err == WADI_OK && !l->present)
            return STATUS_SOUND;
        lane_complain(l, "%s",
                      l->err != WADI_OK ? wadi_strerror(l->err) : "it changed all the time: try again");
        return STATUS_UNKNOWN;
    }
    if (l->result != LMDB_CHECK_GOOD)
        lane_complain(l, "page %llu: %s", (unsigned long long)l->report.page,
                      lmdb_check_text(l->report.reason));
    list->l = l;
    wadi_err err = events_walk(l, &want, &sum);
    if (err != WADI_OK)
        lane_complain(l, "%s", wadi_strerror(err));
    else
        lost_tell(l, &sum);
    return err == WADI_OK && !list->failed ? STATUS_SOUND : STATUS_UNKNOWN;
}

/* ---- one lane after the other ------------------------------------------------------------------- */

static int worse(int a, int b) { return a > b ? a : b; }

static int verdict_status(verdict v) {
    return v == VERDICT_SOUND ? STATUS_SOUND : v == VERDICT_DAMAGED ? STATUS_DAMAGED : STATUS_UNKNOWN;
}

static int lane_do(listing *list, lane *l) {
    switch (list->cmd->id) {
    case COMMAND_VERIFY:
        return verdict_status(lane_verify(l));
    case COMMAND_REPAIR:
        return verdict_status(lane_repair(list->dir, l));
    case COMMAND_LS:
    case COMMAND_EXPORT:
        return list->cmd->limit != 0 && list->shown >= list->cmd->limit ? STATUS_SOUND : lane_list(list, l);
    case COMMAND_STAT:
        break;
    }
    return STATUS_USAGE;
}

static int dir_do(listing *list, const store_dir *dir, lane *l) {
    int status = STATUS_SOUND;
    list->dir = dir;
    for (size_t i = 0; i < dir->n_lanes; i++) {
        lane_open(dir, i, l);
        status = worse(status, lane_do(list, l));
        lane_close(l);
    }
    return status;
}

static int file_do(listing *list, lane *l) {
    lane_open_file(list->cmd->path, l);
    int status = lane_do(list, l);
    lane_close(l);
    return status;
}

static int command_run(const command *cmd, lane *l) {
    struct stat st;
    store_dir dir;
    listing list = {.cmd = cmd};
    bool needs_dir = cmd->id == COMMAND_STAT || cmd->id == COMMAND_REPAIR;
    if (!needs_dir && stat(cmd->path, &st) == 0 && S_ISREG(st.st_mode))
        return file_do(&list, l);
    if (!store_dir_open(cmd->path, cmd->machine_id ? WDI_MACHINE_ID_PATH : NULL, &dir))
        return STATUS_UNKNOWN;
    int status = STATUS_SOUND;
    if (cmd->id == COMMAND_STAT)
        status = show_stat(&dir, cmd->json) ? STATUS_SOUND : STATUS_UNKNOWN;
    else
        status = dir_do(&list, &dir, l);
    store_dir_close(&dir);
    return status;
}

int main(int argc, char **argv) {
    static lane l;
    command cmd = {.limit = 0};
    int status = command_parse(&cmd, argc, argv);
    if (status < 0)
        status = command_run(&cmd, &l);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("wadi-store: standard output cannot be written\n", stderr);
        status = STATUS_UNKNOWN;
    }
    return status;
}

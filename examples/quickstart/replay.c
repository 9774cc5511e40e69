/* Rows of a table as events. DIR/rows holds terminated strings: user, event name, number of columns, the
 * columns' names; then of each row its time in Unix microseconds and its cells. The fleet's program made it
 * of a CSV file.
 *
 * After kill -9 a row may have been tracked without its `ok`. Whether it was, the store knows: it has given
 * a number to every event that survived, and rows are tracked in order. So every row is tracked once. */
#include "device.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct table {
    char *text;
    size_t size;
    const char *at; /* the next string */
    const char *user, *event;
    size_t n_columns;
    wadi_prop *props; /* the keys are set */
} table;

static const char *table_next(table *t) {
    const char *end = t->text + t->size;
    const char *text = t->at;
    if (text >= end)
        return NULL;
    t->at += strlen(text) + 1; /* table_read terminated the file */
    return text;
}

static bool table_read_file(table *t, const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fstat(fd, &st) == 0;
    if (ok) {
        t->size = (size_t)st.st_size;
        t->text = calloc(1, t->size + 1);
        ok = t->text && read(fd, t->text, t->size) == (ssize_t)t->size;
    }
    if (fd >= 0)
        close(fd);
    t->at = t->text;
    return ok;
}

static bool table_open(table *t, const char *path) {
    if (!table_read_file(t, path))
        return false;
    t->user = table_next(t);
    t->event = table_next(t);
    const char *columns = table_next(t);
    if (!columns)
        return false;
    t->n_columns = strtoull(columns, NULL, 10);
    t->props = calloc(t->n_columns + 1, sizeof *t->props);
    for (size_t i = 0; t->props && i < t->n_columns; i++)
        t->props[i] = WADI_STR(table_next(t), "");
    return t->props != NULL;
}

static void table_close(table *t) {
    free(t->text);
    free(t->props);
}

/* The next row as an event, which lends from the table. */
static bool table_row(table *t, wadi_event *ret_event) {
    const char *time = table_next(t);
    if (!time)
        return false;
    for (size_t i = 0; i < t->n_columns; i++)
        t->props[i].value.string = table_next(t);
    wadi_event event = WADI_EVENT_INIT;
    event.name = t->event;
    event.props = t->props;
    event.n_props = t->n_columns;
    event.time_us = strtoll(time, NULL, 10);
    event.has_time = 1;
    *ret_event = event;
    return true;
}

/* ---- where an earlier launch ended -----------------------------------------------------------------------
 */

/* Rows that are settled: recorded, counted by the store, or refused, counted by the notes. */
static size_t rows_settled(const device *d, const char *notes_path) {
    wadi_stats stats = WADI_STATS_INIT;
    size_t refused = 0;
    char line[160];
    FILE *file = fopen(notes_path, "re");
    while (file && fgets(line, sizeof line, file))
        refused += strncmp(line, "refused ", 8) == 0;
    if (file)
        fclose(file);
    return wadi_stats_get(d->w, &stats) == WADI_OK ? stats.assigned + refused : 0;
}

int replay(device *d) {
    char path[512], notes_path[512], id[NOTES_ID_BYTES];
    table t = {0};
    int status = EXIT_FAILURE;
    snprintf(path, sizeof path, "%s/rows", d->dir);
    snprintf(notes_path, sizeof notes_path, "%s/notes", d->dir);
    if (!table_open(&t, path)) {
        fprintf(stderr, "%s: cannot be read\n", path);
        goto out;
    }
    if (wadi_identify(d->w, t.user) != WADI_OK)
        goto out;
    size_t settled = rows_settled(d, notes_path);
    wadi_event event;
    for (size_t row = 0; table_row(&t, &event); row++)
        if (row >= settled) {
            snprintf(id, sizeof id, "row-%08zu", row);
            track_noted(d, id, &event, true);
        }
    status = EXIT_SUCCESS;
out:
    table_close(&t);
    return status;
}

#include "sdk/tools/csv.h"
#include "sdk/tools/input.h"
#include "sdk/tools/rfc3339.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct columns {
    char *names[SENDER_PROPS_MAX + 1]; /* and the time */
    size_t n, time_at;                 /* time_at == n: there is none */
} columns;

static void columns_free(columns *c) {
    for (size_t i = 0; i < c->n; i++)
        free(c->names[i]);
}

/* NULL: fine. */
static const char *columns_take(columns *c, const csv_reader *r, const char *time_column,
                                bool time_required) {
    if (r->n_cells > SENDER_PROPS_MAX + 1)
        return "more than 256 columns";
    for (size_t i = 0; i < r->n_cells; i++) {
        char *name = strdup(r->cells[i].text);
        if (name == NULL)
            return "out of memory";
        c->names[c->n++] = name;
        if (*name == '\0')
            return "a column has no name";
    }
    c->time_at = 0;
    while (c->time_at < c->n && strcmp(c->names[c->time_at], time_column) != 0)
        c->time_at++;
    if (c->time_at == c->n && time_required)
        return "the time column is not there";
    return c->n > SENDER_PROPS_MAX && c->time_at == c->n ? "more than 256 columns" : NULL;
}

static void row_take(sender *s, const columns *c, const csv_reader *r, const char *event_name) {
    wadi_prop props[SENDER_PROPS_MAX];
    wadi_event event = WADI_EVENT_INIT;
    event.name = event_name;
    event.props = props;
    if (r->n_cells != c->n) {
        sender_refuse(s, r->line, "%zu cells where the first row has %zu", r->n_cells, c->n);
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        const csv_cell *cell = &r->cells[i];
        if (i != c->time_at) {
            wadi_prop prop = WADI_STR(c->names[i], cell->text);
            prop.size = (uint32_t)cell->n; /* a row is at most 1 MiB */
            props[event.n_props++] = prop;
        } else if (rfc3339_parse(cell->text, cell->n, &event.time_us)) {
            event.has_time = 1;
        } else {
            sender_refuse(s, r->line, "%s: \"%.40s\" is not an RFC 3339 time", c->names[i], cell->text);
            return;
        }
    }
    wadi_err err = sender_track(s, &event);
    if (err != WADI_OK)
        sender_refuse(s, r->line, "%s", wadi_strerror(err));
}

void input_csv(sender *s, FILE *in, const char *event, const char *time_column, int time_required) {
    static csv_reader reader; /* 24 KB */
    columns c = {0};
    csv_init(&reader, in);
    csv_result result = csv_next(&reader);
    const char *wrong =
        result == CSV_ROW ? columns_take(&c, &reader, time_column, time_required != 0) : reader.error;
    if (wrong != NULL)
        sender_refuse(s, reader.line, "the row of column names: %s", wrong);
    while (wrong == NULL && result != CSV_END && result != CSV_FAILED) {
        result = csv_next(&reader);
        if (result == CSV_ROW)
            row_take(s, &c, &reader, event);
        else if (result != CSV_END)
            sender_refuse(s, reader.line, "%s", reader.error);
    }
    columns_free(&c);
    csv_fini(&reader);
}

#include "sdk/tools/csv.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_FIRST 4096u

/* Where in a cell the reader is. */
typedef enum place { PLACE_START, PLACE_PLAIN, PLACE_QUOTED, PLACE_QUOTE_IN_QUOTED, PLACE_ROW_END } place;

void csv_init(csv_reader *r, FILE *in) {
    memset(r, 0, sizeof *r);
    r->in = in;
    r->next_line = 1;
}

void csv_fini(csv_reader *r) {
    free(r->text);
    r->text = NULL;
}

static bool text_grow(csv_reader *r) {
    size_t cap = r->text_cap > 0 ? r->text_cap * 2 : TEXT_BYTES_FIRST;
    char *text = cap <= CSV_ROW_BYTES_MAX ? realloc(r->text, cap) : NULL;
    if (text == NULL)
        return false;
    r->text = text;
    r->text_cap = cap;
    return true;
}

static void text_put(csv_reader *r, char c) {
    if (r->text_n == r->text_cap && !text_grow(r))
        r->error = "a row is longer than 1 MiB";
    else
        r->text[r->text_n++] = c;
}

static void cell_begin(csv_reader *r) {
    if (r->n_cells == CSV_CELLS_MAX)
        r->error = "a row has more than 1024 cells";
    else
        r->starts[r->n_cells++] = r->text_n;
}

static int byte_next(csv_reader *r) {
    int c = getc_unlocked(r->in);
    if (c == '\n')
        r->next_line++;
    return c;
}

/* The next byte, with CR LF as one LF; outside quotes only. */
static int byte_fold(csv_reader *r, int c) {
    if (c != '\r')
        return c;
    int next = getc_unlocked(r->in);
    if (next == '\n') {
        r->next_line++;
        return next;
    }
    if (next != EOF)
        ungetc(next, r->in);
    return c;
}

/* A comma or a line end closes the cell. */
static place cell_end(csv_reader *r, int c) {
    text_put(r, '\0');
    if (c == ',')
        cell_begin(r);
    return c == ',' ? PLACE_START : PLACE_ROW_END;
}

static place byte_take(csv_reader *r, place at, int c) {
    if (at == PLACE_QUOTED) {
        if (c == '"')
            return PLACE_QUOTE_IN_QUOTED;
        text_put(r, (char)c);
        return at;
    }
    if (at == PLACE_QUOTE_IN_QUOTED && c == '"') {
        text_put(r, '"');
        return PLACE_QUOTED;
    }
    c = byte_fold(r, c);
    if (c == ',' || c == '\n')
        return cell_end(r, c);
    if (at == PLACE_START && c == '"')
        return PLACE_QUOTED;
    if (at == PLACE_QUOTE_IN_QUOTED)
        r->error = "something follows a closing quote";
    text_put(r, (char)c);
    return PLACE_PLAIN;
}

/* What is left of a bad row is skipped to its line end, so that the next row is read as one. */
static csv_result row_bad(csv_reader *r, place at, int c) {
    while (c != EOF && at != PLACE_ROW_END && c != '\n')
        c = byte_next(r);
    return CSV_BAD;
}

static csv_result row_read(csv_reader *r, int c) {
    place at = PLACE_START;
    r->n_cells = r->text_n = 0;
    cell_begin(r);
    for (; c != EOF; c = byte_next(r)) {
        at = byte_take(r, at, c);
        if (r->error != NULL)
            return row_bad(r, at, c);
        if (at == PLACE_ROW_END)
            break;
    }
    if (c == EOF && at == PLACE_QUOTED)
        r->error = "the quote that begins a cell is never closed";
    else if (c == EOF)
        text_put(r, '\0');
    return r->error != NULL ? CSV_BAD : CSV_ROW;
}

/* False: no text begins so. */
static bool byte_order_mark_skip(csv_reader *r) {
    int c = getc_unlocked(r->in);
    if (c == 0xEF) {
        int second = getc_unlocked(r->in), third = getc_unlocked(r->in);
        return second == 0xBB && third == 0xBF;
    }
    if (c != EOF)
        ungetc(c, r->in);
    return true;
}

csv_result csv_next(csv_reader *r) {
    r->error = NULL;
    if (!r->begun && !byte_order_mark_skip(r)) {
        r->error = "not UTF-8 text";
        return CSV_FAILED;
    }
    r->begun = true;
    int c;
    do { /* empty lines are no rows */
        r->line = r->next_line;
        c = byte_fold(r, byte_next(r));
    } while (c == '\n');
    csv_result result = c == EOF ? CSV_END : row_read(r, c);
    if (ferror(r->in)) {
        r->error = "the input cannot be read";
        return CSV_FAILED;
    }
    for (size_t i = 0; result == CSV_ROW && i < r->n_cells; i++) {
        size_t end = i + 1 < r->n_cells ? r->starts[i + 1] : r->text_n;
        r->cells[i] = (csv_cell){.text = r->text + r->starts[i], .n = end - r->starts[i] - 1};
    }
    return result;
}

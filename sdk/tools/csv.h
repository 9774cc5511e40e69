/* csv: reads RFC 4180 rows from a stream: quotes, doubled quotes, line ends inside quotes, LF or CR LF.
 *
 * A cell arrives byte by byte as it stands; nothing is trimmed or guessed. A quote inside a cell that does
 * not begin with one is taken as it is. A byte order mark at the start is skipped, and so are empty lines.
 */
#ifndef TOOLS_CSV_H
#define TOOLS_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CSV_CELLS_MAX 1024u
#define CSV_ROW_BYTES_MAX (1024u * 1024)

typedef enum csv_result {
    CSV_ROW,
    CSV_END,
    CSV_BAD,    /* this row: `error` says why; the next one may be read */
    CSV_FAILED, /* the input cannot be read, or is no text: `error` says why */
} csv_result;

typedef struct csv_cell {
    const char *text; /* terminated; may hold zero bytes */
    size_t n;
} csv_cell;

typedef struct csv_reader {
    FILE *in;          /* the caller's */
    uint64_t line;     /* of the row that was read last: its first, from 1 */
    const char *error; /* a literal */
    csv_cell cells[CSV_CELLS_MAX];
    size_t n_cells;

    uint64_t next_line;
    bool begun;
    size_t starts[CSV_CELLS_MAX + 1];
    size_t text_n, text_cap;
    char *text; /* grows up to CSV_ROW_BYTES_MAX */
} csv_reader;

void csv_init(csv_reader *r, FILE *in);
void csv_fini(csv_reader *r);

/* ROW: `cells` is valid until the next call. */
csv_result csv_next(csv_reader *r);

#endif

#include "oversize.h"

#include <stdlib.h>
#include <string.h>

void oversize_fini(oversize *o) {
    free(o->rows);
    free(o->reports);
    *o = (oversize){0};
}

void oversize_forget(oversize *o) {
    o->n = 0;
    o->n_reports = 0;
}

void oversize_take(oversize *o, uint64_t row, size_t bytes) {
    if (!o->reports)
        o->reports = calloc(OVERSIZE_ROWS_MAX, sizeof *o->reports);
    if (o->reports && o->n_reports < OVERSIZE_ROWS_MAX)
        o->reports[o->n_reports++] = (oversize_report){row, bytes};
}

/* Where the row is, or belongs. */
static size_t place_of(const oversize *o, uint64_t row) {
    size_t low = 0, high = o->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (o->rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool oversize_is(const oversize *o, uint64_t row) {
    if (o->n == 0)
        return false;
    size_t i = place_of(o, row);
    return i < o->n && o->rows[i] == row;
}

static void row_add(oversize *o, uint64_t row) {
    if (!o->rows)
        o->rows = calloc(OVERSIZE_ROWS_MAX, sizeof *o->rows);
    size_t i = place_of(o, row);
    if (!o->rows || o->n == OVERSIZE_ROWS_MAX || (i < o->n && o->rows[i] == row))
        return;
    memmove(o->rows + i + 1, o->rows + i, (o->n - i) * sizeof *o->rows);
    o->rows[i] = row;
    o->n++;
}

/* So small that the largest message is alone next time, but not by more than the eighth: small messages are
 * slow in small batches. */
static size_t batch_smaller(size_t batch_bytes, size_t largest) {
    size_t least = batch_bytes / 8 > OVERSIZE_BATCH_LEAST ? batch_bytes / 8 : OVERSIZE_BATCH_LEAST;
    return largest > least ? largest : least;
}

void oversize_learn(oversize *o) {
    bool found = false;
    size_t largest = 0;
    for (size_t i = 0; i < o->n_reports; i++) {
        largest = o->reports[i].bytes > largest ? o->reports[i].bytes : largest;
        if (o->reports[i].bytes >= o->batch_bytes || o->batch_bytes <= OVERSIZE_BATCH_LEAST) {
            row_add(o, o->reports[i].row);
            found = true;
        }
    }
    if (o->n_reports > 0 && !found)
        o->batch_bytes = batch_smaller(o->batch_bytes, largest);
    o->n_reports = 0;
}

#include "oversize.h"

#include <stdlib.h>
#include <string.h>

void oversize_fini(oversize *o) {
    free(o->rows);
    *o = (oversize){0};
}

static void reports_forget(oversize *o) {
    o->refused = o->largest = 0;
    o->found = false;
}

void oversize_forget(oversize *o) {
    o->n = 0;
    reports_forget(o);
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

void oversize_take(oversize *o, uint64_t row, size_t bytes, bool alone) {
    if (alone) {
        row_add(o, row);
        o->found = true;
        return;
    }
    o->refused++;
    o->largest = bytes > o->largest ? bytes : o->largest;
}

/* So small that the largest message is alone next time, but not by more than the eighth: small messages are
 * slow in small batches. In the end each is alone. */
static size_t batch_smaller(size_t batch_bytes, size_t largest) {
    size_t least = batch_bytes / 8;
    if (batch_bytes > OVERSIZE_BATCH_LEAST && least < OVERSIZE_BATCH_LEAST)
        least = OVERSIZE_BATCH_LEAST;
    size_t smaller = largest > least ? largest : least;
    smaller = smaller < batch_bytes ? smaller : batch_bytes - 1;
    return smaller > 0 ? smaller : 1;
}

void oversize_learn(oversize *o) {
    if (o->refused > 0 && !o->found)
        o->batch_bytes = batch_smaller(o->batch_bytes, o->largest);
    reports_forget(o);
}

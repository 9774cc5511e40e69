#include "encoder.h"

#include <string.h>

/* Those that this build has. */
static const encoder_ops *const encoders[] = {&encoder_jsonl, &encoder_record, &encoder_parquet};

bool encoder_columns_equal(const encoder_column *a, size_t n_a, const encoder_column *b, size_t n_b) {
    bool equal = n_a == n_b;
    for (size_t i = 0; equal && i < n_a; i++)
        equal = a[i].type == b[i].type && strcmp(a[i].property, b[i].property) == 0;
    return equal;
}

const encoder_ops *encoder_find(const char *format) {
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++)
        if (strcmp(encoders[i]->format, format) == 0)
            return encoders[i];
    return NULL;
}

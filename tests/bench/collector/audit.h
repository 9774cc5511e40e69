/* audit: reads the lines that a collector wrote and holds them against what was sent. */
#ifndef BENCH_AUDIT_H
#define BENCH_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "load.h"

typedef struct audit_result {
    uint64_t lines, missing, twice, misordered, late;
} audit_result;

/* Every *.jsonl below `dir`. false: something could not be read, and it said what. */
bool audit_run(const char *dir, const load *l, uint32_t streams, audit_result *ret_result);

#endif

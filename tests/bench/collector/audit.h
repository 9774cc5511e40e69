/* audit: reads the lines that a collector wrote and holds them against what was sent. */
#ifndef BENCH_AUDIT_H
#define BENCH_AUDIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Of one stream: the last number that may stand in the files, and the last one that must. */
typedef struct audit_stream {
    uint64_t assigned, acked;
} audit_stream;

typedef struct audit_options {
    const char *dir; /* every *.jsonl[.zst] below it, named <collector>-<start>-<sink>-<epoch>-<part> */
    const audit_stream *streams; /* by the number that load_stream_of finds */
    uint32_t n_streams;
    FILE *objects; /* NULL, or gets a line "name bytes crc32c events" of every file */
} audit_options;

/* `foreign`: lines that nobody sent. `misordered`: within a file the time descends; or, over the files of a
 * partition in the order of their epochs, an event that is not late is earlier than one before it that is not
 * late; or, of one stream and with equal lateness, the number descends. */
typedef struct audit_result {
    uint64_t lines, missing, twice, foreign, misordered, late;
} audit_result;

/* false: something could not be read, and it said what. */
bool audit_run(const audit_options *opt, audit_result *ret_result);

#endif

/* manifest: an epoch's intent and commit as JSON. What decides an epoch's content is in its intent; its
 * commit says what came of it, and is what readers of the lake load. The only file that includes jansson.h.
 */
#ifndef SINKS_MANIFEST_H
#define SINKS_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encoder.h"
#include "order.h"
#include "output.h"
#include "store.h"

#define MANIFEST_NAME_MAX 224u /* an object's name, with its terminator */
#define MANIFEST_FORMAT_MAX 16u

/* A start of the collector that a checkpoint has seen. */
typedef struct start_seen {
    uint64_t position;
    uint8_t id[16];
} start_seen;

/* Where a sink stands: order's mark and the starts up to its position. When late events are held, they are
 * those that leave late when an order stage goes from `late` to `mark`; where the journal was restored in
 * between, only to the entry `late_until`. */
typedef struct checkpoint {
    order_mark mark;
    bool holds_late;
    order_mark late;     /* of a checkpoint before, when nothing was held */
    uint64_t late_until; /* 0: to `mark` */
    start_seen *starts;  /* malloc; ascending positions */
    size_t n_starts;
} checkpoint;

/* The lowest position that recovery needs. */
uint64_t checkpoint_low(const checkpoint *c);
bool checkpoint_copy(checkpoint *ret_copy, const checkpoint *from);
bool checkpoint_start_add(checkpoint *c, uint64_t position, const uint8_t id[16]);
/* Forgets all but the newest CHECKPOINT_STARTS_MAX. Not those that the journal has trimmed: an older copy of
 * it brings them back, and a start that the checkpoint does not know means another history. */
#define CHECKPOINT_STARTS_MAX 1024u
void checkpoint_starts_trim(checkpoint *c);
bool checkpoint_start_known(const checkpoint *c, uint64_t position, const uint8_t id[16]);
void checkpoint_fini(checkpoint *c);

typedef struct object_info {
    char name[MANIFEST_NAME_MAX];
    bool late;
    uint64_t lines, bytes;
    uint32_t crc32c;
    int64_t min_us, max_us;
} object_info;

/* What is missing before an epoch, if anything. */
typedef enum manifest_gap {
    MANIFEST_GAP_NONE,
    MANIFEST_GAP_RESTORED, /* the journal was restored from an older copy */
    MANIFEST_GAP_TRIMMED,  /* the sink was not configured for a while, and the journal has let entries go */
} manifest_gap;

const char *manifest_gap_name(manifest_gap gap);

typedef struct manifest {
    uint64_t epoch;
    checkpoint from, to;
    order_options order;
    output_codec codec;
    char format[MANIFEST_FORMAT_MAX]; /* the encoder's */
    encoder_column *columns;          /* malloc, and each property too; of formats that have them */
    size_t n_columns;
    int encoder_version;
    char incarnation[17]; /* of the start that decided the epoch */
    object_info *objects; /* malloc */
    size_t n_objects;
    uint64_t lines, late_lines, bytes;
    int64_t min_us, max_us; /* least and greatest event time; without lines of no meaning */
    manifest_gap gap;
} manifest;

void manifest_fini(manifest *m);

/* Whether the one who decided `theirs` had started when `m` was decided: of its own incarnation or of one
 * whose start it has seen. Otherwise somebody else has taken over. */
bool manifest_knows(const manifest *m, const manifest *theirs);

/* What objects are made by: codec, format and columns. false: out of memory, and nothing was changed. */
bool manifest_encoding_set(manifest *m, output_codec codec, const char *format, const encoder_column *columns,
                           size_t n_columns);
bool manifest_encoding_equal(const manifest *a, const manifest *b);

/* malloc'ed text; NULL: out of memory. */
char *manifest_encode(const manifest *m, sink_manifest kind, size_t *ret_n);

/* SINK_ERR_CHECKPOINT: not a manifest of a version that this build knows. Those of before `format` was stored
 * are of "jsonl". */
sink_err manifest_decode(const char *text, size_t n, manifest *ret_manifest);

#endif

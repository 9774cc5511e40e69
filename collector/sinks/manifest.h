/* manifest: an epoch's intent and commit as JSON. What decides an epoch's content is in its intent; its
 * commit says what came of it, and is what readers of the lake load. The only file that includes jansson.h.
 */
#ifndef SINKS_MANIFEST_H
#define SINKS_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "order.h"
#include "output.h"
#include "store.h"

#define MANIFEST_NAME_MAX 224u /* an object's name, with its terminator */

/* A start of the collector that a checkpoint has seen. */
typedef struct start_seen {
    uint64_t position;
    uint8_t id[16];
} start_seen;

/* Where a sink stands: order's mark and the starts up to its position. */
typedef struct checkpoint {
    order_mark mark;
    start_seen *starts; /* malloc; ascending positions */
    size_t n_starts;
} checkpoint;

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
    int encoder_version;
    char incarnation[17]; /* of the start that decided the epoch */
    object_info *objects; /* malloc */
    size_t n_objects;
    uint64_t lines, late_lines;
    manifest_gap gap;
} manifest;

void manifest_fini(manifest *m);

/* malloc'ed text; NULL: out of memory. */
char *manifest_encode(const manifest *m, sink_manifest kind, size_t *ret_n);

/* SINK_ERR_CHECKPOINT: not a manifest of a version that this build knows. */
sink_err manifest_decode(const char *text, size_t n, manifest *ret_manifest);

#endif

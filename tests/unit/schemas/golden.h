/* The messages of schemas/golden/v1, from fixed values. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "schemas/wire/wire.h"

enum { GOLDEN_BYTES_MAX = 2048 };

typedef struct golden_file {
    const char *name;
    const char *message; /* its protobuf type */
    size_t (*encode)(uint8_t *out);
} golden_file;

extern const golden_file golden_files[];
extern const size_t golden_files_n;

/* What the files hold, for comparison with what is decoded. */
extern const wire_event golden_event; /* event.bin: every type, by id */
extern const wire_event
    golden_event_inline;                  /* event-inline.bin: nothing in the dictionary, an explicit time */
extern const wire_batch_head golden_head; /* batch.bin: E, dropped, dropped, E, dropped */
extern const wire_ack golden_ack_ok, golden_ack_unverified;

enum { GOLDEN_NUMBERS = 5 };

#endif

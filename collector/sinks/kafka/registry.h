/* registry: wadi.v1.Record in a schema registry of Confluent's interface, under `<topic>-value`, and the
 * frame that says so before a message's value: a zero, the schema's id, and which of its messages it is.
 *
 * One thread. Blocks for the registry. Does not log. */
#ifndef SINKS_KAFKA_REGISTRY_H
#define SINKS_KAFKA_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct registry_options {
    const char *url;                 /* of its root; borrowed, all of them */
    const char *ca_file;             /* NULL: the system's authorities */
    const char *username, *password; /* NULL: none */
    bool (*stopping)(void *context);
    void *context;
} registry_options;

typedef struct registry registry;

/* Does not touch the network. NULL: out of memory. */
registry *registry_open(const registry_options *opt);
/* Accepts NULL. */
void registry_close(registry *r);

/* The id of the schema for the topic, registered if it is not. False: *ret_why says what is wrong, lent until
 * the next call. */
bool registry_id(registry *r, const char *topic, uint32_t *ret_id, const char **ret_why);

/* ---- pure --------------------------------------------------------------------------------------------- */

#define REGISTRY_FRAME_BYTES 6u
/* Written before a value: [0], the first message of the schema, has a short form, one zero. */
void registry_frame_put(uint8_t out[REGISTRY_FRAME_BYTES], uint32_t id);

/* The `id` of the answer's object, not of one inside it. */
bool registry_answer_read(const char *json, size_t n, uint32_t *ret_id);

#endif

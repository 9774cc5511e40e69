/* s3_options: what one S3 sink is configured with. */
#ifndef S3_S3_OPTIONS_H
#define S3_S3_OPTIONS_H

#include "address.h"
#include "credentials.h"

typedef enum s3_conditional {
    S3_CONDITIONAL_AUTO, /* while the server does not say that it cannot */
    S3_CONDITIONAL_ON,   /* a server that says so fails the sink */
    S3_CONDITIONAL_OFF,
} s3_conditional;

typedef enum s3_payload {
    S3_PAYLOAD_AUTO,   /* signed over http, not over https, where TLS protects it and SHA-256 costs much */
    S3_PAYLOAD_SIGNED, /* always */
} s3_payload;

#define S3_PART_BYTES_LEAST (5u << 20) /* Amazon's least for all parts but the last */

/* Strings are borrowed as long as the store is open. */
typedef struct s3_options {
    s3_place place;
    const char *prefix; /* of all keys: "" or "…/" */
    credentials_options credentials;
    const char *ca_file; /* NULL: the system's authorities */
    s3_conditional conditional;
    s3_payload payload;
    uint64_t part_bytes;     /* of a multipart upload; also the largest object that is put in one request */
    uint32_t parallel_parts; /* at most HTTP_PARALLEL_MAX */
    unsigned label;          /* SINK value of metrics */
    bool (*stopping)(void *context); /* asked while waiting: true ends the call. NULL: never */
    void *context;
} s3_options;

#endif

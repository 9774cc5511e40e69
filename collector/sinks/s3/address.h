/* address: where a bucket's objects are found, written so that libcurl and the server sign the same. Pure;
 * any thread. */
#ifndef S3_ADDRESS_H
#define S3_ADDRESS_H

#include <stdbool.h>

#include "text.h"

/* An empty endpoint is Amazon's for the region. */
typedef struct s3_place {
    const char *endpoint; /* "http[s]://host[:port]"; NULL or empty: Amazon's */
    const char *region, *bucket;
    bool virtual_host; /* the bucket is part of the host's name, not of the path */
} s3_place;

/* NULL, or what is wrong with it, in words. */
const char *s3_endpoint_fault(const char *endpoint);
const char *s3_bucket_fault(const char *bucket);

/* Of the prefix of all keys: it ends in `/` or is empty, and no part of it is empty,
 * `.` or `..`, which clients and servers take out of paths; and it has no `+`, which libcurl 8.14 signs as a
 * space in queries. */
const char *s3_prefix_fault(const char *prefix);

/* Appends the URL of the key, or of the bucket when it is empty. `query`: of s3_query_put; NULL: none. */
void s3_url_put(struct text *url, const s3_place *place, const char *key, const char *query);

/* Appends one parameter. They are signed as they stand: put them in ascending order of their names. */
void s3_query_put(struct text *query, const char *name, const char *value);

#endif

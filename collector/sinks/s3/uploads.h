/* uploads: multipart uploads, the requests. One thread. Blocks for the network. */
#ifndef S3_UPLOADS_H
#define S3_UPLOADS_H

#include "client.h"

#define S3_PARTS_MAX 10000u /* Amazon's */

typedef struct s3_part {
    const void *data; /* borrowed */
    size_t n;
    char *etag; /* written by s3_parts_put: malloc'ed, the caller's */
} s3_part;

/* *ret_id: malloc'ed, the caller's. *ret_repeated, also after an error: an earlier attempt's answer was lost,
 * so there may be another upload, which nobody knows. */
sink_err s3_upload_create(s3_client *c, const char *key, char **ret_id, bool *ret_repeated);

/* Sends the parts, all at a time; they are numbered from `first` on. On an error no part has an etag. */
sink_err s3_parts_put(s3_client *c, const char *key, const char *id, uint32_t first, s3_part *parts,
                      size_t n);

/* Makes an object of the parts, whose etags these are. if_absent and `bytes`: as in s3_object_put.
 *
 * An upload that the server does not know any more was completed by a request whose answer was lost, or was
 * aborted by somebody: which of the two, the object shows. */
sink_err s3_upload_complete(s3_client *c, const char *key, const char *id, char *const *etags, size_t n,
                            uint64_t bytes, bool if_absent);

sink_err s3_upload_abort(s3_client *c, const char *key, const char *id);

/* Puts an object in one request. if_absent: nothing is replaced; what is there must have the same size then,
 * or it is somebody else's: SINK_ERR_FENCED. */
sink_err s3_object_put(s3_client *c, const char *key, const void *data, size_t bytes, bool if_absent);

/* Aborts every upload under `prefix` whose key is `ours`. A server that does not let them be listed keeps
 * them: logged. */
sink_err s3_uploads_abort(s3_client *c, const char *prefix, bool (*ours)(void *context, const char *key),
                          void *context);

#endif

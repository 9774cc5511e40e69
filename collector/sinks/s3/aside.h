/* aside: objects of an S3 sink before they have their names: a small one in memory, the parts of a larger one
 * in a multipart upload. Nobody sees either.
 *
 * Memory: parallel_parts buffers of part_bytes, and as much again for small objects that wait to be
 * published; one that would be more is put into an upload of one part. While parts are sent nothing is
 * written: the caller blocks. So no part ever waits half sent for its next bytes.
 *
 * One thread. Blocks for the network. */
#ifndef S3_ASIDE_H
#define S3_ASIDE_H

#include "client.h"

typedef struct s3_aside s3_aside;

/* NULL: out of memory. The client and the options are borrowed until s3_aside_close. */
s3_aside *s3_aside_open(s3_client *client, const s3_options *opt);

/* What was not published is forgotten; uploads stay for s3_uploads_abort. */
void s3_aside_close(s3_aside *a);
void s3_aside_forget(s3_aside *a);

/* The same, and aborts the uploads of it; one that the server cannot abort now stays. */
void s3_aside_abandon(s3_aside *a);

/* As in sink_store_ops; `key` is whole. An object that was not published is forgotten when its slot begins
 * anew. */
sink_err s3_aside_begin(s3_aside *a, uint32_t slot, const char *key);
sink_err s3_aside_write(s3_aside *a, const void *data, size_t n);
sink_err s3_aside_finish(s3_aside *a);

/* Whether there may be an upload that no slot knows, and none that one does: then all may be aborted. */
bool s3_aside_stray(const s3_aside *a);

/* if_absent: nothing is replaced; what is there must have the same size then, or SINK_ERR_FENCED. */
sink_err s3_aside_publish(s3_aside *a, uint32_t slot, const char *key, bool if_absent);

#endif

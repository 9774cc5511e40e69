/* s3_store: a sink's objects and manifests in a bucket of Amazon S3, or of a server that speaks its protocol.
 *
 *     <prefix>dt=YYYY-MM-DD/hr=HH/<object>
 *     <prefix>_wadi/<collector>/<sink>/<epoch>.intent|.commit
 *
 * What makes it exactly once
 *
 *   The server must be strongly consistent, as Amazon's, Google's, MinIO's and Ceph's are: a request that
 *   begins after another one was answered sees its effect.
 *
 *   Aside: an object is in memory, or in the parts of a multipart upload, until it is published by PUT or
 *   CompleteMultipartUpload. Before that nobody sees anything. A process that dies takes the memory along
 *   and leaves uploads; aside_reset aborts those whose key has this collector's and this sink's name. Since
 *   a replay writes everything anew, nothing aside has to survive.
 *
 *   Lost answers: every request may be carried out and its answer lost. PUT of the same bytes, DELETE and the
 *   abort of an upload are just repeated. CompleteMultipartUpload, repeated after it had worked, says that
 *   there is no such upload: then the object decides, by its size. CreateMultipartUpload, repeated, leaves an
 *   upload that nobody knows: after the epoch all that are left are aborted.
 *
 *   Manifests are stored with `If-None-Match: *`. When there is one already, it is read: the same text was
 *   stored by a request whose answer was lost; another one, of a start that this journal knows, by a request
 *   that the server carried out late (SINK_ERR_IO: the sink starts again from what is there); anything else
 *   by a second collector with this id: SINK_ERR_FENCED. Objects are published with `If-None-Match: *` too,
 *   but not when they are written again after a crash: then another build may have to replace them. So a
 *   collector that was stopped in the middle and wakes up after its successor has gone on cannot replace
 *   anything. A server without conditional writes, or that ignores them, works too, without this protection:
 *   which it is shows when the first manifest is stored a second time.
 *
 *   A request that was given up may still be carried out by the server, later (Amazon: 15 minutes at most,
 *   by its signature). A late PUT meets the rules above; a late DELETE could only hurt an intent that was
 *   stored, removed as a replaced journal's, and stored again in that time.
 *
 *   The last commit is found without listing all: epochs are numbered without holes, so it is looked for by
 *   HEAD with growing steps, from 1, then by halves: 40 requests for a million epochs. Only when there is no
 *   commit 1, since somebody expired old manifests, a listing of one page says with which one they begin. The
 *   newest commit must be kept.
 *
 * Bytes are checked by the server against the SHA-256 that is signed, or over https by TLS. One thread. Every
 * call blocks for the network, at most some minutes. Rights: GetObject, PutObject, DeleteObject,
 * AbortMultipartUpload and, on the bucket, ListBucket (without it S3 answers 403 for what is not there) and
 * ListBucketMultipartUploads. */
#ifndef S3_S3_STORE_H
#define S3_S3_STORE_H

#include "s3_options.h"
#include "store.h"

typedef struct s3_store s3_store;

/* Copies the options and the names, but not what the options point to. No I/O: a server that is not there
 * shows with the first call. SINK_ERR_MEMORY. */
sink_err s3_store_open(const s3_options *opt, const char *collector, const char *sink, s3_store **ret_store);
void s3_store_close(s3_store *s);
sink_store s3_store_of(s3_store *s);

#endif

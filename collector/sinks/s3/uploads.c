#include "uploads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "diag.h"
#include "metrics.h"
#include "xml.h"

#define ID_BYTES_MAX 2048u
#define QUERY_BYTES_MAX 8192u
#define COMPLETE_SILENCE_S_MAX 300u /* Amazon says minutes */
#define LIST_BYTES_MAX (4u << 20)
#define LIST_PAGES_MAX 1000u
#define OBJECT_TYPE "Content-Type: application/octet-stream"

sink_err s3_upload_create(s3_client *c, const char *key, char **ret_id, bool *ret_repeated) {
    CLEANUP(s3_call_fini)
    s3_call call = {
        .method = HTTP_POST, .key = key, .query = "uploads=", .type = OBJECT_TYPE, .expected = "UploadId"};
    char buffer[ID_BYTES_MAX];
    struct text id;
    text_init(&id, buffer, sizeof buffer);
    s3_run(c, &call, 1);
    *ret_repeated = call.repeated;
    if (!call.done)
        return s3_failed(c, &call, "begin an upload");
    const struct text *body = &call.http.answer.body;
    if (body->length == 0 || !xml_text((xml_span){body->data, body->length}, "UploadId", &id)) {
        s3_client_message_set(c, "s3: begin an upload: an answer without UploadId");
        return SINK_ERR_IO;
    }
    *ret_id = strdup(buffer);
    return *ret_id ? SINK_OK : SINK_ERR_MEMORY;
}

/* ---- parts ------------------------------------------------------------------------------------------ */

/* One part's request, and the query that it borrows. */
typedef struct part_query {
    struct text text;
    char buffer[QUERY_BYTES_MAX];
} part_query;

static void part_call(s3_call *call, part_query *query, const char *key, const char *id, uint32_t number,
                      const s3_part *part) {
    char digits[12];
    snprintf(digits, sizeof digits, "%u", number);
    text_init(&query->text, query->buffer, sizeof query->buffer);
    s3_query_put(&query->text, "partNumber", digits);
    s3_query_put(&query->text, "uploadId", id);
    *call = (s3_call){
        .method = HTTP_PUT, .key = key, .query = query->buffer, .body = part->data, .body_bytes = part->n};
}

static sink_err part_etag_take(s3_client *c, const s3_call *call, s3_part *part) {
    if (!call->done)
        return s3_failed(c, call, "send a part");
    if (!call->http.answer.etag[0]) {
        s3_client_message_set(c, "s3: send a part: an answer without ETag");
        return SINK_ERR_IO;
    }
    part->etag = strdup(call->http.answer.etag);
    return part->etag ? SINK_OK : SINK_ERR_MEMORY;
}

sink_err s3_parts_put(s3_client *c, const char *key, const char *id, uint32_t first, s3_part *parts,
                      size_t n) {
    CLEANUP_FREE s3_call *calls = calloc(n, sizeof *calls);
    CLEANUP_FREE part_query *queries = calloc(n, sizeof *queries);
    if (!calls || !queries)
        return SINK_ERR_MEMORY;
    for (size_t i = 0; i < n; i++) {
        parts[i].etag = NULL;
        part_call(&calls[i], &queries[i], key, id, first + (uint32_t)i, &parts[i]);
    }
    s3_run(c, calls, n);
    sink_err err = SINK_OK;
    for (size_t i = 0; i < n; i++) {
        if (err == SINK_OK)
            err = part_etag_take(c, &calls[i], &parts[i]);
        s3_call_fini(&calls[i]);
    }
    for (size_t i = 0; i < n && err != SINK_OK; i++) {
        free(parts[i].etag);
        parts[i].etag = NULL;
    }
    return err;
}

/* ---- the end of an upload ---------------------------------------------------------------------------- */

static void upload_query(struct text *query, const char *id) { s3_query_put(query, "uploadId", id); }

sink_err s3_upload_abort(s3_client *c, const char *key, const char *id) {
    char buffer[QUERY_BYTES_MAX];
    struct text query;
    text_init(&query, buffer, sizeof buffer);
    upload_query(&query, id);
    CLEANUP(s3_call_fini) s3_call call = {.method = HTTP_DELETE, .key = key, .query = buffer};
    s3_run(c, &call, 1);
    return call.done || s3_absent(&call) ? SINK_OK : s3_failed(c, &call, "abort an upload");
}

/* What is there: SINK_OK when it has that size. Otherwise `other`. */
static sink_err object_check(s3_client *c, const char *key, uint64_t bytes, sink_err other) {
    CLEANUP(s3_call_fini) s3_call call = {.method = HTTP_HEAD, .key = key};
    s3_run(c, &call, 1);
    if (call.done && call.http.answer.content_bytes == bytes)
        return SINK_OK;
    if (!call.done && !s3_absent(&call))
        return s3_failed(c, &call, "look at an object");
    s3_client_message_set(c, "s3: publish: %s, %s",
                          call.done ? "another object is there" : "the upload was aborted by somebody", key);
    return call.done ? other : SINK_ERR_IO;
}

/* The end of PUT and of CompleteMultipartUpload. */
static sink_err publish_end(s3_client *c, const s3_call *call, uint64_t bytes) {
    if (call->done)
        return SINK_OK;
    if (call->if_absent && s3_status_is(call, 412)) /* ours, and its answer was lost; or not ours */
        return object_check(c, call->key, bytes, SINK_ERR_FENCED);
    if (call->method == HTTP_POST && s3_absent(call))
        return object_check(c, call->key, bytes, SINK_ERR_IO);
    return s3_failed(c, call, "publish an object");
}

sink_err s3_object_put(s3_client *c, const char *key, const void *data, size_t bytes, bool if_absent) {
    CLEANUP(s3_call_fini)
    s3_call call = {.method = HTTP_PUT,
                    .key = key,
                    .type = OBJECT_TYPE,
                    .body = data,
                    .body_bytes = bytes,
                    .if_absent = if_absent};
    s3_run(c, &call, 1);
    return publish_end(c, &call, bytes);
}

static void complete_body(struct text *xml, char *const *etags, size_t n) {
    text_put(xml, "<CompleteMultipartUpload>");
    for (size_t i = 0; i < n; i++) {
        text_printf(xml, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
        xml_text_put(xml, etags[i]);
        text_put(xml, "</ETag></Part>");
    }
    text_put(xml, "</CompleteMultipartUpload>");
}

sink_err s3_upload_complete(s3_client *c, const char *key, const char *id, char *const *etags, size_t n,
                            uint64_t bytes, bool if_absent) {
    char buffer[QUERY_BYTES_MAX];
    struct text query;
    CLEANUP(text_fini) struct text xml;
    text_init(&query, buffer, sizeof buffer);
    upload_query(&query, id);
    text_init_growing(&xml, 256 + n * 256);
    complete_body(&xml, etags, n);
    if (xml.cut)
        return SINK_ERR_MEMORY;
    CLEANUP(s3_call_fini)
    s3_call call = {.method = HTTP_POST,
                    .key = key,
                    .query = buffer,
                    .type = "Content-Type: application/xml",
                    .body = xml.data,
                    .body_bytes = xml.length,
                    .expected = "CompleteMultipartUploadResult",
                    .silence_s_max = COMPLETE_SILENCE_S_MAX,
                    .if_absent = if_absent};
    s3_run(c, &call, 1);
    sink_err err = publish_end(c, &call, bytes);
    if (s3_status_is(&call, 412)) /* not used up */
        (void)s3_upload_abort(c, key, id);
    return err;
}

/* ---- what was left over ------------------------------------------------------------------------------ */

/* Where a listing stands. */
typedef struct listing {
    struct text key, id; /* markers */
    char key_buffer[QUERY_BYTES_MAX / 4], id_buffer[ID_BYTES_MAX];
    bool more;
} listing;

static bool page_get(s3_client *c, const char *prefix, const listing *at, s3_call *ret_call) {
    char buffer[QUERY_BYTES_MAX];
    struct text query;
    text_init(&query, buffer, sizeof buffer);
    if (at->key.length > 0)
        s3_query_put(&query, "key-marker", at->key.data);
    s3_query_put(&query, "prefix", prefix);
    if (at->id.length > 0)
        s3_query_put(&query, "upload-id-marker", at->id.data);
    s3_query_put(&query, "uploads", "");
    *ret_call = (s3_call){.method = HTTP_GET,
                          .key = "",
                          .query = buffer,
                          .answer_bytes_max = LIST_BYTES_MAX,
                          .expected = "ListMultipartUploadsResult"};
    s3_run(c, ret_call, 1);
    ret_call->query = NULL;
    return ret_call->done;
}

static sink_err page_abort(s3_client *c, xml_span page, bool (*ours)(void *context, const char *key),
                           void *context) {
    char key_buffer[QUERY_BYTES_MAX / 4], id_buffer[ID_BYTES_MAX];
    struct text key, id;
    for (xml_span upload; xml_next(&page, "Upload", &upload);) {
        text_init(&key, key_buffer, sizeof key_buffer);
        text_init(&id, id_buffer, sizeof id_buffer);
        if (!xml_text(upload, "Key", &key) || !xml_text(upload, "UploadId", &id) ||
            !ours(context, key_buffer))
            continue;
        sink_err err = s3_upload_abort(c, key_buffer, id_buffer);
        if (err != SINK_OK)
            return err;
    }
    return SINK_OK;
}

static void listing_move(listing *at, xml_span page) {
    char buffer[8];
    struct text truncated;
    text_init(&truncated, buffer, sizeof buffer);
    at->more = xml_text(page, "IsTruncated", &truncated) && strcmp(buffer, "true") == 0 &&
               xml_text(page, "NextKeyMarker", &at->key);
    at->id.length = 0;
    at->more = at->more && (xml_text(page, "NextUploadIdMarker", &at->id) || at->id.length == 0);
}

sink_err s3_uploads_abort(s3_client *c, const char *prefix, bool (*ours)(void *context, const char *key),
                          void *context) {
    listing at = {.more = true};
    text_init(&at.key, at.key_buffer, sizeof at.key_buffer);
    text_init(&at.id, at.id_buffer, sizeof at.id_buffer);
    sink_err err = SINK_OK;
    for (uint32_t i = 0; i < LIST_PAGES_MAX && at.more && err == SINK_OK; i++) {
        CLEANUP(s3_call_fini) s3_call call;
        if (!page_get(c, prefix, &at, &call)) {
            err = s3_failed(c, &call, "list unfinished uploads");
            if (!s3_status_is(&call, 403) && !s3_status_is(&call, 405) && !s3_status_is(&call, 501))
                return err;
            diag_warn("unfinished uploads cannot be listed; any that a crash left stay",
                      DIAG_STR("reason", s3_client_message(c)));
            return SINK_OK;
        }
        const struct text *body = &call.http.answer.body;
        xml_span page = {body->data ? body->data : "", body->length};
        listing_move(&at, page);
        err = page_abort(c, page, ours, context);
    }
    return err;
}

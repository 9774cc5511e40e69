/* The collector's request parser on any bytes: memory-safe, within its limits, and however the bytes are cut,
 * the same requests come out. A second reader in front that cuts elsewhere must not be able to see anything
 * else. */
#include "collector/ingress/request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEEN_MAX 64

static const struct request_limits limits = {.head_bytes = 512, .body_bytes = 256};

/* What a connection would have acted on. */
struct seen {
    enum request_progress last;
    uint16_t status;
    size_t requests, used;
    struct {
        char path[256], host[256];
        size_t body_n;
        uint8_t body[256];
        bool keep_alive, post;
    } request[SEEN_MAX];
};

static void require(bool holds) {
    if (!holds)
        abort();
}

static void request_note(struct request *r, struct seen *seen) {
    size_t i = seen->requests++, n = 0;
    const char *host = request_header(r, REQUEST_HOST);
    uint8_t *body = request_body_take(r, &n);
    require(n <= limits.body_bytes && n == request_body_received(r));
    require(strlen(request_path(r)) < sizeof seen->request[i].path);
    strcpy(seen->request[i].path, request_path(r));
    strncpy(seen->request[i].host, host ? host : "", sizeof seen->request[i].host - 1);
    if (n > 0)
        memcpy(seen->request[i].body, body, n);
    seen->request[i].body_n = n;
    seen->request[i].keep_alive = request_keep_alive(r);
    seen->request[i].post = request_is_post(r);
    free(body);
}

/* Reads requests one after the other, in pieces of at most `piece` bytes. */
static void seen_by(const uint8_t *data, size_t size, size_t piece, struct seen *seen) {
    struct request *r = request_new(&limits);
    require(r != NULL);
    memset(seen, 0, sizeof *seen);
    for (bool more = size > 0; more && seen->requests < SEEN_MAX;) {
        size_t used = 0, n = size - seen->used < piece ? size - seen->used : piece;
        seen->last = request_feed(r, data + seen->used, n, &used);
        require(used <= n);
        seen->used += used;
        if (seen->last == REQUEST_FAULTY)
            break;
        if (seen->last == REQUEST_COMPLETE) {
            request_note(r, seen);
            request_reset(r);
        }
        more = seen->used < size || seen->last == REQUEST_HEAD;
    }
    seen->status = seen->last == REQUEST_FAULTY ? request_fault(r)->status : 0;
    request_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct seen whole, cut;
    static const size_t pieces[] = {1, 2, 3, 7, 64};
    seen_by(data, size, SIZE_MAX, &whole);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        seen_by(data, size, pieces[i], &cut);
        /* Of two faults the one is found first that comes first with its piece. */
        require(cut.requests == whole.requests && (cut.status != 0) == (whole.status != 0));
        require(memcmp(cut.request, whole.request, sizeof whole.request) == 0);
    }
    return 0;
}

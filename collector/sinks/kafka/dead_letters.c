#include "dead_letters.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "json.h"

#define PATH_SIZE 4400u
#define HEAD_BYTES_MAX 160u /* of a line, besides the topic */
#define ASIDE_SUFFIX ".aside"

struct dead_letters {
    const char *dir, *collector, *sink, *history;
    void *jsonl;
    uint64_t epoch;
    FILE *file; /* NULL: nothing was put yet */
    uint64_t counts[DEAD_LETTER_REASONS];
};

static sink_err failure(void) { return errno == ENOSPC || errno == EDQUOT ? SINK_ERR_NO_SPACE : SINK_ERR_IO; }

static void path_of(const dead_letters *d, const char *suffix, char ret_path[PATH_SIZE]) {
    snprintf(ret_path, PATH_SIZE, "%s/%s-%s-%s-%012" PRIu64 ".jsonl%s", d->dir, d->collector, d->sink,
             d->history, d->epoch, suffix);
}

static bool dir_sync(const dead_letters *d) {
    CLEANUP_CLOSE int dir = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir >= 0 && fsync(dir) == 0;
}

static void file_close(dead_letters *d) {
    if (d->file)
        fclose(d->file);
    d->file = NULL;
}

dead_letters *dead_letters_open(const char *dir, const char *collector, const char *sink) {
    dead_letters *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    *d = (dead_letters){.dir = dir, .collector = collector, .sink = sink, .jsonl = row_format_jsonl.create()};
    if (d->jsonl)
        return d;
    dead_letters_close(d);
    return NULL;
}

void dead_letters_close(dead_letters *d) {
    if (!d)
        return;
    file_close(d);
    if (d->jsonl)
        row_format_jsonl.destroy(d->jsonl);
    free(d);
}

uint64_t dead_letters_count(const dead_letters *d, dead_letter_reason reason) { return d->counts[reason]; }

sink_err dead_letters_begin(dead_letters *d, const char *history, uint64_t epoch) {
    static const char *const suffixes[] = {"", ASIDE_SUFFIX};
    file_close(d);
    d->history = history;
    d->epoch = epoch;
    memset(d->counts, 0, sizeof d->counts);
    bool removed = false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char path[PATH_SIZE];
        path_of(d, suffixes[i], path);
        if (unlink(path) == 0)
            removed = true;
        else if (errno != ENOENT)
            return failure();
    }
    return !removed || dir_sync(d) ? SINK_OK : failure();
}

/* ---- a line ------------------------------------------------------------------------------------------- */

static sink_err file_begin(dead_letters *d) {
    char path[PATH_SIZE];
    path_of(d, ASIDE_SUFFIX, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    d->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (d->file)
        return SINK_OK;
    sink_err err = failure();
    if (fd >= 0)
        close(fd);
    return err;
}

/* The event as JSON, malloc'ed; *ret_n is 0 when it cannot be read. What the sink's own format has hung on
 * the body is put aside meanwhile. NULL: no memory. */
static char *event_render(dead_letters *d, const row *r, body *b, size_t *ret_n) {
    void *cache = b->cache;
    void (*cache_free)(void *) = b->cache_free;
    b->cache = NULL;
    b->cache_free = NULL;
    char *line = NULL;
    if (row_format_jsonl.prepare(d->jsonl, b)) {
        line = malloc(row_format_jsonl.bytes_max(d->jsonl, r) + 1);
        *ret_n = line ? row_format_jsonl.put(d->jsonl, line, r) : 0;
    }
    if (b->cache)
        b->cache_free(b->cache);
    b->cache = cache;
    b->cache_free = cache_free;
    return line;
}

sink_err dead_letters_put(dead_letters *d, const row *r, body *b, dead_letter_reason reason,
                          const char *topic, size_t bytes) {
    static const char *const reasons[DEAD_LETTER_REASONS] = {"too_large", "refused"};
    sink_err err = d->file ? SINK_OK : file_begin(d);
    size_t n = 0;
    CLEANUP_FREE char *event = err == SINK_OK ? event_render(d, r, b, &n) : NULL;
    if (err != SINK_OK)
        return err;
    if (!event)
        return SINK_ERR_MEMORY;
    if (n == 0)
        return SINK_ERR_ENCODE;
    char name[JSON_STRING_MAX(256)];
    size_t name_n = json_put_string(name, (const uint8_t *)topic, strnlen(topic, 255));
    if (fprintf(d->file, "{\"reason\":\"%s\",\"topic\":%.*s,\"bytes\":%zu,\"event\":", reasons[reason],
                (int)name_n, name, bytes) < 0 ||
        fwrite(event, 1, n, d->file) != n || fputs("}\n", d->file) < 0)
        return failure();
    d->counts[reason]++;
    return SINK_OK;
}

/* ---- durable ------------------------------------------------------------------------------------------ */

sink_err dead_letters_keep(dead_letters *d) {
    if (!d->file)
        return SINK_OK;
    char aside[PATH_SIZE], path[PATH_SIZE];
    path_of(d, ASIDE_SUFFIX, aside);
    path_of(d, "", path);
    bool written = fflush(d->file) == 0 && fsync(fileno(d->file)) == 0;
    sink_err err = written ? SINK_OK : failure();
    file_close(d);
    if (err != SINK_OK)
        return err;
    return rename(aside, path) == 0 && dir_sync(d) ? SINK_OK : failure();
}

#include "audit.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "load.h"
#include "sdk/src/base/crc32c.h"

#define TIME_CHARS 27u
#define PARTITIONS_MAX 4096u

/* The order in which objects are read is the order of epochs, of event time within one, and of parts. */
typedef struct object {
    char *path;       /* malloc */
    size_t partition; /* bytes of it that name the partition's directory */
    uint64_t epoch, part;
} object;

typedef struct partition {
    char *name; /* malloc */
    char newest[TIME_CHARS + 1];
} partition;

typedef struct auditing {
    const audit_options *opt;
    uint8_t **seen;        /* a bit a number, one array a stream */
    uint64_t (*newest)[2]; /* the last number of each stream, not late and late */
    object *objects;
    size_t n_objects;
    partition *partitions;
    size_t n_partitions;
    audit_result result;
} auditing;

static auditing *current; /* nftw passes no context */

/* ---- lines ------------------------------------------------------------------------------------------- */

/* The value of a member whose key, quotes and colon included, is `key`. */
static const char *member(const char *line, size_t n, const char *key) {
    const char *at = memmem(line, n, key, strlen(key));
    return at ? at + strlen(key) : NULL;
}

static void number_audit(auditing *a, uint32_t s, uint64_t seq, bool late) {
    if (s >= a->opt->n_streams || seq == 0 || seq > a->opt->streams[s].assigned) {
        a->result.foreign++;
        return;
    }
    uint8_t bit = (uint8_t)(1u << (seq & 7));
    a->result.twice += (a->seen[s][seq / 8] & bit) != 0;
    a->seen[s][seq / 8] |= bit;
    a->result.misordered += seq < a->newest[s][late];
    a->newest[s][late] = seq;
}

static void line_audit(auditing *a, const char *line, size_t n, partition *p,
                       char last_time[TIME_CHARS + 1]) {
    const char *time = member(line, n, "\"time\":\"");
    const char *stream = member(line, n, "\"stream\":\"");
    const char *seq = member(line, n, "\"seq\":");
    a->result.lines++;
    if (!time || !stream || !seq || time + TIME_CHARS > line + n) {
        a->result.foreign++;
        return;
    }
    bool late = member(line, n, "\"late\":true") != NULL;
    a->result.late += late;
    a->result.misordered += memcmp(time, last_time, TIME_CHARS) < 0;
    memcpy(last_time, time, TIME_CHARS);
    if (!late) {
        a->result.misordered += memcmp(time, p->newest, TIME_CHARS) < 0;
        memcpy(p->newest, time, TIME_CHARS);
    }
    number_audit(a, load_stream_of(stream, 32), strtoull(seq, NULL, 10), late);
}

/* ---- objects ----------------------------------------------------------------------------------------- */

static partition *partition_of(auditing *a, const object *o) {
    for (size_t i = 0; i < a->n_partitions; i++)
        if (strlen(a->partitions[i].name) == o->partition &&
            memcmp(a->partitions[i].name, o->path, o->partition) == 0)
            return &a->partitions[i];
    partition *p = &a->partitions[a->n_partitions];
    if (a->n_partitions == PARTITIONS_MAX || !(p->name = strndup(o->path, o->partition)))
        return NULL;
    a->n_partitions++;
    return p;
}

static void lines_audit(auditing *a, partition *p, const char *data, size_t n) {
    char last_time[TIME_CHARS + 1] = "";
    const char *at = data, *end = data + n;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        line_audit(a, at, (size_t)(line_end - at), p, last_time);
        at = line_end + 1;
    }
}

/* malloc; NULL: not whole. The frame does not say how much is in it. */
static char *zstd_expand(const char *data, size_t n, size_t *ret_n) {
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    ZSTD_inBuffer in = {data, n, 0};
    size_t room = 16 * n + 65536, left = 1;
    ZSTD_outBuffer out = {malloc(room), room, 0};
    while (zstd && out.dst && left != 0 && !ZSTD_isError(left) && (in.pos < n || out.pos == out.size)) {
        if (out.pos == out.size) {
            char *grown = realloc(out.dst, out.size *= 2);
            if (!grown)
                break;
            out.dst = grown;
        }
        left = ZSTD_decompressStream(zstd, &out, &in);
    }
    ZSTD_freeDCtx(zstd);
    if (left == 0 && in.pos == n) {
        *ret_n = out.pos;
        return out.dst;
    }
    free(out.dst);
    return NULL;
}

static bool ends_with(const char *path, const char *end) {
    size_t n = strlen(path), end_n = strlen(end);
    return n >= end_n && memcmp(path + n - end_n, end, end_n) == 0;
}

static bool bytes_audit(auditing *a, const object *o, partition *p, const char *data, size_t n) {
    uint64_t before = a->result.lines;
    if (ends_with(o->path, ".zst")) {
        size_t expanded_n = 0;
        char *expanded = zstd_expand(data, n, &expanded_n);
        if (!expanded) {
            fprintf(stderr, "audit: not whole: %s\n", o->path);
            return false;
        }
        lines_audit(a, p, expanded, expanded_n);
        free(expanded);
    } else {
        lines_audit(a, p, data, n);
    }
    if (a->opt->objects)
        fprintf(a->opt->objects, "%s %zu %" PRIu32 " %" PRIu64 "\n", o->path + strlen(a->opt->dir) + 1, n,
                base_crc32c(0, data, n), a->result.lines - before);
    return true;
}

static bool object_audit(auditing *a, const object *o) {
    struct stat st;
    partition *p = partition_of(a, o);
    int fd = open(o->path, O_RDONLY | O_CLOEXEC);
    bool there = p && fd >= 0 && fstat(fd, &st) == 0;
    size_t n = there ? (size_t)st.st_size : 0;
    char *data = n > 0 ? mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (fd >= 0)
        close(fd);
    if (!there || data == MAP_FAILED) {
        perror(o->path);
        return false;
    }
    bool ok = bytes_audit(a, o, p, data, n);
    if (data)
        munmap(data, n);
    return ok;
}

static bool name_parse(object *o) {
    const char *last = strrchr(o->path, '/'), *part = strrchr(o->path, '-'), *epoch = part;
    while (epoch && epoch > last && *--epoch != '-')
        ;
    if (!last || !epoch || epoch <= last)
        return false;
    o->partition = (size_t)(last - o->path);
    o->epoch = strtoull(epoch + 1, NULL, 10);
    o->part = strtoull(part + 1, NULL, 10);
    return true;
}

static int object_add(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st;
    (void)ftw;
    if (kind != FTW_F || !(ends_with(path, ".jsonl") || ends_with(path, ".jsonl.zst")))
        return 0;
    auditing *a = current;
    object *grown = realloc(a->objects, (a->n_objects + 1) * sizeof *grown);
    if (!grown)
        return -1;
    a->objects = grown;
    object *o = &a->objects[a->n_objects];
    *o = (object){.path = strdup(path)};
    if (!o->path)
        return -1;
    a->n_objects++;
    if (name_parse(o))
        return 0;
    fprintf(stderr, "audit: a name that is not an object's: %s\n", path);
    return -1;
}

static int object_compare(const void *x, const void *y) {
    const object *a = x, *b = y;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    size_t n = a->partition < b->partition ? a->partition : b->partition;
    int order = memcmp(a->path, b->path, n);
    if (order != 0)
        return order;
    return a->part < b->part ? -1 : a->part > b->part;
}

/* ---- all of it --------------------------------------------------------------------------------------- */

static bool auditing_begin(auditing *a) {
    const audit_options *opt = a->opt;
    a->partitions = calloc(PARTITIONS_MAX, sizeof *a->partitions);
    a->newest = calloc(opt->n_streams, sizeof *a->newest);
    a->seen = calloc(opt->n_streams, sizeof *a->seen);
    for (uint32_t s = 0; a->seen && s < opt->n_streams; s++)
        if (!(a->seen[s] = calloc(opt->streams[s].assigned / 8 + 1, 1)))
            return false;
    return a->partitions && a->newest && a->seen;
}

static void auditing_end(auditing *a) {
    for (uint32_t s = 0; a->seen && s < a->opt->n_streams; s++)
        free(a->seen[s]);
    for (size_t i = 0; i < a->n_objects; i++)
        free(a->objects[i].path);
    for (size_t i = 0; i < a->n_partitions; i++)
        free(a->partitions[i].name);
    free(a->seen);
    free(a->newest);
    free(a->objects);
    free(a->partitions);
}

static void missing_count(auditing *a) {
    for (uint32_t s = 0; s < a->opt->n_streams; s++)
        for (uint64_t seq = 1; seq <= a->opt->streams[s].acked; seq++)
            a->result.missing += !(a->seen[s][seq / 8] >> (seq & 7) & 1);
}

bool audit_run(const audit_options *opt, audit_result *ret_result) {
    auditing a = {.opt = opt};
    current = &a;
    bool ok = auditing_begin(&a) && nftw(opt->dir, object_add, 16, FTW_PHYS) == 0;
    current = NULL;
    if (ok && a.n_objects > 0)
        qsort(a.objects, a.n_objects, sizeof *a.objects, object_compare);
    for (size_t i = 0; ok && i < a.n_objects; i++)
        ok = object_audit(&a, &a.objects[i]);
    if (ok)
        missing_count(&a);
    auditing_end(&a);
    *ret_result = a.result;
    return ok;
}

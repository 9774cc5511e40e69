/* Random rows as a Parquet file and, from the same events, as JSON lines to compare it with.
 *
 *     write_rows --rows N [--seed S] [--shape mixed|plain|huge] [--codec none|gzip|zstd] [--late] [--bytes N]
 *                OUT.parquet [OUT.jsonl]
 *
 * Prints a line of JSON: rows, bytes, and the largest memory of the process. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder.h"
#include "random_bodies.h"

typedef struct arguments {
    uint64_t rows, seed, bytes;
    body_shape shape;
    output_codec codec;
    bool late;
    const char *parquet, *jsonl;
} arguments;

static sink_err file_begin(void *store, uint32_t slot, const char *name) {
    (void)store, (void)slot, (void)name;
    return SINK_OK;
}

static sink_err file_write(void *store, const void *data, size_t n) {
    return fwrite(data, 1, n, store) == n ? SINK_OK : SINK_ERR_IO;
}

static sink_err file_finish(void *store) { return fflush(store) == 0 ? SINK_OK : SINK_ERR_IO; }

static const sink_store_ops file_ops = {
    .aside_begin = file_begin, .aside_write = file_write, .aside_finish = file_finish};

typedef struct sink_file {
    const encoder_ops *ops;
    void *encoder;
    FILE *file;
    uint64_t rows, bytes;
} sink_file;

static void must(bool ok, const char *what) {
    if (ok)
        return;
    perror(what);
    exit(1);
}

static sink_file sink_file_open(const encoder_ops *ops, const encoder_options *opt, const char *path) {
    sink_file s = {.ops = ops, .file = fopen(path, "wb")};
    must(s.file != NULL, path);
    s.encoder = ops->create(opt, (sink_store){&file_ops, s.file});
    must(s.encoder && ops->begin(s.encoder, 0, path) == SINK_OK, "begin");
    return s;
}

static void sink_file_close(sink_file *s) {
    uint32_t crc;
    must(s->ops->finish(s->encoder, &s->bytes, &crc) == SINK_OK, "finish");
    s->ops->destroy(s->encoder);
    must(fclose(s->file) == 0, "close");
}

static void sink_file_put(sink_file *s, const order_event *events, size_t n, bool late) {
    uint64_t rows;
    must(s->ops->put(s->encoder, events, n, late, &rows) == SINK_OK, "put");
    s->rows += rows;
}

/* Both formats hang what they share on the bodies, so each has its own, made from the same seed. */
static uint64_t write_all(const arguments *a, sink_file *s) {
    random_bodies *r = random_bodies_new(a->seed, a->shape);
    while (s->rows < a->rows && (a->bytes == 0 || s->ops->bytes(s->encoder) < a->bytes)) {
        const order_event *events;
        size_t n = random_bodies_next(r, &events);
        sink_file_put(s, events, n, a->late);
    }
    random_bodies_free(r);
    sink_file_close(s);
    return s->rows;
}

static int choice(const char *text, const char *const *names, int n) {
    for (int i = 0; i < n; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    fprintf(stderr, "write_rows: what is %s?\n", text);
    exit(2);
}

static arguments arguments_read(int argc, char **argv) {
    static const struct option options[] = {
        {"rows", 1, NULL, 'r'}, {"seed", 1, NULL, 's'},  {"shape", 1, NULL, 'h'}, {"codec", 1, NULL, 'c'},
        {"late", 0, NULL, 'l'}, {"bytes", 1, NULL, 'b'}, {NULL, 0, NULL, 0}};
    static const char *const shapes[] = {"mixed", "plain", "huge"}, *const codecs[] = {"none", "gzip",
                                                                                       "zstd"};
    arguments a = {.seed = 1, .codec = OUTPUT_ZSTD};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (c == 'r')
            a.rows = strtoull(optarg, NULL, 10);
        else if (c == 's')
            a.seed = strtoull(optarg, NULL, 10);
        else if (c == 'b')
            a.bytes = strtoull(optarg, NULL, 10);
        else if (c == 'h')
            a.shape = (body_shape)choice(optarg, shapes, 3);
        else if (c == 'c')
            a.codec = (output_codec)choice(optarg, codecs, 3);
        else if (c == 'l')
            a.late = true;
        else
            exit(2);
    }
    a.parquet = argv[optind];
    a.jsonl = a.parquet ? argv[optind + 1] : NULL;
    return a;
}

/* Not getrusage: what a child begins with there is its parent's. */
static long memory_peak_kib(void) {
    FILE *status = fopen("/proc/self/status", "r");
    must(status != NULL, "status");
    char line[128];
    long kib = 0;
    while (fgets(line, sizeof line, status) && sscanf(line, "VmHWM: %ld", &kib) != 1)
        continue;
    must(fclose(status) == 0 && kib > 0, "VmHWM");
    return kib;
}

int main(int argc, char **argv) {
    static const encoder_column columns[] = {
        {"price", COLUMN_DOUBLE}, {"count", COLUMN_INT64}, {"ok", COLUMN_BOOL}, {"label", COLUMN_STRING}};
    arguments a = arguments_read(argc, argv);
    if (!a.parquet)
        return 2;
    encoder_options opt = {.codec = a.codec, .columns = columns, .n_columns = 4};
    sink_file parquet = sink_file_open(&encoder_parquet, &opt, a.parquet);
    uint64_t rows = write_all(&a, &parquet);
    long memory_kib = memory_peak_kib();
    if (a.jsonl) {
        encoder_options plain = {.codec = OUTPUT_PLAIN};
        sink_file lines = sink_file_open(&encoder_jsonl, &plain, a.jsonl);
        a.rows = rows;
        a.bytes = 0;
        must(write_all(&a, &lines) == rows, "as many lines");
    }
    printf("{\"rows\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"memory_kib\": %ld}\n", rows, parquet.bytes,
           memory_kib);
    return 0;
}

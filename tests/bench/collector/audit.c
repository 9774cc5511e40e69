#include "audit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct auditing {
    uint8_t **seen; /* a bit a number, one array a stream */
    const load *load;
    uint32_t streams;
    audit_result result;
    bool failed;
} auditing;

static auditing *current; /* nftw passes no context */

/* The value of a member whose key, quotes and colon included, is `key`. */
static const char *member(const char *line, size_t n, const char *key) {
    const char *at = memmem(line, n, key, strlen(key));
    return at ? at + strlen(key) : NULL;
}

static void line_audit(auditing *a, const char *line, size_t n, char last_time[28]) {
    a->result.lines++;
    const char *time = member(line, n, "\"time\":\"");
    const char *stream = member(line, n, "\"stream\":\"");
    const char *seq_text = member(line, n, "\"seq\":");
    if (!time || !stream || !seq_text) {
        a->failed = true;
        return;
    }
    if (memcmp(time, last_time, 27) < 0)
        a->result.misordered++;
    memcpy(last_time, time, 27);
    a->result.late += member(line, n, "\"late\":true") != NULL;
    uint32_t s = load_stream_of(stream, 32);
    uint64_t seq = strtoull(seq_text, NULL, 10);
    if (s >= a->streams || seq == 0 || seq >= load_next_seq(a->load, s)) {
        a->failed = true;
        return;
    }
    uint8_t bit = (uint8_t)(1u << (seq & 7));
    a->result.twice += (a->seen[s][seq / 8] & bit) != 0;
    a->seen[s][seq / 8] |= bit;
}

static int file_audit(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)ftw;
    size_t n = strlen(path);
    if (kind != FTW_F || n < 6 || strcmp(path + n - 6, ".jsonl") != 0 || st->st_size == 0)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *data = fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0)
        close(fd);
    if (data == MAP_FAILED) {
        perror(path);
        current->failed = true;
        return 0;
    }
    char last_time[28] = "";
    const char *at = data, *end = data + st->st_size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        line_audit(current, at, (size_t)(line_end - at), last_time);
        at = line_end + 1;
    }
    munmap(data, (size_t)st->st_size);
    return 0;
}

static bool seen_make(auditing *a) {
    a->seen = calloc(a->streams, sizeof *a->seen);
    for (uint32_t s = 0; a->seen && s < a->streams; s++)
        if (!(a->seen[s] = calloc(load_next_seq(a->load, s) / 8 + 1, 1)))
            return false;
    return a->seen != NULL;
}

bool audit_run(const char *dir, const load *l, uint32_t streams, audit_result *ret_result) {
    auditing a = {.load = l, .streams = streams};
    current = &a;
    bool ok = seen_make(&a) && nftw(dir, file_audit, 16, FTW_PHYS) == 0 && !a.failed;
    for (uint32_t s = 0; ok && s < streams; s++)
        for (uint64_t seq = 1; seq < load_next_seq(l, s); seq++)
            a.result.missing += !(a.seen[s][seq / 8] >> (seq & 7) & 1);
    for (uint32_t s = 0; a.seen && s < streams; s++)
        free(a.seen[s]);
    free(a.seen);
    current = NULL;
    *ret_result = a.result;
    return ok;
}

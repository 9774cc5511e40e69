/* What a disk may have, made from a write log. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/crash/sdk/write_log.h"
#include "tests/crash/sdk/write_log_ops.h"
#include "tests/sim/sim_random.h"

#define SECTOR_BYTES 512u
#define FILE_BYTES_MAX (64u << 20)
#define SECTORS_MAX (FILE_BYTES_MAX / SECTOR_BYTES)
#define TORN_PERCENT 25u
#define NAMES_MAX 1024u

typedef struct cut {
    uint32_t moment;
    bool syncs;
    sim_random chance;
} cut;

/* Everything done to the file before this is on the disk. */
static uint64_t synced_through(const cut *c, uint32_t file) {
    uint64_t through = 0;
    for (uint32_t i = 0; i < c->moment; i++) {
        const log_op *op = &wl->ops[i];
        bool counts = c->syncs || i < wl->began_ops;
        if (op->kind == LOG_SYNC && op->file == file && counts && op->at > through)
            through = op->at;
    }
    return through;
}

/* None, few, half, most or all of what may be there. */
static uint32_t percent_choose(cut *c) {
    static const uint32_t percents[] = {0, 15, 50, 85, 100};
    return percents[sim_below(&c->chance, sizeof percents / sizeof *percents)];
}

/* ---- content
 * -------------------------------------------------------------------------------------------------- */

typedef struct image {
    uint64_t n;
    uint8_t bytes[FILE_BYTES_MAX];
    uint32_t synced_by[SECTORS_MAX]; /* the last operation that certainly reached the sector, and 1 */
} image;

static image *now; /* of the file at hand */

static void image_grow(uint64_t n) { now->n = n > now->n ? n : now->n; }

static void image_resize(uint64_t n) {
    if (n < now->n)
        memset(now->bytes + n, 0, now->n - n);
    now->n = n;
}

static void sectors_write(uint32_t i, bool certain, uint32_t percent, cut *c) {
    const log_op *op = &wl->ops[i];
    uint64_t end = op->at + op->n;
    for (uint64_t at = op->at, next = 0; at < end; at = next) {
        uint64_t sector = at / SECTOR_BYTES;
        next = (sector + 1) * SECTOR_BYTES < end ? (sector + 1) * SECTOR_BYTES : end;
        if (!certain && (now->synced_by[sector] > i || !sim_chance(&c->chance, percent)))
            continue;
        memcpy(now->bytes + at, wl->arena + op->data + (at - op->at), next - at);
        image_grow(next);
        if (certain)
            now->synced_by[sector] = i + 1;
    }
}

static void content_apply(uint32_t i, bool certain, cut *c) {
    const log_op *op = &wl->ops[i];
    if (op->at + op->n > FILE_BYTES_MAX)
        return;
    if (op->kind == LOG_WRITE)
        sectors_write(i, certain, sim_chance(&c->chance, TORN_PERCENT) ? 50 : 100, c);
    else if (op->kind == LOG_SIZE)
        image_resize(op->n);
    else
        image_grow(op->n);
}

static void shuffle(uint32_t *list, uint32_t n, cut *c) {
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = sim_below(&c->chance, i), swap = list[i - 1];
        list[i - 1] = list[j];
        list[j] = swap;
    }
}

static void content_make(cut *c, uint32_t file) {
    static uint32_t pending[LOG_OPS_MAX];
    uint64_t through = synced_through(c, file);
    uint32_t n = 0, percent = percent_choose(c);
    memset(now->bytes, 0, now->n);
    memset(now->synced_by, 0, sizeof now->synced_by);
    now->n = 0;
    for (uint32_t i = 0; i < c->moment; i++) {
        const log_op *op = &wl->ops[i];
        if (op->file != file || op->kind > LOG_RESERVE)
            continue;
        if (i < through || (op->synced && c->syncs))
            content_apply(i, true, c);
        else
            pending[n++] = i;
    }
    if (sim_chance(&c->chance, 50))
        shuffle(pending, n, c);
    for (uint32_t i = 0; i < n; i++)
        if (sim_chance(&c->chance, percent))
            content_apply(pending[i], false, c);
}

static bool file_make(cut *c, uint32_t file, const char *path) {
    content_make(c, file);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool made = fd >= 0 && (now->n == 0 || write(fd, now->bytes, now->n) == (ssize_t)now->n);
    if (fd >= 0)
        close(fd);
    return made;
}

/* ---- names
 * ---------------------------------------------------------------------------------------------------- */

typedef struct name {
    uint32_t dir, file;
    char text[LOG_NAME_BYTES];
} name;

static name names[NAMES_MAX];
static uint32_t n_names;

static name *name_find(uint32_t dir, const char *text) {
    for (uint32_t i = 0; i < n_names; i++)
        if (names[i].dir == dir && strcmp(names[i].text, text) == 0)
            return &names[i];
    return NULL;
}

static void name_take(uint32_t dir, const char *text) {
    name *found = name_find(dir, text);
    if (found != NULL)
        *found = names[--n_names];
}

static void name_put(uint32_t dir, const char *text, uint32_t file) {
    name_take(dir, text);
    if (dir == LOG_NO_FILE || n_names == NAMES_MAX)
        return;
    names[n_names].dir = dir;
    names[n_names].file = file;
    memcpy(names[n_names++].text, text, LOG_NAME_BYTES);
}

/* Of what was lost before, nothing can come. */
static void name_apply(const log_op *op) {
    name *from = op->kind == LOG_NAME ? NULL : name_find(op->file, op->name);
    uint32_t file = from != NULL ? from->file : LOG_NO_FILE;
    if (op->kind == LOG_NAME)
        name_put(op->file, op->name, op->to);
    if (op->kind == LOG_UNLINK || op->kind == LOG_RENAME)
        name_take(op->file, op->name);
    if ((op->kind == LOG_LINK || op->kind == LOG_RENAME) && file != LOG_NO_FILE)
        name_put(op->to, op->to_name, file);
}

/* A change of two directories is one, and on the disk with either. */
static void names_make(cut *c) {
    static uint64_t through[LOG_FILES_MAX];
    uint32_t percent = percent_choose(c);
    n_names = 0;
    for (uint32_t file = 0; file < wl->n_files; file++)
        through[file] = wl->files[file].is_dir ? synced_through(c, file) : 0;
    for (uint32_t i = 0; i < c->moment; i++) {
        const log_op *op = &wl->ops[i];
        if (op->kind < LOG_NAME || op->kind > LOG_UNLINK)
            continue;
        bool two = op->kind == LOG_RENAME || op->kind == LOG_LINK;
        bool certain = (op->file != LOG_NO_FILE && i < through[op->file]) ||
                       (two && op->to != LOG_NO_FILE && i < through[op->to]);
        if (certain || sim_chance(&c->chance, percent))
            name_apply(op);
    }
}

static bool dir_fill(cut *c, uint32_t dir, const char *path) {
    bool good = true;
    for (uint32_t i = 0; good && i < n_names; i++) {
        char at[4096];
        if (names[i].dir != dir)
            continue;
        snprintf(at, sizeof at, "%s/%s", path, names[i].text);
        if (wl->files[names[i].file].is_dir)
            good = mkdir(at, 0700) == 0 && dir_fill(c, names[i].file, at);
        else
            good = file_make(c, names[i].file, at);
    }
    return good;
}

bool write_log_cut(uint32_t moment, uint64_t seed, bool syncs, const char *dir) {
    cut c = {.moment = moment, .syncs = syncs, .chance = {seed}};
    if (now == NULL)
        now = calloc(1, sizeof *now);
    if (now == NULL)
        return false;
    names_make(&c);
    return dir_fill(&c, 0, dir);
}

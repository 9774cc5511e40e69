/* A journal on a small file system that others fill up, again and again, under load: devices are asked to
 * come back, nothing acknowledged is lost, and it goes on by itself when there is room. Needs the right to
 * mount. */
#include "journal_load.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "diag.h"

enum { ROUNDS = 12, BATCHES_A_ROUND = 40, BATCHES_UNTIL_FULL_MAX = 20000, SKIPPED = 77 };

/* A file system of our own, in a name space that ends with us. */
static bool disk_mount(const char *dir) {
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", dir, "tmpfs", 0, "size=96m") == 0;
}

/* Takes all the space that is left but `left_bytes`. */
static void filler_make(const char *dir, uint64_t left_bytes) {
    char path[128];
    struct statvfs fs;
    snprintf(path, sizeof path, "%s/filler", dir);
    CLEANUP_CLOSE int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || statvfs(dir, &fs) != 0)
        return;
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (free_bytes > left_bytes && posix_fallocate(fd, 0, (off_t)(free_bytes - left_bytes)) != 0)
        fprintf(stderr, "the filler did not fit\n");
}

static void filler_remove(const char *dir) {
    char path[128];
    snprintf(path, sizeof path, "%s/filler", dir);
    unlink(path);
}

/* Sends the same batch until it is taken; the number of times that it was asked to come back, or -1. */
static int send_until_taken(rig *r, load *l, uint8_t stream, int tries_max) {
    for (int tries = 0; tries < tries_max; tries++) {
        rig_submit(r, load_submission(l, stream));
        submission *s = rig_answer(r);
        if (s == NULL)
            return -1;
        bool retry = s->ack.status == WIRE_STATUS_RETRY && s->http_status == 503 && s->ack.retry_after_ms > 0;
        if (load_answer(l, s))
            return tries;
        if (!retry)
            return -1;
    }
    return tries_max;
}

/* One time of need: full to the brim, or nearly, then free again. */
static bool round_run(rig *r, load *l, int round) {
    for (int i = 0; i < BATCHES_A_ROUND; i++)
        if (send_until_taken(r, l, (uint8_t)(i % LOAD_STREAMS), 100000) < 0)
            return false;
    filler_make(r->dir, round % 2 == 0 ? 0 : 1u << 20);
    int refused = 0;
    for (int i = 0; i < BATCHES_UNTIL_FULL_MAX && refused == 0;
         i++) /* free pages of the journal's take some */
        refused = send_until_taken(r, l, (uint8_t)(i % LOAD_STREAMS), 20);
    filler_remove(r->dir);
    return refused > 0;
}

int main(void) {
    char dir[] = "/tmp/wadi-disk-XXXXXX";
    if (mkdtemp(dir) == NULL || !disk_mount(dir)) {
        printf("skipped: no right to mount a file system\n");
        rmdir(dir);
        return SKIPPED;
    }
    setenv("TMPDIR", dir, 1);
    diag_level_set(DIAG_WARN);
    rig r;
    rig_init(&r);
    r.opt.commit_delay_us = 0;
    load *l = load_new();
    bool good = l != NULL;
    rig_open(&r);
    int rounds = 0;
    for (; good && rounds < ROUNDS; rounds++)
        good = round_run(&r, l, rounds);
    rig_close(&r);
    const char *wrong = good ? load_verify(&r, l) : "an answer was wrong";
    printf("journal_disk_test: rounds=%d acknowledged=%llu %s\n", rounds,
           l != NULL ? (unsigned long long)l->lines[0].acked : 0ull, wrong != NULL ? wrong : "good");
    rig_fini(&r);
    umount(dir);
    rmdir(dir);
    return wrong != NULL;
}

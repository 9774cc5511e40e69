/* Power cuts: the store is on a file system of its own, which is shut down at random moments, in open,
 * commit, eviction and settling alike, so that what was not synced is gone. Then it is mounted again. Every
 * event that wadi_wait had called safe on the disk, and whatever was in front of it, comes to the region
 * once, in order, or its tombstone does.
 *
 *     sdk_power_test [cuts] [seed] [xfs|ext4] [broken]     broken: syncs do nothing, and that must be noticed
 *
 * The seed repeats the moments, as far as a machine does.
 *
 * Needs the right to mount; without it the test is skipped. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/sdk/io_shim.h"
#include "tests/crash/sdk/scene.h"
#include "tests/crash/sdk/workplace.h"
#include "tests/sim/sim_random.h"

#define CUTS 30u
#define CUTS_MORE_MAX 100u
#define CUTS_MAX (SCENE_ROUNDS_MAX - CUTS_MORE_MAX)
#define MOMENT_US_MAX 40000u
#define RECORDING_PERCENT 70u /* else also while it opens */
#define LIVES_ON_US_MAX 6000u
#define ROUND_EVENTS_MAX 3000u
#define IMAGE_BYTES (512 << 20)
#define SKIPPED 77
/* XFS_IOC_GOINGDOWN and EXT4_IOC_SHUTDOWN are the same; the log is not flushed. */
#define IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define NO_LOG_FLUSH 2u

typedef struct disk {
    char work[WORKPLACE_BYTES], image[WORKPLACE_BYTES + 16], at[WORKPLACE_BYTES + 16],
        store[WORKPLACE_BYTES + 32];
    const char *kind;
    bool mounted;
} disk;

static bool disk_mount(disk *d) {
    const char *const mount_it[] = {"mount", "-t", d->kind, "-o", "loop", d->image, d->at, NULL};
    return d->mounted = workplace_run(mount_it);
}

static bool disk_unmount(disk *d) {
    const char *const unmount_it[] = {"umount", d->at, NULL};
    if (d->mounted && workplace_run(unmount_it))
        d->mounted = false;
    return !d->mounted;
}

/* In a name space that ends with us: nobody else holds the file system over a cut. */
static bool disk_make(disk *d, const char *kind) {
    char program[32];
    const char *const make_it[] = {program, "-q", d->image, NULL};
    d->kind = kind;
    snprintf(program, sizeof program, "mkfs.%s", kind);
    snprintf(d->image, sizeof d->image, "%s/image", d->work);
    snprintf(d->at, sizeof d->at, "%s/disk", d->work);
    snprintf(d->store, sizeof d->store, "%s/store", d->at);
    int fd = open(d->image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool made = fd >= 0 && ftruncate(fd, IMAGE_BYTES) == 0;
    if (fd >= 0)
        close(fd);
    return made && unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mkdir(d->at, 0700) == 0 && workplace_run(make_it) && disk_mount(d);
}

static bool disk_cut(const disk *d) {
    const uint32_t how = NO_LOG_FLUSH;
    int fd = open(d->at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool cut = fd >= 0 && ioctl(fd, IOC_SHUTDOWN, &how) == 0;
    if (fd >= 0)
        close(fd);
    return cut;
}

static void sleep_us(uint32_t us) {
    const struct timespec moment = {.tv_nsec = (long)us * 1000};
    nanosleep(&moment, NULL);
}

/* One life and its cut. The power goes first: the device may live on for a moment, in which it is promised
 * nothing that is not so. False: the test itself failed. */
static bool life(disk *d, const device_plan *plan, sim_random *chance) {
    bool recording = sim_chance(chance, RECORDING_PERCENT);
    uint32_t moment_us = sim_below(chance, MOMENT_US_MAX);
    int status = 0;
    scene_now->region_away = sim_chance(chance, 40);
    scene_round_begin();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        device_main(plan);
    if (pid < 0)
        return false;
    scene_moment_await(recording, moment_us);
    bool cut = disk_cut(d);
    if (sim_chance(chance, 50))
        sleep_us(sim_below(chance, LIVES_ON_US_MAX));
    kill(pid, SIGKILL);
    if (waitpid(pid, &status, 0) != pid || !cut)
        return false;
    scene_power_cut();
    return disk_unmount(d) && disk_mount(d);
}

/* What it finds is in the scene. False: the test itself failed. */
static bool audit(const device_plan *plan) {
    int status = 0;
    fflush(stdout);
    pid_t pid = fork(); /* with the threads that it needs, and without what they leave */
    if (pid == 0)
        _exit(device_audit(plan) ? 0 : 1);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    if (status != 0)
        scene_wrong("the audit ended with status %x", (unsigned)status); /* unless it said more itself */
    return true;
}

static bool sync_forget(io_call *call) {
    call->result = 0;
    return call->kind != IO_SYNC;
}

static uint64_t promised(void) {
    uint64_t sum = 0;
    for (uint32_t r = 0; r < scene_now->n_rounds; r++)
        sum += scene_now->rounds[r].told;
    return sum;
}

typedef enum outcome { CUTS_GOOD, CUTS_WRONG, CUTS_FAILED } outcome; /* failed: the test itself */

/* More than `cuts`, as long as nothing was promised: then there is nothing to find. */
static outcome cuts_run(disk *d, uint32_t cuts, uint64_t seed) {
    static const char *const names[] = {"good", "WRONG: ", "FAILED "};
    const device_plan plan = {.dir = d->store,
                              .disk_bytes_max = 1 << 20,
                              .events_max = ROUND_EVENTS_MAX,
                              .stays = true,
                              .deliver_ms =
                                  io_before == NULL ? 0 : 2000}; /* without syncs it may never deliver */
    sim_random chance = {seed};
    bool runs = scene_init(seed);
    uint32_t i = 0;
    if (!runs)
        return CUTS_FAILED;
    for (; runs && scene_now->wrong[0] == '\0' && (i < cuts || (promised() == 0 && i < cuts + CUTS_MORE_MAX));
         i++) {
        runs = life(d, &plan, &chance);
        if (runs && (i % 4 == 3 || i + 1 >= cuts))
            runs = audit(&plan);
    }
    outcome what = !runs || promised() == 0 ? CUTS_FAILED : CUTS_GOOD;
    if (what == CUTS_GOOD && scene_now->wrong[0] != '\0')
        what = CUTS_WRONG;
    uint64_t returned = 0;
    for (uint32_t r = 0; r < scene_now->n_rounds; r++)
        returned += scene_now->rounds[r].returned;
    printf("sdk_power_test: %s, %u cuts, %llu events recorded, %llu promised, %llu came, seed %llu: %s%s\n",
           d->kind, i, (unsigned long long)returned, (unsigned long long)promised(),
           (unsigned long long)scene_now->next_seq - 1, (unsigned long long)seed, names[what],
           scene_now->wrong);
    return what;
}

int main(int argc, char **argv) {
    uint32_t cuts = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : CUTS;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    disk d = {.mounted = false};
    if (!workplace_make(d.work))
        return 1;
    int result = SKIPPED;
    bool broken = argc > 4;
    if (disk_make(&d, argc > 3 ? argv[3] : "xfs")) {
        io_before = broken ? sync_forget : NULL;
        cuts = cuts < CUTS_MAX ? cuts : CUTS_MAX;
        result = cuts_run(&d, cuts, seed) != (broken ? CUTS_WRONG : CUTS_GOOD);
    } else
        printf("skipped: no file system of our own can be mounted here\n");
    (void)disk_unmount(&d);
    workplace_remove(d.work);
    return result;
}

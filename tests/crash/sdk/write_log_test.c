/* Unsynced writes, reordered and torn: a device records, is killed, records again, on a log of all that it
 * does to its files. From it comes what the disk may have after a power cut at any moment of that: what was
 * synced, and any part of what was not. Each is opened. Every event that had been promised by then comes to
 * the region once, in order, or its tombstone does; the store is whole. One of them is where the device goes
 * on.
 *
 *     sdk_write_log_test [states] [seed] [broken]     broken: syncs do nothing, and that must be noticed
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/sdk/scene.h"
#include "tests/crash/sdk/workplace.h"
#include "tests/crash/sdk/write_log.h"
#include "tests/sim/sim_random.h"

#define STATES 100u
#define STATES_MORE_MAX 200u
#define STATES_A_RECORD 5u
#define LIVES_MAX 3u
#define OPEN_CALLS 100u
#define NEW_PERCENT 40u /* of the records begin with a new device */
#define MOMENT_US_MAX 30000u
#define ROUND_EVENTS_MAX 600u

typedef struct test {
    char work[WORKPLACE_BYTES];
    char disk[WORKPLACE_BYTES + 32]; /* where the device is now */
    uint32_t n_disks;
    bool syncs;
    sim_random chance;
    uint32_t audits, wrong;
    uint64_t promised; /* in the states audited */
} test;

static uint32_t deliver_ms; /* what was stored without syncs may never be delivered: then it is soon said */

static device_plan plan_of(char store[WORKPLACE_BYTES + 64], const char *disk) {
    snprintf(store, WORKPLACE_BYTES + 64, "%s/store", disk);
    return (device_plan){.dir = store,
                         .disk_bytes_max = 1 << 20,
                         .events_max = ROUND_EVENTS_MAX,
                         .stays = true,
                         .deliver_ms = deliver_ms};
}

static bool disk_new(test *t, char out[WORKPLACE_BYTES + 32]) {
    snprintf(out, WORKPLACE_BYTES + 32, "%s/disk-%u", t->work, t->n_disks++);
    return mkdir(out, 0700) == 0;
}

/* One life of the device, on the log. */
static bool life(test *t) {
    char store[WORKPLACE_BYTES + 64];
    const device_plan plan = plan_of(store, t->disk);
    const uint32_t moment_us = sim_below(&t->chance, MOMENT_US_MAX);
    /* A few calls: in open, which is short, and rare among random moments. */
    uint32_t calls_max = sim_chance(&t->chance, 40)
                             ? 1 + sim_below(&t->chance, 1 + sim_below(&t->chance, OPEN_CALLS))
                             : UINT32_MAX;
    int status = 0;
    scene_now->region_away = sim_chance(&t->chance, 40);
    scene_round_begin();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        write_log_attach(calls_max);
        device_main(&plan);
    }
    if (pid < 0)
        return false;
    scene_moment_await(calls_max == UINT32_MAX, moment_us);
    write_log_kill(pid);
    if (waitpid(pid, &status, 0) != pid)
        return false;
    write_log_restart();
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        scene_wrong("a device ended with status %x", (unsigned)status);
    return scene_now->wrong[0] == '\0';
}

static uint64_t promised(void) {
    uint64_t sum = 0;
    for (uint32_t r = 0; r < scene_now->n_rounds; r++)
        sum += scene_now->rounds[r].told;
    return sum;
}

static int audit_main(uint32_t moment, const char *disk, int result) {
    char store[WORKPLACE_BYTES + 64];
    const device_plan plan = plan_of(store, disk);
    if (!scene_branch())
        return 2;
    scene_changed = NULL;
    write_log_scene(moment);
    scene_power_cut();
    uint64_t sum = promised();
    bool told = write(result, &sum, sizeof sum) == (ssize_t)sizeof sum;
    return told && device_audit(&plan) ? 0 : 1;
}

/* What a cut at that moment may leave. False: the test itself failed. */
static bool state_audit(test *t, uint32_t moment, uint64_t seed) {
    char disk[WORKPLACE_BYTES + 32];
    int status = 0, result[2];
    uint64_t sum = 0;
    if (!disk_new(t, disk) || !write_log_cut(moment, seed, t->syncs, disk) || pipe(result) != 0)
        return false;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(audit_main(moment, disk, result[1]));
    close(result[1]); /* or the end of one that says nothing would not be seen */
    bool told = pid > 0 && waitpid(pid, &status, 0) == pid &&
                read(result[0], &sum, sizeof sum) == (ssize_t)sizeof sum;
    close(result[0]);
    if (status != 0) {
        printf("  status %x: moment %u of %u, cut %llu\n", (unsigned)status, moment, write_log_now(),
               (unsigned long long)seed);
        t->wrong++;
    }
    t->audits++;
    t->promised += sum;
    if (status == 0 || !t->syncs)
        workplace_remove(disk);
    return told;
}

/* Where the device goes on, if its power was cut at that moment. */
static bool go_on(test *t, uint32_t moment, uint64_t seed) {
    char disk[WORKPLACE_BYTES + 32];
    if (!disk_new(t, disk) || !write_log_cut(moment, seed, true, disk))
        return false;
    workplace_remove(t->disk);
    memcpy(t->disk, disk, sizeof t->disk);
    write_log_scene(moment);
    scene_power_cut();
    return true;
}

static bool device_new(test *t) {
    workplace_remove(t->disk);
    scene_reset();
    return disk_new(t, t->disk);
}

static bool record_run(test *t, uint32_t states) {
    uint32_t lives = 1 + sim_below(&t->chance, LIVES_MAX), moment = 0;
    uint64_t seed = 0;
    bool good = !sim_chance(&t->chance, NEW_PERCENT) || device_new(t);
    good = good && write_log_begin(t->disk);
    for (uint32_t i = 0; good && i < lives; i++)
        good = life(t);
    for (uint32_t i = 0; good && i < states; i++) {
        moment = write_log_first() + sim_below(&t->chance, write_log_now() - write_log_first() + 1);
        seed = sim_next(&t->chance);
        good = state_audit(t, moment, seed);
    }
    return good && go_on(t, moment, seed);
}

int main(int argc, char **argv) {
    uint32_t states = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : STATES;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    test t = {.syncs = argc < 4, .chance = {seed}};
    deliver_ms = t.syncs ? 0 : 2000;
    bool good = scene_init(seed) && workplace_make(t.work) && disk_new(&t, t.disk);
    /* More, as long as nothing was promised: then there is nothing to find. */
    while (good && (t.audits < states || (t.promised == 0 && t.audits < states + STATES_MORE_MAX)) &&
           (!t.syncs || t.wrong == 0))
        good = record_run(&t, STATES_A_RECORD);
    printf("sdk_write_log_test: %u states, %u wrong, %llu events promised, seed %llu: ", t.audits, t.wrong,
           (unsigned long long)t.promised, (unsigned long long)seed);
    good &= t.promised > 0 && (t.wrong == 0) == t.syncs;
    printf("%s %s\n", good ? "good" : "WRONG", good ? "" : scene_now->wrong);
    if (good)
        workplace_remove(t.work);
    else
        printf("the files are in %s\n", t.work);
    return !good;
}

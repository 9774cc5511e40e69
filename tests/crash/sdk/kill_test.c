/* kill -9 at random moments of a process that opens a store, records, stores, drops what is too much and
 * uploads. The same directory all the way. Every event for which wadi_track had returned OK comes to the
 * region once, in order, or its tombstone does.
 *
 *     sdk_kill_test [kills] [seed]          the seed repeats the moments, as far as a machine does */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/sdk/scene.h"
#include "tests/crash/sdk/workplace.h"
#include "tests/sim/sim_random.h"

#define KILLS 150u
#define MOMENT_US_MAX 25000u
#define RECORDING_PERCENT 70u /* else also while it opens */
#define ROUND_EVENTS_MAX 2000u
#define AUDIT_EVERY 50u

/* One life. False: it ended as it must not. */
static bool life(const device_plan *plan, sim_random *chance) {
    bool recording = sim_chance(chance, RECORDING_PERCENT);
    uint32_t moment_us = sim_below(chance, MOMENT_US_MAX);
    int status = 0;
    scene_now->region_away = sim_chance(chance, 40);
    scene_round_begin();
    pid_t pid = fork();
    if (pid == 0)
        device_main(plan);
    if (pid < 0)
        return false;
    scene_moment_await(recording, moment_us);
    kill(pid, SIGKILL);
    if (waitpid(pid, &status, 0) != pid)
        return false;
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        scene_wrong("a device ended with status %x", (unsigned)status);
    return scene_now->wrong[0] == '\0';
}

static bool audit(const device_plan *plan) {
    int status = 0;
    fflush(stdout);
    pid_t pid = fork(); /* with the threads that it needs, and without what they leave */
    if (pid == 0)
        _exit(device_audit(plan) ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv) {
    uint32_t kills = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : KILLS;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    sim_random chance = {seed};
    char dir[WORKPLACE_BYTES];
    bool good = kills < SCENE_ROUNDS_MAX && workplace_make(dir) && scene_init(seed);
    printf("seed %llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; good && i < kills; i++) {
        const device_plan plan = {.dir = dir,
                                  .disk_bytes_max = 1 << 20,
                                  .events_max = ROUND_EVENTS_MAX,
                                  .stays = sim_chance(&chance, 70)};
        good = life(&plan, &chance);
        if (good && (i % AUDIT_EVERY == AUDIT_EVERY - 1 || i + 1 == kills))
            good = audit(&plan);
    }
    uint64_t returned = 0;
    for (uint32_t r = 0; good && r < scene_now->n_rounds; r++)
        returned += scene_now->rounds[r].returned;
    printf("sdk_kill_test: %u kills, %llu events recorded, %llu numbers, seed %llu: %s\n", kills,
           (unsigned long long)returned, good ? (unsigned long long)scene_now->next_seq - 1 : 0,
           (unsigned long long)seed, good && returned > 0 ? "good" : scene_now->wrong);
    workplace_remove(dir);
    return !good || returned == 0;
}

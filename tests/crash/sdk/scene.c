#include "tests/crash/sdk/scene.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

scene *scene_now;
void (*scene_changed)(uint32_t round);

static scene *scene_map(int flags) {
    void *map =
        mmap(NULL, sizeof(scene), PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return map != MAP_FAILED ? map : NULL;
}

bool scene_init(uint64_t seed) {
    scene_now = scene_map(MAP_SHARED);
    if (scene_now == NULL)
        return false;
    scene_now->seed = seed;
    scene_now->next_seq = 1;
    region_init(seed);
    return true;
}

void scene_reset(void) {
    scene_now->n_rounds = scene_now->cut_from = 0;
    scene_now->installation[0] = '\0';
    scene_now->next_seq = 1;
}

bool scene_branch(void) {
    scene *copy = scene_map(MAP_PRIVATE);
    if (copy == NULL)
        return false;
    memcpy(copy, scene_now, offsetof(scene, numbers));
    memcpy(copy->numbers, scene_now->numbers, scene_now->next_seq * sizeof *copy->numbers);
    munmap(scene_now, sizeof *scene_now);
    scene_now = copy;
    return true;
}

void scene_wrong(const char *format, ...) {
    va_list args;
    if (scene_now->wrong[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(scene_now->wrong, sizeof scene_now->wrong, format, args);
    va_end(args);
}

uint32_t scene_round_begin(void) {
    uint32_t round = scene_now->n_rounds++;
    scene_now->rounds[round] = (scene_round){.returned = 0};
    if (scene_changed != NULL)
        scene_changed(round);
    return round;
}

void scene_moment_await(bool recording, uint32_t us) {
    const struct timespec moment = {.tv_nsec = (long)us * 1000}, pause = {.tv_nsec = 200000};
    const scene_round *last = &scene_now->rounds[scene_now->n_rounds - 1];
    const uint32_t pauses_max = 10000;
    for (uint32_t i = 0; recording && i < pauses_max; i++) {
        if (__atomic_load_n(&last->returned, __ATOMIC_ACQUIRE) > 0)
            break;
        nanosleep(&pause, NULL);
    }
    nanosleep(&moment, NULL);
}

void scene_power_cut(void) {
    scene_now->cut_from = scene_now->n_rounds;
    scene_now->boots++;
}

/* ---- the machine
 * ---------------------------------------------------------------------------------------------- */

void __wrap_base_boot_id(uint8_t ret_id[16]);

/* This machine lives on where the device's loses its power. */
void __wrap_base_boot_id(uint8_t ret_id[16]) {
    memset(ret_id, 0, 16);
    memcpy(ret_id, &scene_now->seed, sizeof scene_now->seed);
    memcpy(ret_id + 8, &scene_now->boots, sizeof scene_now->boots);
    ret_id[15] = 1;
}

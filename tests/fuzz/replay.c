/* replay.c: runs a fuzz target without libFuzzer, so that every compiler and every test run keeps what
 * fuzzing once found: each input of the corpus as it is, and then damaged at random, WADI_FUZZ_MUTATIONS
 * times (5,000). The same WADI_TEST_SEED damages in the same way. Arguments are directories of inputs. */
#include "tests/fuzz/mutate.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INPUT_BYTES_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct replay {
    uint64_t seed, mutations;
    unsigned long count;
    uint8_t input[INPUT_BYTES_MAX], damaged[INPUT_BYTES_MAX];
} replay;

/* In memory of the exact size, so that AddressSanitizer sees one byte too many. */
static int input_run(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    if (exact == NULL)
        return -1;
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

static int input_damage(replay *r, size_t size, uint64_t state) {
    size_t n = size;
    memcpy(r->damaged, r->input, size);
    for (uint64_t times = 1 + mutate_random(&state) % 6; times > 0; times--)
        n = mutate(r->damaged, n, INPUT_BYTES_MAX, &state);
    return input_run(r->damaged, n);
}

static int file_replay(replay *r, const char *dir, const char *name) {
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        return -1;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return -1;
    const size_t size = fread(r->input, 1, INPUT_BYTES_MAX, file);
    (void)fclose(file);
    int failed = input_run(r->input, size);
    /* The name, not the order in the directory, decides what a seed does to a file. */
    uint64_t state = r->seed;
    for (const char *c = name; *c; c++)
        state = (state ^ (uint8_t)*c) * UINT64_C(0x100000001B3);
    for (uint64_t i = 0; i < r->mutations && failed == 0; i++)
        failed = input_damage(r, size, mutate_random(&state));
    r->count++;
    return failed;
}

static int directory_replay(replay *r, const char *dir) {
    DIR *handle = opendir(dir);
    if (handle == NULL)
        return -1;
    int failed = 0;
    for (struct dirent *entry = readdir(handle); entry != NULL; entry = readdir(handle)) {
        if (entry->d_name[0] != '.')
            failed |= file_replay(r, dir, entry->d_name);
    }
    closedir(handle);
    return failed;
}

static uint64_t setting(const char *name, uint64_t fallback) {
    const char *text = getenv(name);
    return text == NULL ? fallback : strtoull(text, NULL, 10);
}

int main(int argc, char **argv) {
    static replay r;
    r.seed = setting("WADI_TEST_SEED", (uint64_t)time(NULL));
    r.mutations = setting("WADI_FUZZ_MUTATIONS", 5000);
    printf("WADI_TEST_SEED=%llu\n", (unsigned long long)r.seed);
    (void)fflush(stdout); /* it must be seen when the target dies */
    for (int i = 1; i < argc; i++) {
        if (directory_replay(&r, argv[i]) != 0) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            return 1;
        }
    }
    printf("%lu inputs, each damaged %llu times\n", r.count, (unsigned long long)r.mutations);
    return r.count == 0;
}

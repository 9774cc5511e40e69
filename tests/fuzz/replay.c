/* replay.c: runs a fuzz target over a corpus without libFuzzer, so that every compiler and every test
 * run keeps what fuzzing once found. Arguments are directories of inputs. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_BYTES_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file_replay(const char *dir, const char *name) {
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path)) {
        return -1;
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return -1;
    }
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    size_t size = data == NULL ? 0 : fread(data, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    /* A copy of the exact size, so that AddressSanitizer sees one byte too many. */
    uint8_t *exact = data == NULL ? NULL : realloc(data, size == 0 ? 1 : size);
    if (exact == NULL) {
        free(data);
        return -1;
    }
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

static int directory_replay(const char *dir, unsigned *count) {
    DIR *handle = opendir(dir);
    if (handle == NULL) {
        return -1;
    }
    int failed = 0;
    for (struct dirent *entry = readdir(handle); entry != NULL; entry = readdir(handle)) {
        if (entry->d_name[0] != '.') {
            failed |= file_replay(dir, entry->d_name);
            *count += 1;
        }
    }
    closedir(handle);
    return failed;
}

int main(int argc, char **argv) {
    unsigned count = 0;
    for (int i = 1; i < argc; i++) {
        if (directory_replay(argv[i], &count) != 0) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            return 1;
        }
    }
    printf("%u inputs\n", count);
    return count == 0;
}

/* wire_golden DIR: writes the golden files anew. For a new version of the wire, never for a released one:
 * schemas/golden/README.md. */
#include "tests/unit/schemas/golden.h"

#include <stdio.h>

static int file_write(const char *dir, const golden_file *golden) {
    uint8_t out[GOLDEN_BYTES_MAX];
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s.bin", dir, golden->name);
    const size_t n = golden->encode(out);
    FILE *file = fopen(path, "wb");
    if (n == 0 || !file || fwrite(out, 1, n, file) != n || fclose(file) != 0) {
        (void)fprintf(stderr, "cannot write %s\n", path);
        return 1;
    }
    (void)printf("%s %s\n", golden->name, golden->message);
    return 0;
}

int main(int argc, char **argv) {
    int failed = argc != 2;
    for (size_t i = 0; i < golden_files_n && !failed; i++)
        failed = file_write(argv[1], &golden_files[i]);
    return failed;
}

/* Any bytes as a file: the check and the salvage end, stay within the file, and agree on what is whole. */
#include "sdk/src/base/lmdb_check/lmdb_check.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define VALUE_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void entry_read(void *context, const lmdb_check_entry *entry) {
    uint64_t *sum = context;
    if (entry->key_n == 0 || entry->value_n > UINT32_MAX)
        abort();
    for (size_t i = 0; i < entry->key_n; i++)
        *sum += entry->key[i];
    for (size_t i = 0; i < entry->value_n; i++)
        *sum += entry->value[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    lmdb_check_report report;
    lmdb_check_sweep sweep;
    uint64_t sum = 0;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || (n > 0 && write(fd, data, n) != (ssize_t)n))
        abort();
    lmdb_check_result result = lmdb_check(fd, NULL, &report);
    if (result == LMDB_CHECK_FAILED || lmdb_check_result_of(report.reason) != result)
        abort();
    lmdb_check_result salvaged = lmdb_check_salvage(fd, NULL, NULL, VALUE_MAX, entry_read, &sum, &sweep);
    if (salvaged == LMDB_CHECK_FAILED || (result == LMDB_CHECK_GOOD && sweep.pages_bad > 0))
        abort();
    close(fd);
    return 0;
}

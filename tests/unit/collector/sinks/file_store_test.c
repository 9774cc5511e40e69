#include "file_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store_contract.h"

static char root[64];

static sink_store store_open(void) {
    char path[96];
    file_store *fs;
    snprintf(path, sizeof path, "%s/events", root);
    assert_int_equal(file_store_open(path, "c", "s", &fs), SINK_OK);
    return file_store_of(fs);
}

static void store_close(sink_store s) { file_store_close(s.self); }

static size_t object_read(const char *name, char *out, size_t cap) {
    char path[256];
    snprintf(path, sizeof path, "%s/events/%s", root, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return SIZE_MAX;
    size_t n = fread(out, 1, cap, file);
    fclose(file);
    return n;
}

static void test_open_when_the_parent_is_missing_then_io(void **state) {
    (void)state;
    file_store *fs;
    assert_int_equal(file_store_open("/nonexistent/wadi/events", "c", "s", &fs), SINK_ERR_IO);
}

static void test_open_twice_then_busy(void **state) {
    (void)state;
    char path[96];
    file_store *second;
    sink_store first = store_open();
    snprintf(path, sizeof path, "%s/events", root);
    assert_int_equal(file_store_open(path, "c", "s", &second), SINK_ERR_BUSY);
    store_close(first);
}

int main(void) {
    /* Around the block and the stage: direct I/O must leave no trace of its blocks. */
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 524288, 524289, 1300000, SIZE_MAX};
    static const store_rig rig = {store_open, store_close, object_read, sizes};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_when_the_parent_is_missing_then_io),
        cmocka_unit_test(test_open_twice_then_busy),
    };
    strcpy(root, "/tmp/wadi-file-store-XXXXXX");
    if (!mkdtemp(root))
        return 1;
    int failed = store_contract_run(&rig) + cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command) + failed;
}

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "sdk/src/base/lmdb.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_BYTES (1u << 20)

static char path[96];
static const base_lmdb_db unnamed = {NULL, false};

static base_lmdb_val val(const char *text) { return (base_lmdb_val){text, strlen(text)}; }

static base_lmdb_err env_open(base_lmdb **ret_env) {
    const base_lmdb_options opt = {
        .path = path, .map_bytes = MAP_BYTES, .dbs = &unnamed, .n_dbs = 1, .preallocate = true};
    return base_lmdb_open(&opt, ret_env, NULL);
}

static int path_make(void **state) {
    (void)state;
    snprintf(path, sizeof path, "%.60s/wadi-lmdb-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int path_remove(void **state) {
    (void)state;
    return unlink(path);
}

static void put(base_lmdb *env, const char *key, const char *text) {
    base_lmdb_txn *txn = NULL;
    assert_int_equal(base_lmdb_begin(env, true, &txn), BASE_LMDB_OK);
    assert_int_equal(base_lmdb_put(txn, 0, val(key), val(text)), BASE_LMDB_OK);
    assert_int_equal(base_lmdb_commit(txn), BASE_LMDB_OK);
}

static void test_committed_values_outlive_the_environment(void **state) {
    (void)state;
    base_lmdb *env = NULL;
    base_lmdb_txn *txn = NULL;
    base_lmdb_val got;
    bool found = false;
    assert_int_equal(env_open(&env), BASE_LMDB_OK);
    put(env, "a", "one");
    assert_int_equal(base_lmdb_begin(env, true, &txn), BASE_LMDB_OK);
    assert_int_equal(base_lmdb_put(txn, 0, val("b"), val("two")), BASE_LMDB_OK);
    base_lmdb_abort(txn);
    base_lmdb_close(env);
    assert_int_equal(env_open(&env), BASE_LMDB_OK);
    assert_int_equal(base_lmdb_begin(env, false, &txn), BASE_LMDB_OK);
    assert_int_equal(base_lmdb_get(txn, 0, val("a"), &got, &found), BASE_LMDB_OK);
    assert_true(found && got.n == 3 && memcmp(got.data, "one", 3) == 0);
    assert_int_equal(base_lmdb_get(txn, 0, val("b"), &got, &found), BASE_LMDB_OK);
    assert_false(found);
    base_lmdb_abort(txn);
    base_lmdb_close(env);
}

static void test_cursor_walks_deletes_and_goes_on(void **state) {
    (void)state;
    base_lmdb *env = NULL;
    base_lmdb_txn *txn = NULL;
    base_lmdb_cursor *cursor = NULL;
    base_lmdb_val key = val("b"), got;
    bool found = false;
    assert_int_equal(env_open(&env), BASE_LMDB_OK);
    put(env, "a", "1");
    put(env, "c", "3");
    put(env, "d", "4");
    assert_int_equal(base_lmdb_begin(env, true, &txn), BASE_LMDB_OK);
    assert_int_equal(base_lmdb_cursor_open(txn, 0, &cursor), BASE_LMDB_OK);
    assert_int_equal(base_lmdb_cursor_move(cursor, BASE_LMDB_AT, &key, &got, &found), BASE_LMDB_OK);
    assert_false(found);
    assert_int_equal(base_lmdb_cursor_move(cursor, BASE_LMDB_AT_LEAST, &key, &got, &found), BASE_LMDB_OK);
    assert_true(found && *(const char *)key.data == 'c');
    assert_int_equal(base_lmdb_cursor_del(cursor), BASE_LMDB_OK);
    assert_int_equal(base_lmdb_cursor_move(cursor, BASE_LMDB_NEXT, &key, &got, &found), BASE_LMDB_OK);
    assert_true(found && *(const char *)key.data == 'd');
    assert_int_equal(base_lmdb_cursor_move(cursor, BASE_LMDB_PREV, &key, &got, &found), BASE_LMDB_OK);
    assert_true(found && *(const char *)key.data == 'a');
    base_lmdb_cursor_close(cursor);
    assert_int_equal(base_lmdb_commit(txn), BASE_LMDB_OK);
    base_lmdb_close(env);
}

static void test_full_map_says_so_and_keeps_what_it_has(void **state) {
    (void)state;
    base_lmdb *env = NULL;
    base_lmdb_txn *txn = NULL;
    base_lmdb_err err = BASE_LMDB_OK;
    uint64_t used = 0;
    char key[16];
    void *out = NULL;
    assert_int_equal(env_open(&env), BASE_LMDB_OK);
    put(env, "a", "1");
    assert_int_equal(base_lmdb_begin(env, true, &txn), BASE_LMDB_OK);
    for (unsigned i = 0; err == BASE_LMDB_OK && i < 1000; i++) {
        snprintf(key, sizeof key, "k%u", i);
        err = base_lmdb_reserve(txn, 0, val(key), 10000, &out);
    }
    assert_int_equal(err, BASE_LMDB_FULL);
    base_lmdb_abort(txn);
    put(env, "b", "2");
    assert_int_equal(base_lmdb_begin(env, false, &txn), BASE_LMDB_OK);
    assert_int_equal(base_lmdb_used(txn, &used), BASE_LMDB_OK);
    base_lmdb_abort(txn);
    assert_in_range(used, 1, 16 * 4096);
    assert_int_equal(base_lmdb_map_bytes(env), MAP_BYTES);
    base_lmdb_close(env);
}

static void test_file_is_reserved_and_closed_on_exec(void **state) {
    (void)state;
    base_lmdb *env = NULL;
    struct stat st, of_fd;
    assert_int_equal(env_open(&env), BASE_LMDB_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, MAP_BYTES);
    for (int fd = 3; fd < 64; fd++)
        if (fstat(fd, &of_fd) == 0 && of_fd.st_ino == st.st_ino && of_fd.st_dev == st.st_dev)
            assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    base_lmdb_close(env);
}

static void test_cut_file_is_damaged(void **state) {
    (void)state;
    base_lmdb *env = NULL;
    char key[16], text[3000];
    assert_int_equal(env_open(&env), BASE_LMDB_OK);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (unsigned i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "k%u", i);
        put(env, key, text);
    }
    base_lmdb_close(env);
    assert_int_equal(truncate(path, 3 * 4096), 0);
    assert_int_equal(env_open(&env), BASE_LMDB_CORRUPT);
}

/* What LMDB held when its assert failed is given up with the environment, as lmdb.h says. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:liblmdb"; }

/* LMDB takes a branch page where it expects a leaf for a reason to abort the process. */
static void test_assert_of_lmdb_ends_the_call_and_not_the_process(void **state) {
    (void)state;
    base_lmdb *env = NULL;
    base_lmdb_txn *txn = NULL;
    base_lmdb_val got;
    bool found = false;
    uint8_t page[4096];
    assert_int_equal(env_open(&env), BASE_LMDB_OK);
    put(env, "a", "1");
    base_lmdb_close(env);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    for (off_t at = 2 * 4096; pread(fd, page, sizeof page, at) == (ssize_t)sizeof page; at += 4096) {
        if (page[10] != 0x02) /* the flags of a page's header: a leaf */
            continue;
        page[10] = 0x01; /* a branch, with a single key */
        assert_int_equal(pwrite(fd, page, sizeof page, at), sizeof page);
    }
    close(fd);
    assert_int_equal(env_open(&env), BASE_LMDB_OK);
    assert_int_equal(base_lmdb_begin(env, false, &txn), BASE_LMDB_OK);
    assert_int_equal(base_lmdb_get(txn, 0, val("a"), &got, &found), BASE_LMDB_CORRUPT);
    base_lmdb_abort(txn);
    assert_int_equal(base_lmdb_begin(env, true, &txn), BASE_LMDB_CORRUPT); /* it is dead */
    base_lmdb_close(env);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_committed_values_outlive_the_environment, path_make,
                                        path_remove),
        cmocka_unit_test_setup_teardown(test_cursor_walks_deletes_and_goes_on, path_make, path_remove),
        cmocka_unit_test_setup_teardown(test_full_map_says_so_and_keeps_what_it_has, path_make, path_remove),
        cmocka_unit_test_setup_teardown(test_file_is_reserved_and_closed_on_exec, path_make, path_remove),
        cmocka_unit_test_setup_teardown(test_cut_file_is_damaged, path_make, path_remove),
        cmocka_unit_test_setup_teardown(test_assert_of_lmdb_ends_the_call_and_not_the_process, path_make,
                                        path_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

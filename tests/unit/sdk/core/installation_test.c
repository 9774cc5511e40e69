/* The installation's id: kept, made once by many, made from the machine's, changed, and whole after a death
 * at any of its system calls. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "sdk/src/core/installation.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LANES 8
#define ID_BYTES WDI_INSTALLATION_BYTES
#define STOPS_MAX 400u

typedef struct place {
    char dir[64];
    int lane_fds[LANES];
    unsigned warnings, errors;
} place;

static void diag_count(void *context, wadi_diag_level level, const char *line) {
    place *p = context;
    (void)line;
    p->warnings += level == WADI_DIAG_WARN;
    p->errors += level == WADI_DIAG_ERROR;
}

static void place_make(place *p) {
    char path[128];
    memset(p, 0, sizeof *p);
    snprintf(p->dir, sizeof p->dir, "/tmp/wadi-installation-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(path, sizeof path, "%s/lanes", p->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    for (int i = 0; i < LANES; i++) {
        snprintf(path, sizeof path, "%s/lanes/%d", p->dir, i);
        assert_int_equal(mkdir(path, 0700), 0);
        p->lane_fds[i] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(p->lane_fds[i] >= 0);
    }
}

static void place_remove(place *p) {
    char command[128];
    for (int i = 0; i < LANES; i++)
        close(p->lane_fds[i]);
    snprintf(command, sizeof command, "rm -rf %s", p->dir);
    assert_int_equal(system(command), 0);
}

static void file_write(const place *p, const char *name, const char *text, char ret_path[128]) {
    snprintf(ret_path, 128, "%s/%s", p->dir, name);
    int fd = open(ret_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* The id that an open of the lane finds. */
static void id_of(place *p, int lane, const char *machine_id_path, uint8_t ret_id[ID_BYTES]) {
    wdi_installation i;
    const wdi_diag diag = {.fn = diag_count, .context = p, .level = WADI_DIAG_DEBUG};
    assert_int_equal(wdi_installation_open(&i, p->lane_fds[lane], machine_id_path, &diag), WADI_OK);
    wdi_installation_id(&i, ret_id);
    wdi_installation_close(&i);
}

static void test_it_is_the_same_for_all_lanes_and_opens(void **state) {
    (void)state;
    place p;
    uint8_t first[ID_BYTES], id[ID_BYTES];
    place_make(&p);
    id_of(&p, 0, NULL, first);
    for (int lane = 0; lane < LANES; lane++) {
        id_of(&p, lane, NULL, id);
        assert_memory_equal(id, first, ID_BYTES);
    }
    assert_int_equal(p.errors + p.warnings, 0);
    place_remove(&p);
}

typedef struct racer {
    place *p;
    int lane;
    pthread_barrier_t *start;
    uint8_t id[ID_BYTES];
} racer;

static void *racer_run(void *context) {
    racer *r = context;
    wdi_installation i;
    pthread_barrier_wait(r->start);
    if (wdi_installation_open(&i, r->p->lane_fds[r->lane], NULL, NULL) == WADI_OK)
        wdi_installation_id(&i, r->id);
    wdi_installation_close(&i);
    return NULL;
}

static void test_lanes_that_begin_at_once_agree(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        place p;
        pthread_t threads[LANES];
        pthread_barrier_t start;
        racer racers[LANES];
        place_make(&p);
        pthread_barrier_init(&start, NULL, LANES);
        for (int i = 0; i < LANES; i++) {
            racers[i] = (racer){.p = &p, .lane = i, .start = &start};
            assert_int_equal(pthread_create(&threads[i], NULL, racer_run, &racers[i]), 0);
        }
        for (int i = 0; i < LANES; i++)
            pthread_join(threads[i], NULL);
        uint8_t id[ID_BYTES];
        id_of(&p, 0, NULL, id);
        for (int i = 0; i < LANES; i++)
            assert_memory_equal(racers[i].id, id, ID_BYTES);
        pthread_barrier_destroy(&start);
        place_remove(&p);
    }
}

static void test_reset_changes_it_for_good(void **state) {
    (void)state;
    place p;
    wdi_installation i;
    uint8_t before[ID_BYTES], after[ID_BYTES], told[ID_BYTES], id[ID_BYTES];
    place_make(&p);
    assert_int_equal(wdi_installation_open(&i, p.lane_fds[0], NULL, NULL), WADI_OK);
    wdi_installation_id(&i, before);
    assert_false(wdi_installation_changed(&i, told));
    assert_int_equal(wdi_installation_reset(&i), WADI_OK);
    wdi_installation_id(&i, after);
    assert_memory_not_equal(before, after, ID_BYTES);
    assert_true(wdi_installation_changed(&i, told));
    assert_memory_equal(told, after, ID_BYTES);
    assert_false(wdi_installation_changed(&i, told));
    wdi_installation_close(&i);
    id_of(&p, 3, NULL, id); /* another lane, at its next open */
    assert_memory_equal(id, after, ID_BYTES);
    place_remove(&p);
}

static void test_reset_that_cannot_write_changes_nothing(void **state) {
    (void)state;
    place p;
    wdi_installation i;
    char path[128];
    uint8_t before[ID_BYTES], after[ID_BYTES], id[ID_BYTES];
    place_make(&p);
    assert_int_equal(wdi_installation_open(&i, p.lane_fds[0], NULL, NULL), WADI_OK);
    wdi_installation_id(&i, before);
    snprintf(path, sizeof path, "%s/lanes/0/installation.new", p.dir);
    assert_int_equal(mkdir(path, 0700), 0); /* stands in the way, for root too */
    assert_int_equal(wdi_installation_reset(&i), WADI_ERR_IO);
    wdi_installation_id(&i, after);
    assert_memory_equal(before, after, ID_BYTES);
    wdi_installation_close(&i);
    id_of(&p, 1, NULL, id);
    assert_memory_equal(before, id, ID_BYTES);
    place_remove(&p);
}

/* A power cut may keep the link that put the file in place, and not the unlinking of its first name. */
static void test_reset_never_writes_to_the_file_in_place(void **state) {
    (void)state;
    place p;
    wdi_installation i;
    char path[128], second[128];
    uint8_t before[ID_BYTES], still[ID_BYTES];
    place_make(&p);
    assert_int_equal(wdi_installation_open(&i, p.lane_fds[0], NULL, NULL), WADI_OK);
    wdi_installation_id(&i, before);
    snprintf(path, sizeof path, "%s/installation", p.dir);
    snprintf(second, sizeof second, "%s/lanes/0/installation.new", p.dir);
    assert_int_equal(link(path, second), 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(wdi_installation_reset(&i), WADI_OK);
    assert_int_equal(pread(fd, still, sizeof still, 0), sizeof still);
    assert_memory_equal(still, before, sizeof still);
    close(fd);
    wdi_installation_close(&i);
    place_remove(&p);
}

static void test_damaged_file_is_replaced_and_said(void **state) {
    (void)state;
    place p;
    char path[128];
    uint8_t before[ID_BYTES], after[ID_BYTES], id[ID_BYTES];
    place_make(&p);
    id_of(&p, 0, NULL, before);
    file_write(&p, "installation", "sixteen bytes and four", path);
    id_of(&p, 0, NULL, after);
    assert_int_equal(p.errors, 1);
    assert_memory_not_equal(before, after, ID_BYTES);
    id_of(&p, 1, NULL, id);
    assert_memory_equal(id, after, ID_BYTES);
    assert_int_equal(p.errors, 1);
    place_remove(&p);
}

/* ---- machines ----------------------------------------------------------------------------------- */

static void test_copies_on_two_machines_differ(void **state) {
    (void)state;
    place p;
    char one[128], other[128];
    uint8_t at_one[ID_BYTES], at_other[ID_BYTES], plain[ID_BYTES], id[ID_BYTES];
    place_make(&p);
    file_write(&p, "one", "0123456789abcdef0123456789abcdef\n", one);
    file_write(&p, "other", "0123456789abcdef0123456789abcdee", other); /* without a line end */
    id_of(&p, 0, one, at_one);
    id_of(&p, 0, other, at_other); /* the machine is another one: so is the installation */
    id_of(&p, 0, NULL, plain);
    assert_memory_not_equal(at_one, at_other, ID_BYTES);
    assert_memory_not_equal(at_one, plain, ID_BYTES);
    assert_memory_not_equal(at_one, "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef",
                            ID_BYTES);
    id_of(&p, 5, one, id);
    assert_memory_equal(id, at_one, ID_BYTES);
    assert_int_equal(p.warnings + p.errors, 0);

    place elsewhere; /* another directory of the same machine */
    place_make(&elsewhere);
    id_of(&elsewhere, 0, one, id);
    assert_memory_not_equal(id, at_one, ID_BYTES);
    place_remove(&elsewhere);
    place_remove(&p);
}

static void test_reset_holds_on_a_machine_too(void **state) {
    (void)state;
    place p;
    wdi_installation i;
    char one[128];
    uint8_t before[ID_BYTES], after[ID_BYTES], id[ID_BYTES];
    place_make(&p);
    file_write(&p, "one", "0123456789abcdef0123456789abcdef\n", one);
    assert_int_equal(wdi_installation_open(&i, p.lane_fds[0], one, NULL), WADI_OK);
    wdi_installation_id(&i, before);
    assert_int_equal(wdi_installation_reset(&i), WADI_OK);
    wdi_installation_id(&i, after);
    wdi_installation_close(&i);
    assert_memory_not_equal(before, after, ID_BYTES);
    id_of(&p, 0, one, id);
    assert_memory_equal(id, after, ID_BYTES);
    place_remove(&p);
}

static void test_machine_without_an_id_falls_back_and_says_so(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "uninitialized\n",
                                        "00000000000000000000000000000000\n",
                                        "0123456789ABCDEF0123456789ABCDEF\n",
                                        "0123456789abcdef0123456789abcde\n",
                                        "0123456789abcdef0123456789abcdef0\n"};
    place p;
    char path[128];
    uint8_t plain[ID_BYTES], id[ID_BYTES];
    place_make(&p);
    id_of(&p, 0, NULL, plain);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        file_write(&p, "machine-id", texts[i], path);
        id_of(&p, 0, path, id);
        assert_memory_equal(id, plain, ID_BYTES);
        assert_int_equal(p.warnings, i + 1);
    }
    unlink(path);
    id_of(&p, 0, path, id);
    assert_memory_equal(id, plain, ID_BYTES);
    assert_int_equal(p.errors, 0);
    place_remove(&p);
}

/* ---- death -------------------------------------------------------------------------------------- */

static _Noreturn void child_run(const place *p, bool reset) {
    wdi_installation i;
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    if (reset && wdi_installation_open(&i, p->lane_fds[0], NULL, NULL) != WADI_OK)
        _exit(2);
    raise(SIGSTOP);
    wadi_err err = reset ? wdi_installation_reset(&i) : wdi_installation_open(&i, p->lane_fds[0], NULL, NULL);
    _exit(err == WADI_OK ? 0 : 1);
}

/* The child dies at its stop number `at`: each call has two, before it and after it. False: it came to its
 * end. */
static bool child_dies(const place *p, bool reset, unsigned at) {
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_run(p, reset);
    assert_int_equal(waitpid(child, &status, 0), child);
    for (unsigned stop = 0; WIFSTOPPED(status) && stop <= at; stop++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    if (!WIFSTOPPED(status)) {
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return false;
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    return true;
}

static void test_death_within_a_reset_leaves_the_old_or_the_new(void **state) {
    (void)state;
    place p;
    uint8_t before[ID_BYTES], id[ID_BYTES], again[ID_BYTES];
    unsigned at = 0, old = 0, new = 0;
    place_make(&p);
    id_of(&p, 0, NULL, before);
    while (child_dies(&p, true, at++)) {
        assert_true(at < STOPS_MAX);
        id_of(&p, 0, NULL, id);
        id_of(&p, 1, NULL, again);
        assert_memory_equal(id, again, ID_BYTES);
        if (memcmp(id, before, ID_BYTES) == 0)
            old++;
        else
            new ++;
        memcpy(before, id, ID_BYTES);
    }
    assert_int_equal(p.errors, 0); /* never damaged */
    assert_true(old > 4 && new > 1);
    place_remove(&p);
}

static void test_death_within_the_first_open(void **state) {
    (void)state;
    bool died = true;
    for (unsigned at = 0; died; at++) {
        place p;
        uint8_t id[ID_BYTES], again[ID_BYTES];
        assert_true(at < STOPS_MAX);
        place_make(&p);
        died = child_dies(&p, false, at);
        id_of(&p, 0, NULL, id);
        id_of(&p, 1, NULL, again);
        assert_memory_equal(id, again, ID_BYTES);
        assert_int_equal(p.errors, 0);
        place_remove(&p);
    }
}

/* ---- the public face ---------------------------------------------------------------------------- */

static void test_handle_tells_and_resets_it(void **state) {
    (void)state;
    place p;
    wadi *w = NULL;
    char before[33], after[33], later[33];
    wadi_options opt = WADI_OPTIONS_INIT;
    place_make(&p);
    opt.dir = p.dir;
    opt.installation_from = "dice";
    assert_int_equal(wadi_open(&opt, &w), WADI_ERR_INVALID);
    opt.installation_from = "machine-id";
    assert_int_equal(wadi_open(&opt, &w), WADI_OK); /* whether this machine has an id or not */
    assert_int_equal(wadi_installation(w, before), WADI_OK);
    assert_int_equal(wadi_reset_installation(w), WADI_OK);
    assert_int_equal(wadi_installation(w, after), WADI_OK);
    assert_string_not_equal(before, after);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(wadi_open(&opt, &w), WADI_OK);
    assert_int_equal(wadi_installation(w, later), WADI_OK);
    assert_string_equal(after, later);
    pid_t child = fork();
    if (child == 0)
        _exit(wadi_reset_installation(w) == WADI_OK ? 0 : 1); /* through a lane of its own */
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(wadi_reset_installation(NULL), WADI_ERR_INVALID);
    place_remove(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_the_same_for_all_lanes_and_opens),
        cmocka_unit_test(test_lanes_that_begin_at_once_agree),
        cmocka_unit_test(test_reset_changes_it_for_good),
        cmocka_unit_test(test_reset_that_cannot_write_changes_nothing),
        cmocka_unit_test(test_reset_never_writes_to_the_file_in_place),
        cmocka_unit_test(test_damaged_file_is_replaced_and_said),
        cmocka_unit_test(test_copies_on_two_machines_differ),
        cmocka_unit_test(test_reset_holds_on_a_machine_too),
        cmocka_unit_test(test_machine_without_an_id_falls_back_and_says_so),
        cmocka_unit_test(test_death_within_a_reset_leaves_the_old_or_the_new),
        cmocka_unit_test(test_death_within_the_first_open),
        cmocka_unit_test(test_handle_tells_and_resets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

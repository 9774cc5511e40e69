/* Strings to numbers, by content. */
#include "tests/unit/sdk/event/event_fixture.h"

#include <sys/mman.h>

static wdi_interned get(tracked *t, const char *string) {
    return wdi_intern_get(&t->tracker.intern, &t->tracker.ring, string);
}

static void test_number_goes_with_content_not_with_address(void **state) {
    tracked *t = *state;
    char buffer[64] = "alpha", copy[64] = "....alpha";
    uint32_t alpha = get(t, buffer).id;
    assert_int_equal(alpha, 1);
    strcpy(buffer, "beta");
    uint32_t beta = get(t, buffer).id;
    assert_int_equal(beta, 2);
    assert_int_equal(get(t, copy + 4).id, alpha);
    strcpy(buffer, "alpha");
    assert_int_equal(get(t, buffer).id, alpha);
    assert_false(event_next(t));
    assert_string_equal(t->texts[alpha], "alpha");
    assert_string_equal(t->texts[beta], "beta");
}

/* Every length around the blocks, with the neighbours that differ in one byte or by one in length. */
static void test_every_length_has_its_own_number(void **state) {
    tracked *t = *state;
    char text[300];
    uint32_t ids[WDI_INTERN_BYTES_MAX + 1][2];
    for (uint32_t n = 1; n <= WDI_INTERN_BYTES_MAX; n++) {
        for (uint32_t variant = 0; variant < 2; variant++) {
            memset(text, 'x', n);
            text[n] = '\0';
            text[n - 1] = variant == 0 ? 'x' : 'y';
            wdi_interned found = get(t, text);
            assert_int_equal(found.n, n);
            assert_int_not_equal(found.id, 0);
            ids[n][variant] = found.id;
        }
    }
    for (uint32_t n = 1; n <= WDI_INTERN_BYTES_MAX; n++) {
        memset(text, 'x', n);
        text[n] = '\0';
        assert_int_equal(get(t, text).id, ids[n][0]);
        text[n - 1] = 'y';
        assert_int_equal(get(t, text).id, ids[n][1]);
        assert_int_not_equal(ids[n][0], ids[n][1]);
    }
    assert_int_equal(atomic_load(&t->tracker.intern.count), 2 * WDI_INTERN_BYTES_MAX);
}

static void test_long_and_empty_strings_have_no_number(void **state) {
    tracked *t = *state;
    char text[400];
    static const struct {
        uint32_t given, reported;
    } lengths[] = {{0, 0}, {57, 57}, {63, 63}, {64, 64}, {65, 65}, {255, 255}, {256, 256}, {390, 256}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memset(text, 'l', lengths[i].given);
        text[lengths[i].given] = '\0';
        wdi_interned found = get(t, text);
        assert_int_equal(found.id, 0);
        assert_int_equal(found.n, lengths[i].reported);
    }
}

static void test_string_at_the_end_of_a_page_is_not_read_past_it(void **state) {
    tracked *t = *state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    for (uint32_t n = 0; n <= 40; n++) {
        char *text = pages + page - n - 1;
        memset(text, 'p', n);
        text[n] = '\0';
        uint32_t id = get(t, text).id;
        char elsewhere[64];
        memcpy(elsewhere, text, n + 1);
        assert_int_equal(get(t, elsewhere).id, id);
        assert_int_equal(get(t, text).n, n);
    }
    munmap(pages, 2 * page);
}

static void test_full_table_leaves_strings_inline(void **state) {
    tracked *t = *state;
    char text[32];
    uint32_t inlined = 0;
    for (uint32_t i = 0; i < 2 * WDI_INTERN_STRINGS_MAX; i++) {
        snprintf(text, sizeof text, "key number %u", i);
        inlined += get(t, text).id == 0;
    }
    assert_int_equal(inlined, 2 * WDI_INTERN_STRINGS_MAX - atomic_load(&t->tracker.intern.count));
    assert_true(atomic_load(&t->tracker.intern.count) > WDI_INTERN_STRINGS_MAX * 9 / 10);
    assert_false(event_next(t));
    for (uint32_t i = 0; i < 2 * WDI_INTERN_STRINGS_MAX; i++) {
        snprintf(text, sizeof text, "key number %u", i);
        wdi_interned found = get(t, text);
        if (found.id != 0)
            assert_string_equal(t->texts[found.id], text);
    }
}

static void test_full_ring_gives_no_number_until_there_is_room(void **state) {
    tracked *t = *state;
    while (wdi_ring_put(&t->tracker.ring, WDI_RECORD_CONTEXT, WADI_NORMAL, "filling.", 8, NULL) == WADI_OK) {
    }
    assert_int_equal(get(t, "late").id, 0);
    assert_int_equal(get(t, "late").n, 4);
    assert_false(event_next(t));
    wdi_ring_release(&t->tracker.ring, wdi_ring_cursor(&t->tracker.ring));
    assert_int_equal(get(t, "late").id, 1); /* nothing was left behind */
    assert_int_equal(get(t, "late").id, 1);
}

/* The string's slot, found by filling it. */
static _Atomic uint16_t *slot_of(tracked *t, const char *string) {
    uint32_t id = get(t, string).id;
    for (uint32_t i = 0; i < WDI_INTERN_SLOTS; i++) {
        if (atomic_load(&t->tracker.intern.table->slots[i]) == id)
            return t->tracker.intern.table->slots + i;
    }
    fail();
    return NULL;
}

static void test_slot_being_defined_is_not_waited_for(void **state) {
    tracked *t = *state;
    _Atomic uint16_t *slot = slot_of(t, "contended");
    uint16_t id = atomic_exchange(slot, WDI_INTERN_BUSY); /* as if another thread were at it */
    wdi_interned found = get(t, "contended");
    assert_int_equal(found.id, 0);
    assert_int_equal(found.n, 9);
    atomic_store(slot, id);
    assert_int_equal(get(t, "contended").id, id);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRACKED_TEST(test_number_goes_with_content_not_with_address),
        TRACKED_TEST(test_every_length_has_its_own_number),
        TRACKED_TEST(test_long_and_empty_strings_have_no_number),
        TRACKED_TEST(test_string_at_the_end_of_a_page_is_not_read_past_it),
        TRACKED_TEST(test_full_table_leaves_strings_inline),
        TRACKED_TEST(test_full_ring_gives_no_number_until_there_is_room),
        TRACKED_TEST(test_slot_being_defined_is_not_waited_for),
    };
    return cmocka_run_group_tests_name("intern", tests, NULL, NULL);
}

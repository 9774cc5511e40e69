/* What is found again after the process, or the machine, ended at any moment. */
#include "tests/unit/sdk/ring/ring_fixture.h"

#include "schemas/wire/wire.h"

static const uint8_t other_boot[16] = {9};

/* Records "0", "1", … whose texts tell which they are. */
static uint64_t record_texts(fixture *f, int from, int to) {
    wadi_ticket ticket = 0;
    for (int i = from; i < to; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "record number %d", i);
        assert_int_equal(wdi_ring_put(&f->ring, WDI_RECORD_EVENT, WADI_NORMAL, text, (uint32_t)n, &ticket),
                         WADI_OK);
    }
    return ticket;
}

/* The numbers that come out, as text: "0 1 2 ". */
static wdi_recovery recover(fixture *f, uint64_t position, const uint8_t *boot_id, char *ret_found,
                            size_t n) {
    wdi_recovery recovery;
    wdi_record record;
    wdi_ring_recover(&f->ring, &fixture_run, position, boot_id, &recovery);
    ret_found[0] = '\0';
    size_t at = 0;
    while (wdi_recovery_next(&recovery, &record)) {
        assert_true(record.n > 14 && record.n < 32);
        at += (size_t)snprintf(ret_found + at, n - at, "%.*s ", (int)record.n - 14,
                               (const char *)record.data + 14);
    }
    return recovery;
}

static void assert_recovers(fixture *f, uint64_t position, const uint8_t *boot_id, const char *expected,
                            uint64_t lost_bytes, uint64_t skipped) {
    char found[512];
    fixture_reopen(f);
    wdi_recovery recovery = recover(f, position, boot_id, found, sizeof found);
    assert_string_equal(found, expected);
    assert_int_equal(recovery.lost_bytes, lost_bytes);
    assert_int_equal(recovery.skipped, skipped);
    assert_true(recovery.next_start >= position && recovery.next_start % 8 == 0 && recovery.next_start > 0);
}

static void test_killed_process_loses_nothing(void **state) {
    fixture *f = *state;
    record_texts(f, 0, 4);
    assert_recovers(f, FIXTURE_START, fixture_run.boot_id, "0 1 2 3 ", 0, 0);
    assert_recovers(f, FIXTURE_START + 32, fixture_run.boot_id, "1 2 3 ", 0, 0);
    assert_recovers(f, FIXTURE_START + 128, fixture_run.boot_id, "", 0, 0);
}

static void test_released_part_is_not_looked_at(void **state) {
    fixture *f = *state;
    record_texts(f, 0, 4);
    wdi_record record;
    wdi_ring_read(&f->ring, &record);
    wdi_ring_read(&f->ring, &record);
    wdi_ring_release(&f->ring, record.end);
    assert_recovers(f, record.end, fixture_run.boot_id, "2 3 ", 0, 0);
}

static void test_uncommitted_slots_are_skipped_after_a_kill(void **state) {
    fixture *f = *state;
    uint64_t pos = 0;
    record_texts(f, 0, 1);
    memset(wdi_ring_claim(&f->ring, 100, &pos), 0xAA, 60);
    record_texts(f, 1, 2);
    wdi_ring_claim(&f->ring, 50, &pos);
    wdi_slot_at(&f->ring, pos)->pos = 0; /* died before it could mark */
    record_texts(f, 2, 3);
    wdi_ring_claim(&f->ring, 8, &pos);
    assert_recovers(f, FIXTURE_START, fixture_run.boot_id, "0 1 2 ", 0, 3);
}

static void test_power_cut_keeps_the_unbroken_prefix(void **state) {
    fixture *f = *state;
    uint64_t pos = 0;
    record_texts(f, 0, 2);
    wdi_ring_claim(&f->ring, 8, &pos);
    uint64_t end = record_texts(f, 2, 5);
    assert_recovers(f, FIXTURE_START, other_boot, "0 1 ", end - pos, 0);
}

static void test_power_cut_with_an_old_header_page_counts_what_is_readable(void **state) {
    fixture *f = *state;
    uint64_t end = record_texts(f, 0, 5);
    atomic_store(&f->ring.header->tail, FIXTURE_START);
    assert_recovers(f, FIXTURE_START, other_boot, "0 1 2 3 4 ", 0, 0);
    memset(wdi_slot_at(&f->ring, FIXTURE_START + 32), 0, 32);
    assert_recovers(f, FIXTURE_START, other_boot, "0 ", end - (FIXTURE_START + 64), 0);
    char found[64];
    assert_int_equal(recover(f, FIXTURE_START, other_boot, found, sizeof found).next_start, end);
}

static void test_record_that_crosses_the_tail_is_not_taken(void **state) {
    fixture *f = *state;
    record_texts(f, 0, 4);
    atomic_store(&f->ring.header->tail, FIXTURE_START + 32 + 8);
    assert_recovers(f, FIXTURE_START, fixture_run.boot_id, "0 ", 8, 0);
    atomic_store(&f->ring.header->tail, FIXTURE_START + 32 + 24);
    assert_recovers(f, FIXTURE_START, fixture_run.boot_id, "0 ", 24, 0);
}

static void test_damaged_record_is_lost_alone(void **state) {
    fixture *f = *state;
    record_texts(f, 0, 4);
    wdi_slot_payload(wdi_slot_at(&f->ring, FIXTURE_START + 32))[3] ^= 1;
    assert_recovers(f, FIXTURE_START, fixture_run.boot_id, "0 2 3 ", 32, 0);
}

static void test_store_older_than_the_ring_takes_nothing_behind(void **state) {
    fixture *f = *state;
    wdi_record record;
    record_texts(f, 0, 4);
    wdi_ring_read(&f->ring, &record);
    wdi_ring_release(&f->ring, record.end);
    assert_recovers(f, FIXTURE_START, fixture_run.boot_id, "", 128, 0);
}

static void test_slots_reused_since_an_old_store_are_not_taken(void **state) {
    fixture *f = *state;
    wdi_record record;
    for (int lap = 0; lap < 2100; lap++) { /* over 64 KiB: every slot holds a greater position */
        record_texts(f, lap % 10, lap % 10 + 1);
        assert_int_equal(wdi_ring_read(&f->ring, &record), WDI_RING_RECORD);
        if (lap < 2000)
            wdi_ring_release(&f->ring, record.end);
    }
    char found[64];
    fixture_reopen(f);
    recover(f, FIXTURE_START, fixture_run.boot_id, found, sizeof found);
    assert_string_equal(found, "");
}

static void test_records_of_other_runs_are_not_taken(void **state) {
    fixture *f = *state;
    record_texts(f, 0, 4);
    fixture_reopen(f);
    wdi_recovery recovery;
    wdi_record record;
    wdi_run_id other = fixture_run;
    other.nonce++;
    wdi_ring_recover(&f->ring, &other, FIXTURE_START, fixture_run.boot_id, &recovery);
    assert_false(wdi_recovery_next(&recovery, &record));
    assert_int_equal(recovery.lost_bytes, 128);
    wdi_ring_recover(&f->ring, NULL, 0, fixture_run.boot_id, &recovery);
    assert_false(wdi_recovery_next(&recovery, &record));
    assert_int_equal(recovery.next_start, 8);
}

static void test_start_leaves_nothing_of_the_run_before(void **state) {
    fixture *f = *state;
    uint64_t end = record_texts(f, 0, 4);
    fixture_reopen(f);
    assert_int_equal(wdi_ring_start(&f->ring, &fixture_run, end, FIXTURE_RING_BYTES), WADI_OK);
    assert_recovers(f, end, fixture_run.boot_id, "", 0, 0);
    assert_recovers(f, FIXTURE_START, fixture_run.boot_id, "", 128, 0);
}

static void test_nonsense_positions_yield_nothing(void **state) {
    fixture *f = *state;
    record_texts(f, 0, 4);
    static const uint64_t positions[] = {
        1,          FIXTURE_START + 4, FIXTURE_START + 8, FIXTURE_START + FIXTURE_RING_BYTES,
        UINT64_MAX, UINT64_MAX - 7,    WDI_RING_LIMIT,    UINT64_C(1) << 63};
    for (size_t i = 0; i < sizeof positions / sizeof *positions; i++) {
        char found[64];
        recover(f, positions[i], fixture_run.boot_id, found, sizeof found);
        assert_true(strstr(found, "0") == NULL);
        recover(f, positions[i], other_boot, found, sizeof found);
        assert_true(strstr(found, "0") == NULL);
    }
}

/* ---- random damage ----------------------------------------------------------------------------------- */

#define DAMAGE_RECORDS 200

static void damage(fixture *f, uint64_t *random) {
    uint8_t *file = (uint8_t *)f->ring.header;
    uint64_t bytes = (uint64_t)(f->ring.data - file) + DAMAGE_RECORDS * 40;
    uint64_t n = 1 + fixture_random(random) % 20;
    for (uint64_t i = 0; i < n; i++) {
        uint8_t *at = file + fixture_random(random) % bytes;
        switch (fixture_random(random) % 3) {
        case 0:
            *at ^= (uint8_t)(1u << fixture_random(random) % 8);
            break;
        case 1:
            *at = (uint8_t)fixture_random(random);
            break;
        default:
            memset(at, fixture_random(random) % 2 == 0 ? 0 : 0xFF, fixture_random(random) % 200);
        }
    }
}

/* Whatever the file holds, what comes out was put in, in order, each once. */
static void assert_plausible(fixture *f, const uint8_t *boot_id) {
    wdi_recovery recovery;
    wdi_record record;
    wdi_ring_recover(&f->ring, &fixture_run, FIXTURE_START, boot_id, &recovery);
    int last = -1;
    while (wdi_recovery_next(&recovery, &record)) {
        char text[32] = {0};
        assert_true(record.n > 14 && record.n < sizeof text);
        memcpy(text, record.data, record.n);
        int number = -1;
        assert_int_equal(sscanf(text, "record number %d", &number), 1);
        assert_true(number > last && number < DAMAGE_RECORDS);
        last = number;
    }
    assert_true(recovery.next_start >= FIXTURE_START && recovery.next_start % 8 == 0);
}

static void test_random_damage_yields_less_and_never_wrong(void **state) {
    fixture *f = *state;
    uint64_t random = fixture_seed();
    for (int round = 0; round < 2000; round++) {
        fixture_start(f);
        record_texts(f, 0, DAMAGE_RECORDS);
        damage(f, &random);
        assert_plausible(f, fixture_run.boot_id);
        assert_plausible(f, other_boot);
        if (round % 100 == 0)
            fixture_reopen(f);
    }
}

/* The living consumer over the same damage: it must come to an end, and read nothing that was not recorded.
 */
static void test_random_damage_does_not_stop_the_consumer(void **state) {
    fixture *f = *state;
    uint64_t random = fixture_seed();
    for (int round = 0; round < 2000; round++) {
        fixture_start(f);
        record_texts(f, 0, DAMAGE_RECORDS);
        damage(f, &random);
        wdi_record record;
        int taken = 0;
        while (wdi_ring_read(&f->ring, &record) == WDI_RING_RECORD) {
            assert_true(taken++ < DAMAGE_RECORDS);
            assert_memory_equal(record.data, "record number ", 14);
            wdi_ring_release(&f->ring, wdi_ring_cursor(&f->ring));
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* The store was set aside as damaged: what waited for it in the ring cannot be told from what it had. */
static void test_ring_of_a_store_that_is_gone_counts_as_lost(void **state) {
    fixture *f = *state;
    wdi_recovery recovery;
    wdi_record record;
    uint64_t end = record_texts(f, 0, 4);
    fixture_reopen(f);
    wdi_ring_recover(&f->ring, NULL, 0, other_boot, &recovery);
    assert_false(wdi_recovery_next(&recovery, &record));
    assert_int_equal(recovery.lost_bytes, end - FIXTURE_START);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_killed_process_loses_nothing),
        TEST(test_released_part_is_not_looked_at),
        TEST(test_uncommitted_slots_are_skipped_after_a_kill),
        TEST(test_power_cut_keeps_the_unbroken_prefix),
        TEST(test_power_cut_with_an_old_header_page_counts_what_is_readable),
        TEST(test_record_that_crosses_the_tail_is_not_taken),
        TEST(test_damaged_record_is_lost_alone),
        TEST(test_store_older_than_the_ring_takes_nothing_behind),
        TEST(test_slots_reused_since_an_old_store_are_not_taken),
        TEST(test_records_of_other_runs_are_not_taken),
        TEST(test_start_leaves_nothing_of_the_run_before),
        TEST(test_nonsense_positions_yield_nothing),
        TEST(test_random_damage_yields_less_and_never_wrong),
        TEST(test_random_damage_does_not_stop_the_consumer),
        cmocka_unit_test_setup_teardown(test_ring_of_a_store_that_is_gone_counts_as_lost, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}

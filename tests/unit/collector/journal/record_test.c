#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_record_when_an_entry_is_read_back_then_the_same_and_every_flip_is_noticed(void **unused) {
    (void)unused;
    const uint8_t body[] = "as received";
    uint8_t stored[1 + sizeof(journal_entry) + sizeof body];
    uint8_t *at = stored + 1; /* the database promises no alignment */
    journal_entry e = {.position = 5, .kind = ENTRY_BATCH, .body_bytes = sizeof body, .tenant = "t"}, back;
    wire_span lent;
    record_entry_put(at, &e, body);
    assert_true(record_entry_get(at, sizeof stored - 1, &back, &lent));
    assert_memory_equal(&back, &e, sizeof e);
    assert_memory_equal(lent.data, body, sizeof body);
    assert_true(record_entry_intact(at, sizeof stored - 1));
    assert_false(record_entry_intact(at, sizeof stored - 2));
    assert_false(record_entry_get(at, sizeof e - 1, &back, &lent));
    for (size_t bit = 0; bit < 8 * (sizeof stored - 1); bit++) {
        at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(record_entry_intact(at, sizeof stored - 1));
        at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static uint64_t any_number(void) {
    return ((uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand()) >> (rand() % 64);
}

static void test_record_when_a_state_is_read_back_then_the_same_and_no_cut_is_accepted(void **unused) {
    (void)unused;
    const unsigned seed = 11;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int run = 0; run < 5000; run++) {
        dedup_state s = {.next_seq = any_number(), .chain = any_number(), .entries = any_number()}, back;
        s.last_position = any_number();
        s.mile_position = s.last_position / (1 + any_number() % 9);
        s.last_us = (int64_t)any_number();
        memset(s.installation, rand(), sizeof s.installation);
        uint64_t *counts = &s.sums.numbers;
        for (size_t i = 0; i < sizeof s.sums / sizeof *counts; i++)
            counts[i] = rand() % 3 == 0 ? any_number() : 0;
        uint8_t stored[RECORD_STATE_BYTES_MAX];
        size_t n = record_state_put(stored, &s);
        assert_true(n <= sizeof stored);
        assert_true(record_state_get(stored, n, &back));
        assert_memory_equal(&back, &s, sizeof s);
        for (size_t cut = 0; cut < n; cut++)
            assert_false(record_state_get(stored, cut, &back));
    }
}

static void test_record_when_a_stream_is_ordinary_then_its_state_is_small(void **unused) {
    (void)unused;
    dedup_state s = {.next_seq = 100000, .last_position = 1u << 30, .mile_position = (1u << 30) - 9000};
    s.entries = 400;
    s.sums =
        (ledger){.numbers = 99999, .delivered = 99000, .dropped = {[1] = 999}, .pending = 20, .streams = 1};
    uint8_t stored[RECORD_STATE_BYTES_MAX];
    assert_in_range(record_state_put(stored, &s), 32, 80);
}

static void test_record_when_keys_are_made_then_tenants_stay_apart(void **unused) {
    (void)unused;
    uint8_t id[WIRE_ID_BYTES], other[WIRE_ID_BYTES], a[RECORD_KEY_BYTES_MAX], b[RECORD_KEY_BYTES_MAX];
    memset(id, 'x', sizeof id);
    memset(other, 0, sizeof other);
    size_t n_a = record_stream_key(a, "acme", id), n_b = record_stream_key(b, "acmex", id);
    assert_int_equal(n_a, 4 + 1 + 16);
    assert_int_equal(n_b, 5 + 1 + 16);
    assert_memory_not_equal(a, b, n_a);

    char tenant[SUBMISSION_TENANT_MAX], longest[SUBMISSION_TENANT_MAX];
    uint8_t installation[WIRE_ID_BYTES], stream[WIRE_ID_BYTES];
    memset(longest, 'l', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    size_t n = record_installation_key(a, longest, id, other);
    assert_true(n <= sizeof a);
    assert_true(record_installation_key_get(a, n, tenant, installation, stream));
    assert_string_equal(tenant, longest);
    assert_memory_equal(installation, id, sizeof id);
    assert_memory_equal(stream, other, sizeof other);
    assert_false(record_installation_key_get(a, n - 1, tenant, installation, stream));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_when_an_entry_is_read_back_then_the_same_and_every_flip_is_noticed),
        cmocka_unit_test(test_record_when_a_state_is_read_back_then_the_same_and_no_cut_is_accepted),
        cmocka_unit_test(test_record_when_a_stream_is_ordinary_then_its_state_is_small),
        cmocka_unit_test(test_record_when_keys_are_made_then_tenants_stay_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What wadi_track writes, by the short way and the general one, is what nanopb writes. */
#include "tests/unit/sdk/event/event_fixture.h"

#include "tests/unit/schemas/random_event.h"
#include "tests/unit/schemas/reference.h"

#define POOL 60u

/* Names and keys of every length, and their numbers once they are defined. */
typedef struct pool {
    char texts[POOL][WIRE_TEXT_BYTES_MAX + 1];
    uint32_t ids[POOL];
} pool;

typedef struct made {
    wadi_event event;
    wadi_prop props[WIRE_PROPS_MAX];
    uint32_t name, keys[WIRE_PROPS_MAX]; /* of the pool */
    char bytes[8192];                    /* what values point into */
} made;

static pool names;
static made m;

static void pool_fill(pool *p) {
    for (uint32_t i = 0; i < POOL; i++) {
        uint32_t n = i < POOL - 4 ? i + 2 : WIRE_TEXT_BYTES_MAX - i;
        memset(p->texts[i], 'a' + (int)(i % 26), n);
        snprintf(p->texts[i], sizeof p->texts[i], "%u", i);
        p->texts[i][strlen(p->texts[i])] = n > 2 ? '_' : '\0';
    }
}

/* The numbers that came with the last definitions. */
static void pool_number(pool *p, tracked *t) {
    uint32_t count = atomic_load(&t->tracker.intern.count);
    for (uint32_t id = 1; id <= count; id++) {
        for (uint32_t i = 0; i < POOL; i++) {
            if (strcmp(p->texts[i], t->texts[id]) == 0)
                p->ids[i] = id;
        }
    }
}

static size_t random_bytes(random_source *random) {
    switch (random_below(random, 50)) {
    case 0:
        return random_below(random, 3000);
    case 1:
        return 120 + random_below(random, 20);
    default:
        return random_below(random, 40);
    }
}

static wadi_prop random_value(random_source *random, const char *key) {
    char *text = m.bytes + random_below(random, 4000);
    uint64_t bits = random_bits(random, 64);
    wadi_prop prop = WADI_INT(key, (int64_t)bits);
    switch (random_below(random, 20)) {
    case 0:
        return WADI_BIN(key, text, (uint32_t)random_bytes(random));
    case 1:
    case 2:
        prop = WADI_STR(key, text); /* up to the terminator */
        return prop;
    case 3:
        prop = WADI_STR(key, text);
        prop.size = (uint32_t)random_bytes(random);
        return prop;
    case 4:
    case 5:
        return WADI_BOOL(key, bits % 2 == 0);
    case 6:
    case 7:
        prop = WADI_F64(key, 0);
        memcpy(&prop.value.number, &bits, sizeof bits);
        return prop;
    case 8:
        return WADI_INT(key, -(int64_t)(bits >> 1) - 1);
    case 9:
        return WADI_STR(key, "");
    default:
        return prop;
    }
}

/* Strings of random length: every text ends where the next zero stands. */
static void random_texts(random_source *random) {
    for (size_t at = 0; at < sizeof m.bytes;) {
        size_t end = at + random_bytes(random);
        for (; at < end && at < sizeof m.bytes - 1; at++)
            m.bytes[at] = (char)(1 + random_below(random, 255));
        m.bytes[at++] = '\0';
        if (at >= sizeof m.bytes - 1)
            break;
    }
    m.bytes[sizeof m.bytes - 1] = '\0';
}

static void random_make(random_source *random, uint64_t round) {
    uint64_t shape = random_below(random, 100);
    m.event = (wadi_event)WADI_EVENT_INIT;
    m.event.n_props = (size_t)random_below(random, shape == 0 ? 100 : shape < 5 ? 27 : 9);
    m.event.props = m.props;
    m.event.priority = (wadi_priority)random_below(random, 4);
    m.event.has_time = random_below(random, 10) == 0;
    m.event.time_us = (int64_t)random_bits(random, 55) - (INT64_C(1) << 54);
    m.name = (uint32_t)random_below(random, POOL);
    m.event.name = names.texts[m.name];
    if (round % 64 == 0)
        random_texts(random);
    for (size_t i = 0; i < m.event.n_props; i++) {
        m.keys[i] =
            (uint32_t)(random_below(random, 4) == 0 ? random_below(random, POOL) : (m.name + i) % POOL);
        m.props[i] = random_value(random, names.texts[m.keys[i]]);
    }
}

static wire_prop prop_expected(const wadi_prop *prop, uint32_t key) {
    static const uint8_t types[] = {WIRE_STRING, WIRE_INT, WIRE_DOUBLE, WIRE_FALSE, WIRE_BYTES};
    wire_prop out = {.key_id = names.ids[key], .type = types[prop->type], .key = names.texts[key]};
    out.key_len = (uint8_t)strlen(out.key);
    if (prop->type == WADI_TYPE_INT)
        out.v.i = prop->value.integer;
    else if (prop->type == WADI_TYPE_DOUBLE)
        out.v.d = prop->value.number;
    else if (prop->type == WADI_TYPE_BOOL)
        out.type = prop->value.boolean != 0 ? WIRE_TRUE : WIRE_FALSE;
    else
        out.v.s.data = prop->value.bytes;
    if (prop->type == WADI_TYPE_BYTES || prop->type == WADI_TYPE_STRING)
        out.v.s.n =
            prop->type == WADI_TYPE_STRING && prop->size == 0 ? strlen(prop->value.string) : prop->size;
    return out;
}

static void assert_as_nanopb(tracked *t, uint32_t context) {
    static wire_prop props[WIRE_PROPS_MAX];
    static uint8_t by_nanopb[WIRE_EVENT_BYTES_MAX];
    wire_event expected = {
        .name_id = names.ids[m.name],
        .name = m.event.name,
        .name_len = (uint8_t)strlen(m.event.name),
        .at_us = t->view.at_us,
        .context = context,
        .priority = (uint32_t)m.event.priority,
        .has_time = m.event.has_time != 0,
        .time_us = m.event.time_us,
        .props = props,
        .n_props = m.event.n_props,
    };
    for (size_t i = 0; i < m.event.n_props; i++)
        props[i] = prop_expected(&m.props[i], m.keys[i]);
    size_t n = reference_event_encode(&expected, by_nanopb, sizeof by_nanopb);
    assert_int_equal(t->record.n, n);
    assert_memory_equal(t->record.data, by_nanopb, n);
}

static void test_random_events_are_written_as_nanopb_writes_them(void **state) {
    tracked *t = *state;
    random_source random = random_open("encode");
    const uint64_t rounds = random_rounds("WADI_TEST_EVENTS", 1000000);
    uint32_t context = 0, known = 0, large = 0;
    pool_fill(&names);
    for (uint64_t i = 0; i < rounds; i++) {
        if (i % 1000 == 500) {
            context = (uint32_t)random_bits(&random, 32);
            t->tracker.boot_us = base_boot_us() - random_bits(&random, 57);
            assert_int_equal(wdi_tracker_set_context(&t->tracker, context, "x", 1), WADI_OK);
        }
        random_make(&random, i);
        wadi_err err = wadi_track_ex(handle(t), &m.event, NULL);
        large += err == WADI_ERR_TOO_LARGE;
        assert_true(err == WADI_OK || err == WADI_ERR_TOO_LARGE);
        bool recorded = event_next(t);
        assert_int_equal(recorded, err == WADI_OK);
        if (atomic_load(&t->tracker.intern.count) != known)
            pool_number(&names, t);
        known = atomic_load(&t->tracker.intern.count);
        if (recorded)
            assert_as_nanopb(t, context);
        wdi_ring_release(&t->tracker.ring, wdi_ring_cursor(&t->tracker.ring));
    }
    assert_true(large <= rounds / 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {TRACKED_TEST(test_random_events_are_written_as_nanopb_writes_them)};
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}

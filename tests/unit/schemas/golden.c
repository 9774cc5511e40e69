#include "tests/unit/schemas/golden.h"

#include "tests/unit/schemas/reference_record.h"

/* ---- events ----------------------------------------------------------------------------------- */

static const wire_prop by_id[] = {
    {.key_id = 1, .type = WIRE_STRING, .v.s = {"/preise/ä", 10}},
    {.key_id = 2, .type = WIRE_INT, .v.i = -2},
    {.key_id = 3, .type = WIRE_INT, .v.i = INT64_MAX},
    {.key_id = 4, .type = WIRE_DOUBLE, .v.d = 0.1},
    {.key_id = 5, .type = WIRE_FALSE},
    {.key_id = 6, .type = WIRE_TRUE},
    {.key_id = 200, .type = WIRE_BYTES, .v.s = {"\x00\xff", 2}},
    {.key_id = 8, .type = WIRE_STRING, .v.s = {"", 0}},
};
const wire_event golden_event = {
    .name_id = 9, .at_us = 1500000, .context = 1, .priority = 3, .props = by_id, .n_props = 8};

static const wire_prop by_name[] = {
    {.key = "size", .key_len = 4, .type = WIRE_INT, .v.i = 3},
    {.key_id = 1, .type = WIRE_STRING, .v.s = {"x", 1}},
    {.key = "ok", .key_len = 2, .type = WIRE_TRUE},
};
const wire_event golden_event_inline = {.name = "start",
                                        .name_len = 5,
                                        .at_us = 2000000,
                                        .has_time = true,
                                        .time_us = INT64_C(1431590401000000),
                                        .props = by_name,
                                        .n_props = 3};

static size_t event_encode(uint8_t *out) { return wire_event_encode(out, &golden_event); }
static size_t event_inline_encode(uint8_t *out) { return wire_event_encode(out, &golden_event_inline); }

/* ---- batch ------------------------------------------------------------------------------------ */

/* clang-format off */
#define TEXT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
/* clang-format on */

static const wire_definition definitions[] = {
    {1, TEXT("path")},    {2, TEXT("delta")},     {3, TEXT("bytes")},
    {4, TEXT("seconds")}, {5, TEXT("cached")},    {6, TEXT("first")},
    {8, TEXT("empty")},   {9, TEXT("page_view")}, {200, TEXT("digest")},
};
static const wire_span contexts[] = {TEXT("\x08\x01\x12\x03"
                                          "u-1\x1a\x03"
                                          "s-1\x22\x0b\x0a\x03"
                                          "app\x12\x04"
                                          "demo")};
static const uint32_t crcs[] = {0xdeadbeef, 0x00000001, 0xffffffff};
static const wire_dropped dropped[] = {
    {.first_seq = 43, .reason = 1, .crcs = crcs, .n = 2},
    {.first_seq = 46, .reason = 3, .crcs = crcs + 2, .n = 1},
};
const wire_batch_head golden_head = {
    .installation = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    .stream = {16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
    .first_seq = 42,
    .chain = 0x0123456789abcdef,
    .low = 40,
    .resent_through = 41,
    .pending = 1000,
    .refused = 7,
    .run = {.ordinal = 3,
            .nonce = 0x12345678,
            .boot_id = {0xb0, 0xb1},
            .boot_us = 5000000,
            .wall_us = INT64_C(1431590400000000),
            .sdk = TEXT("libwadi/0.1.0")},
    .clock = {.boot_id = {0xb0, 0xb1},
              .boot_us = 9000000,
              .wall_us = INT64_C(1431590404000000),
              .has_offset = true,
              .offset_us = INT64_C(1431590395000123),
              .offset_error_us = 1500,
              .has_not_after = true,
              .not_after_us = INT64_C(1431590500000000)},
    .definitions = definitions,
    .n_definitions = sizeof definitions / sizeof definitions[0],
    .contexts = contexts,
    .n_contexts = 1,
    .dropped = dropped,
    .n_dropped = 2,
};

static size_t batch_encode(uint8_t *out) {
    const wire_event *const events[] = {&golden_event, &golden_event_inline};
    size_t n = 0;
    if (wire_batch_head_encode(&golden_head, out, GOLDEN_BYTES_MAX, &n) != WIRE_OK)
        return 0;
    for (int i = 0; i < 2; i++) {
        n += wire_frame_put(out + n, wire_event_size(events[i]));
        n += wire_event_encode(out + n, events[i]);
    }
    return n;
}

/* ---- ack -------------------------------------------------------------------------------------- */

const wire_ack golden_ack_ok = {.status = WIRE_STATUS_OK,
                                .agreed_through = 46,
                                .collector = "eu-1",
                                .received_us = INT64_C(1431590404100000),
                                .sent_us = INT64_C(1431590404103000),
                                .settings_version = 2};
const wire_ack golden_ack_unverified = {.status = WIRE_STATUS_UNVERIFIED,
                                        .next_seq = 44,
                                        .chain = 0xfedcba9876543210,
                                        .collector = "eu-1",
                                        .received_us = -1,
                                        .sent_us = 1,
                                        .retry_after_ms = 250,
                                        .message = "the journal no longer holds number 43",
                                        .refused_seq = 45};

static size_t ack_encode(const wire_ack *ack, uint8_t *out) {
    size_t n = 0;
    return wire_ack_encode(ack, out, GOLDEN_BYTES_MAX, &n) == WIRE_OK ? n : 0;
}

static size_t ack_ok_encode(uint8_t *out) { return ack_encode(&golden_ack_ok, out); }
static size_t ack_unverified_encode(uint8_t *out) { return ack_encode(&golden_ack_unverified, out); }

/* ---- record ----------------------------------------------------------------------------------- */

static const reference_field app = {.key = TEXT("app"), .type = WIRE_STRING, .s = TEXT("demo")};
static const reference_field values[] = {
    {.key = TEXT("path"), .type = WIRE_STRING, .s = TEXT("/")},
    {.key = TEXT("delta"), .type = WIRE_INT, .i = -2},
    {.key = TEXT("seconds"), .type = WIRE_DOUBLE, .d = 0.1},
    {.key = TEXT("cached"), .type = WIRE_FALSE},
    {.key = TEXT("digest"), .type = WIRE_BYTES, .s = TEXT("\x00\xff")},
};
static const reference_field range[] = {
    {.key = TEXT("first_seq"), .type = WIRE_INT, .i = 43},
    {.key = TEXT("last_seq"), .type = WIRE_INT, .i = 44},
    {.key = TEXT("count"), .type = WIRE_INT, .i = 2},
    {.key = TEXT("reason"), .type = WIRE_STRING, .s = TEXT("disk_quota")},
};

static size_t record_encode(uint8_t *out) {
    const reference_record record = {.name = TEXT("page_view"),
                                     .time_us = INT64_C(1431590401500123),
                                     .time_quality = 1,
                                     .received_us = INT64_C(1431590404100000),
                                     .installation = golden_head.installation,
                                     .stream = golden_head.stream,
                                     .seq = 42,
                                     .run = 3,
                                     .late = true,
                                     .resent = true,
                                     .user = TEXT("u-1"),
                                     .session = TEXT("s-1"),
                                     .context = &app,
                                     .n_context = 1,
                                     .properties = values,
                                     .n_properties = 5,
                                     .time_error_us = 1500};
    return reference_record_encode(&record, out, GOLDEN_BYTES_MAX);
}

static size_t record_dropped_encode(uint8_t *out) {
    const reference_record record = {.name = TEXT("_wadi.dropped"),
                                     .time_us = INT64_C(1431590401500123),
                                     .time_quality = 3,
                                     .received_us = INT64_C(1431590404100000),
                                     .installation = golden_head.installation,
                                     .stream = golden_head.stream,
                                     .seq = 43,
                                     .run = 3,
                                     .properties = range,
                                     .n_properties = 4,
                                     .time_error_us = 2600000,
                                     .tenant = TEXT("acme")};
    return reference_record_encode(&record, out, GOLDEN_BYTES_MAX);
}

const golden_file golden_files[] = {
    {"event", "Event", event_encode},
    {"event-inline", "Event", event_inline_encode},
    {"batch", "Batch", batch_encode},
    {"ack-ok", "Ack", ack_ok_encode},
    {"ack-unverified", "Ack", ack_unverified_encode},
    {"record", "Record", record_encode},
    {"record-dropped", "Record", record_dropped_encode},
};
const size_t golden_files_n = sizeof golden_files / sizeof golden_files[0];

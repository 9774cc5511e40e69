#include "schemas/wire/wire.h"

#include "sdk/src/base/crc32c.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof(a)[0])

uint32_t wire_crc_seed(uint32_t nonce) {
    const uint8_t bytes[4] = {(uint8_t)nonce, (uint8_t)(nonce >> 8), (uint8_t)(nonce >> 16),
                              (uint8_t)(nonce >> 24)};
    return base_crc32c(0, bytes, sizeof bytes);
}

uint32_t wire_crc_event(uint32_t seed, const void *event, size_t n) { return base_crc32c(seed, event, n); }

const char *wire_strerror(wire_err err) {
    switch (err) {
    case WIRE_OK:
        return "ok";
    case WIRE_ERR_TRUNCATED:
        return "a length points behind the end";
    case WIRE_ERR_MALFORMED:
        return "not protobuf, or not in canonical form";
    case WIRE_ERR_TYPE:
        return "a field has the wrong wire type";
    case WIRE_ERR_LIMIT:
        return "larger than the limits allow";
    case WIRE_ERR_VALUE:
        return "a value that cannot be";
    case WIRE_ERR_UNDEFINED:
        return "an event refers to a definition or context that the batch lacks";
    case WIRE_ERR_VERSION:
        return "a wire version that is not known here";
    case WIRE_ERR_SPACE:
        return "the output buffer is too small";
    }
    return "unknown error";
}

const char *wire_drop_reason_name(uint32_t reason) {
    static const char *const names[] = {"unspecified", "disk_quota", "age",       "refused",
                                        "corrupt",     "consent",    "too_large", "store_lost"};
    return reason < ARRAY_LEN(names) ? names[reason] : "unknown";
}

const char *wire_time_quality_name(uint32_t quality) {
    static const char *const names[] = {"unspecified", "exact", "estimated", "bounded", "explicit"};
    return quality < ARRAY_LEN(names) ? names[quality] : "unknown";
}

/* wire_ack_decode on any bytes: what it takes is terminated, and survives being encoded and read again. */
#include "schemas/wire/wire.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    wire_ack ack, again;
    uint8_t out[WIRE_ACK_BYTES_MAX];
    size_t n = 0;
    if (wire_ack_decode(data, size, &ack) != WIRE_OK)
        return 0;
    require(memchr(ack.collector, 0, sizeof ack.collector) && memchr(ack.message, 0, sizeof ack.message));
    require(wire_ack_encode(&ack, out, sizeof out, &n) == WIRE_OK);
    require(wire_ack_decode(out, n, &again) == WIRE_OK);
    require(again.status == ack.status && again.agreed_through == ack.agreed_through);
    require(again.next_seq == ack.next_seq && again.chain == ack.chain);
    require(strcmp(again.collector, ack.collector) == 0 && strcmp(again.message, ack.message) == 0);
    return 0;
}

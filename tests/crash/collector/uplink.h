/* uplink: a device's connection to a collector that may be gone at any moment. One thread; blocks, with
 * deadlines. */
#ifndef CRASH_UPLINK_H
#define CRASH_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "schemas/wire/wire.h"
#include "sdk/src/base/tls.h"
#include "tests/bench/collector/exchange.h"
#include "tests/bench/collector/load.h"

typedef struct uplink {
    base_tls *tls;         /* borrowed */
    const char *port_file; /* borrowed; holds the collector's port of today */
    int fd;
    base_tls_conn *conn;
    uint8_t request[LOAD_BODY_BYTES_MAX + EXCHANGE_HEAD_BYTES_MAX];
    uint8_t answer[EXCHANGE_ANSWER_BYTES_MAX];
} uplink;

void uplink_init(uplink *u, base_tls *tls, const char *port_file);
void uplink_close(uplink *u);

/* Connects if need be. false: nobody there. */
bool uplink_open(uplink *u);

/* Posts a batch and waits for its Ack. false: the connection broke; it is closed. */
bool uplink_exchange(uplink *u, wire_span body, int *ret_status, wire_ack *ret_ack);

#endif

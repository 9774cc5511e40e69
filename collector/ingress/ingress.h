/* ingress: the collector's door for devices. TLS, HTTP/1.1, limits, and the shape of a batch.
 *
 * POST /v1/batches becomes a submission to the journal; its answer goes out when the journal's has come.
 * Every answer of that path is an Ack, an error's too.
 *
 * N loops, a thread each. A connection belongs to one loop for its life; loop 0 accepts, and deals
 * connections out in turn, so that the loops stay even. The loops are libevent's, with its plain events
 * and not its bufferevents: TLS works on the socket itself, so every byte is copied once less, and an idle
 * connection holds no buffers but those of TLS.
 *
 * May use: base, config, and of the journal its endpoints. May not use: order, sinks, admin.
 */
#ifndef INGRESS_INGRESS_H
#define INGRESS_INGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/config/config.h"

#define INGRESS_QUEUE_MAX 1024u /* submissions of one loop that the journal has not answered */

typedef struct ingress ingress;

typedef enum ingress_err {
    INGRESS_OK = 0,
    INGRESS_ERR_ADDRESS, /* `listen` cannot be bound */
    INGRESS_ERR_TLS,     /* certificate, key or authorities */
    INGRESS_ERR_SYSTEM,
} ingress_err;

typedef struct ingress_limits {
    uint64_t connections;
    uint64_t header_bytes;
    uint64_t body_bytes;
    uint64_t decompressed_bytes;
    uint64_t batch_numbers;
    uint64_t buffered_bytes; /* bodies in memory, all loops together: beyond it 503. 0: 256 MiB */
} ingress_limits;

typedef struct ingress_timeouts {
    uint64_t handshake_us; /* from accepting to the end of the handshake */
    uint64_t header_us;    /* from the first byte of a request to the end of its head */
    uint64_t body_us;      /* from there to the end of the body; also for the peer to take an answer */
    uint64_t idle_us;      /* between requests */
} ingress_timeouts;

/* Everything is borrowed until ingress_close. */
typedef struct ingress_options {
    const char *collector; /* id, for Ack.collector */
    const char *listen;    /* "[::]:8443"; port 0 takes a free one */
    int listen_backlog;
    uint32_t n_loops;
    const char *cert_file, *key_file;
    const char *client_ca_file; /* when client_auth */
    bool client_auth;           /* a client certificate is required; its common name is the tenant */
    bool tls13_only;
    const struct config_api_key *api_keys; /* none, and no client_auth: everybody is `default` */
    size_t n_api_keys;
    ingress_limits limits;
    ingress_timeouts timeouts;
    int64_t (*now_us)(void *context); /* the clock of received_us, for answers that the journal has no part
                                         in; any loop's thread. NULL: those carry no times */
    void *now_context;
    void *zmq; /* the process's ZeroMQ context */
} ingress_options;

/* Loads the certificates, binds, and connects to the journal, which is open. Logs why it fails. */
ingress_err ingress_open(const ingress_options *opt, ingress **ret_ingress);

/* The port that it is bound to. */
uint16_t ingress_port(const ingress *in);

/* Starts the loops' threads. */
ingress_err ingress_run(ingress *in);

/* From now on nobody is accepted, idle connections end, and what is under way is answered with
 * `Connection: close`. Does not wait. Any thread. */
void ingress_stop_accepting(ingress *in);

/* ingress_stop_accepting, then waits until every connection has ended, at most until `deadline_us` of the
 * monotonic clock. The journal has to be running meanwhile. */
void ingress_stop(ingress *in, uint64_t deadline_us);

/* After ingress_stop (or without ingress_run), and after journal_stop: takes back what the journal has
 * answered since. Accepts NULL. */
void ingress_close(ingress *in);

#endif

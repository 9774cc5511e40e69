/* channel: one connection to a broker, over TCP or TLS, open for requests: it has agreed on versions and
 * authenticated itself. Errors are said in link->message. One thread. */
#ifndef SINKS_KAFKA_CHANNEL_H
#define SINKS_KAFKA_CHANNEL_H

#include "frame.h"
#include "kafka/link.h"
#include "sdk/src/base/tls.h"

typedef struct channel channel;

/* What all connections of a producer have in common. Borrowed, all of it. */
typedef struct channel_setup {
    kafka_link *link;
    base_tls *tls; /* NULL: none */
    const char *client_id;
} channel_setup;

#define HOST_SIZE 256u

typedef struct broker_address {
    char host[HOST_SIZE];
    uint16_t port;
} broker_address;

/* Blocks, for a bounded time. *ret_unfit, which is set if the error is one that only librdkafka may know a
 * way around: a handshake, a password or versions that do not come together. */
sink_err channel_open(const channel_setup *setup, const broker_address *to, channel **ret_channel,
                      bool *ret_unfit);
/* Accepts NULL. */
void channel_close(channel *c);

/* The latest version of both sides up to `most`; negative: there is none from `least`. */
int16_t channel_version(const channel *c, api what, int16_t least, int16_t most);

/* Begins a request, whose correlation is returned. */
int32_t channel_request(channel *c, frame *f, api what, int16_t version);

/* Whether nothing was heard for so long, or the password's session is so old, that it should be opened anew
 * before it is used again, or whether the broker has closed it. Only while no answer is awaited. */
bool channel_stale(channel *c);

/* As many bytes as go without waiting: *ret_done. After fewer than n, repeats with what is left. */
sink_err channel_write(channel *c, const uint8_t *data, size_t n, size_t *ret_done);
/* One answer, behind its correlation, lent until the next call; *ret_there is false when it has not come. */
sink_err channel_read(channel *c, int32_t *ret_correlation, answer *ret_answer, bool *ret_there);
/* For poll. */
int channel_fd(const channel *c);

/* A request and its answer, with nothing else on the way. Blocks, at most so long. */
sink_err channel_call(channel *c, frame *request, uint32_t most_ms, answer *ret_answer);

#endif

/* link: what a sink knows of its cluster for longer than one producer lives: its names, what a person is
 * told, and when waiting is over. Inside this folder only. One thread. */
#ifndef SINKS_KAFKA_LINK_H
#define SINKS_KAFKA_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "kafka_target.h"
#include "names.h"
#include "oversize.h"
#include "records.h"
#include "refusals.h"
#include "registry.h"

struct kafka_link {
    kafka_options opt;
    const char *collector, *sink;
    char owner[33]; /* the start id in hex: who we are in `<transactional.id>/owners` */
    kafka_names names;
    struct producer *producer;          /* the one that lives now, for delivery reports */
    char history[RECORDS_HISTORY_SIZE]; /* of the checkpoint topic */
    uint64_t claims;                    /* how often we tried to become the owner */
    bool owned;                         /* we were the owner once, so another one came after us */
    registry *registry;                 /* NULL: none */
    size_t message_bytes_max;           /* librdkafka's message.max.bytes */
    uint32_t propagation_ms;            /* how long a topic that is not there is waited for */
    oversize oversize;
    refusals refusals;
    char message[256]; /* what went wrong last; empty: nothing */
};

/* Sets what a person is told. */
void link_say(kafka_link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `most_ms` from now, or less when the collector stops; of the monotonic clock. */
uint64_t link_deadline_us(const kafka_link *link, uint32_t most_ms);
/* What is left until then, at most `most_ms`; 0: nothing. */
int link_left_ms(const kafka_link *link, uint64_t deadline_us, uint32_t most_ms);

#endif

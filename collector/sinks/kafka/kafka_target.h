/* kafka_target: epochs as transactions. One holds the messages of an epoch and, in a partition of the sink's
 * own, its checkpoint: a reader with `isolation.level=read_committed` sees both or neither.
 *
 *     recover   checkpoint topic there? ─▶ owner still us? ─▶ init_transactions: whoever had our
 *               transactional.id is fenced off, what he had begun is aborted ─▶ checkpoint read up to the
 *               end that the partition has now ─▶ owner written
 *     begin     nothing yet
 *     take      the first one begins the transaction; rows become messages
 *     commit    checkpoint added, transaction committed
 *
 * After any error the producer is destroyed and all of it starts again at recover: then the checkpoint says
 * whether a commit whose answer was lost took place. A commit is never repeated on the same producer.
 *
 * The checkpoint topic, of one partition, holds two keys: `<transactional.id>` with the last commit's
 * manifest, and `<transactional.id>/owners` with the starts of collectors that owned the id, newest last. A
 * producer that was fenced reads there whether another collector has taken over (then it stops for good),
 * whether somebody deleted the topic (then only this sink stops), or whether the broker only lost patience
 * with a transaction of its own.
 *
 * Messages: key, the installation in hex; timestamp, the event time; headers name, stream, seq and late.
 */
#ifndef SINKS_KAFKA_KAFKA_TARGET_H
#define SINKS_KAFKA_KAFKA_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kafka_options.h"
#include "target.h"

/* What a sink knows of its cluster for longer than one producer lives. */
typedef struct kafka_link kafka_link;

/* Everything is borrowed until kafka_link_free. NULL: out of memory, or a setting that librdkafka refuses,
 * which is logged. */
kafka_link *kafka_link_new(const kafka_options *opt, const char *collector, const char *sink,
                           const uint8_t start_id[16]);
void kafka_link_free(kafka_link *link);

/* A target at a time. Does not touch the network; recover does. */
sink_err kafka_target_open(kafka_link *link, sink_target *ret_target);

#endif

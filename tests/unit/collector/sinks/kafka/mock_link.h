/* mock_link: a link whose producers have the cluster that librdkafka has in it for tests. */
#ifndef TESTS_KAFKA_MOCK_LINK_H
#define TESTS_KAFKA_MOCK_LINK_H

#include "kafka/producer.h"

/* Of kafka_options. */
extern _Atomic uint64_t mock_give_up_us;

/* `topic` is borrowed. Asserts that there is one. */
kafka_link *mock_link_new(const char *topic);
/* One without a cluster, to be found at `brokers`: nothing keeps its producers from the direct plane. */
kafka_link *mock_link_to(const char *brokers, const char *topic);
/* With transactions. */
producer *mock_producer_open(kafka_link *link);

#endif

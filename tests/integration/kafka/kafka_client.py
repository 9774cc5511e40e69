"""What the tests read from Kafka with: confluent-kafka, read_committed."""

import os
import time
import uuid

import confluent_kafka

READ_S = 60
# Who is to send the events of the tests' sinks: the tests of librdkafka's path are the same ones.
PRODUCER = os.environ.get("WADI_TEST_KAFKA_PRODUCER", "auto")


def consumer_of(bootstrap, **settings):
    return confluent_kafka.Consumer({
        "bootstrap.servers": bootstrap, "group.id": f"reader-{uuid.uuid4()}", "enable.auto.commit": False,
        "log_level": 2, "isolation.level": "read_committed", "auto.offset.reset": "earliest",
        "topic.metadata.refresh.interval.ms": 500, **settings})


def committed(bootstrap, *topics, **settings):
    """Every committed message of the topics, in the order of each partition, up to where each is stable now."""
    consumer = consumer_of(bootstrap, **{"enable.partition.eof": True, **settings})
    try:
        known = consumer.list_topics(timeout=READ_S).topics
        parts = [confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING)
                 for topic in topics if topic in known for p in known[topic].partitions]
        ends = {(p.topic, p.partition): consumer.get_watermark_offsets(p, READ_S)[1] for p in parts}
        consumer.assign(parts)
        yield from _read(consumer, ends)
    finally:
        consumer.close()


def _read(consumer, ends):
    open_parts, until = {part for part, end in ends.items() if end > 0}, time.monotonic() + READ_S
    while open_parts:
        for message in consumer.consume(1000, timeout=0.2):
            part = message.topic(), message.partition()
            if not message.error():
                until = time.monotonic() + READ_S
                yield message
            elif message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
                raise RuntimeError(f"cannot read {part}: {message.error()}")
            elif message.offset() >= ends[part]:
                open_parts.discard(part)
        if time.monotonic() > until:
            raise RuntimeError(f"not read to the end within {READ_S} s: {open_parts}")


class Follower:
    """Counts what is committed in a topic, again and again, while it grows."""

    def __init__(self, bootstrap, topic):
        self.seen, self.consumer = 0, consumer_of(bootstrap)
        self.consumer.subscribe([topic])

    def count(self):
        while True:
            messages = self.consumer.consume(10000, timeout=0.1)
            self.seen += sum(not message.error() for message in messages)
            if all(message.error() for message in messages):
                return self.seen

"""Prints the first committed events of a topic, and waits until it has seen COUNT of them. None may come twice.

    consume.py BROKERS TOPIC COUNT"""

import json
import sys

import confluent_kafka

SHOWN = 5


def main(brokers, topic, count):
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": brokers, "group.id": "example", "auto.offset.reset": "earliest",
        "isolation.level": "read_committed", "topic.metadata.refresh.interval.ms": 500})
    consumer.subscribe([topic])
    ids = set()
    while len(ids) < count:
        message = consumer.poll(30)
        if message is None:
            sys.exit(f"only {len(ids)} of {count} events within 30 s")
        if message.error():
            continue  # the topic is not there yet
        event = json.loads(message.value())
        if (event["stream"], event["seq"]) in ids:
            sys.exit(f"twice: {event}")
        ids.add((event["stream"], event["seq"]))
        if len(ids) <= SHOWN:
            print(message.topic(), event["time"], event["name"], event["properties"].get("path"))
    consumer.close()
    print(f"… {len(ids)} events in {topic}, each once")


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

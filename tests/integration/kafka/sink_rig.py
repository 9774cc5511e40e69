"""A collector with a Kafka sink, and events for it, for tests that read what stands in Kafka in the end."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import sink_collector  # noqa: E402
from sink_collector import FENCED, eventually, rig  # noqa: E402,F401
from kafka_client import PRODUCER, committed  # noqa: E402


class Collector(sink_collector.Collector):
    """`kafka` are the sink's settings, over those that every test wants."""

    def __init__(self, place, bootstrap, sink="stream", kafka=None, **settings):
        self.bootstrap, self.reader = bootstrap, {}
        super().__init__(place, {"name": sink, "type": "kafka", "roll_interval": "200ms", **settings,
                                 "kafka": {"brokers": bootstrap, "topic": sink, "producer": PRODUCER, **(kafka or {})}})


def values(bootstrap, *topics, **reader):
    return [json.loads(message.value()) for message in committed(bootstrap, *topics, **reader)]


def numbers(bootstrap, *topics, **reader):
    """The `n` of each event there, in the order of the topic."""
    return [value["properties"]["n"] for value in values(bootstrap, *topics, **reader)]


def await_numbers(collector, expected, *topics):
    topics = topics or (collector.sink,)
    def read():
        return numbers(collector.bootstrap, *topics, **collector.reader)
    eventually(lambda: len(read()) >= len(expected), f"{len(expected)} events", collector)
    found = read()
    if sorted(found) != sorted(expected):
        raise rig.Failure(f"expected {expected}, found {found}")

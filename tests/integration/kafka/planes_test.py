"""Who sends the events makes no difference: the collector in batches of its own, by every codec, and librdkafka
write the same messages into the same partitions, as a reader that is neither of them finds."""

import collections
import json
import pathlib
import random
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import real

real.needs("kafka", "readers")

from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from kafka_client import committed  # noqa: E402
from sink_rig import Collector, eventually, numbers, rig  # noqa: E402

PARTITIONS, DEVICES, EVENTS = 5, 6, 800
SINKS = {
    "by-librdkafka": {"producer": "librdkafka"},
    "by-a-setting": {"rdkafka": {"batch.num.messages": "100"}},
    "direct-lz4": {},
    "direct-zstd": {"compression": "zstd"},
    "direct-none": {"compression": "none"},
    # a request for every few events, several under way at a time
    "direct-small": {"rdkafka": {"batch.size": "3000"}},
    # no memory for more than a few of them
    "direct-tight": {"buffer": "1MiB", "compression": "none"},
}


class SinksCollector(Collector):
    """With a sink for each of SINKS."""

    def configure(self, **settings):
        super().configure(**settings)
        with open(self.config, "a", encoding="utf-8") as file:
            for name, kafka in SINKS.items():
                sink = {"name": name, "type": "kafka", "roll_interval": "500ms",
                        "kafka": {"brokers": self.bootstrap, "topic": name, **kafka}}
                file.write(f"  - {json.dumps(sink)}\n")


def events(device):
    """Of all sizes that a length's number has."""
    chance = random.Random(device)
    for n in range(EVENTS):
        size = 30000 if n % 25 == 7 else chance.choice((0, 1, 63, 64, 500, 8000 if n % 20 == 0 else 30))
        yield f"näme {n % 7}", {"n": EVENTS * device + n, "text": "é" * (size // 2), "noise": chance.random()}


def messages(bootstrap, topic):
    """{partition: its messages, in order}"""
    found = collections.defaultdict(list)
    for m in committed(bootstrap, topic):
        found[m.partition()].append((m.key(), m.timestamp(), tuple(m.headers() or ()), m.value()))
    return found


class PlanesTest(unittest.TestCase):
    def test_all_write_the_same(self):
        place = tempfile.TemporaryDirectory(prefix="wadi-kafka-planes-")
        self.addCleanup(place.cleanup)
        kafka = real.Kafka(pathlib.Path(place.name) / "kafka").start()
        self.addCleanup(kafka.kill)
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
        for made in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in SINKS]).values():
            made.result(rig.DEADLINE_S)
        c = SinksCollector(pathlib.Path(place.name) / "collector", kafka.bootstrap, "one-more")
        self.addCleanup(c.kill)
        c.start()
        for device in range(DEVICES):
            c.send(events(device))
        for sink in SINKS:
            eventually(lambda: c.metric("sink_events_total", f'sink="{sink}"') == DEVICES * EVENTS, f"all in {sink}", c)
        expected = messages(kafka.bootstrap, "by-librdkafka")
        self.assertEqual(sorted(numbers(kafka.bootstrap, "by-librdkafka")), list(range(DEVICES * EVENTS)))
        for sink in SINKS:
            found = messages(kafka.bootstrap, sink)
            self.assertEqual(set(found), set(expected), sink)
            for partition in expected:
                self.assertTrue(found[partition] == expected[partition], f"{sink}, partition {partition}")
        log = c.log.read_text()
        for sink in SINKS:
            plane = "direct" if sink.startswith("direct") else "librdkafka"
            self.assertRegex(log, f'msg="kafka producer" sink={sink} plane={plane} ')
        self.assertRegex(log, "sink=by-a-setting plane=librdkafka why=batch.num.messages")
        self.assertEqual(c.metric("kafka_producers_total", 'plane="librdkafka"'), 2)


unittest.main()

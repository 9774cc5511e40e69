"""That the Kafka of the tests proves what we use it for: it fences the older of two producers, hides what was
not committed from read_committed, and keeps what was committed through a kill."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import real

real.needs("kafka", "readers")

import confluent_kafka  # noqa: E402
from kafka_client import committed  # noqa: E402

DEADLINE_S = 60
TOPIC = "events"


def producer(kafka):
    made = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": "one", "log_level": 2})
    made.init_transactions(DEADLINE_S)
    made.begin_transaction()
    return made


class ServerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        place = tempfile.TemporaryDirectory(prefix="wadi-kafka-")
        cls.addClassCleanup(place.cleanup)
        cls.kafka = real.Kafka(place.name).start()
        cls.addClassCleanup(cls.kafka.kill)

    def test_kafka_keeps_only_what_was_committed(self):
        first = producer(self.kafka)
        first.produce(TOPIC, b"1")
        first.commit_transaction(DEADLINE_S)
        first.begin_transaction()
        first.produce(TOPIC, b"never committed")
        first.flush(DEADLINE_S)
        second = producer(self.kafka)
        second.produce(TOPIC, b"2")
        second.commit_transaction(DEADLINE_S)
        with self.assertRaises(confluent_kafka.KafkaException) as fenced:
            first.commit_transaction(DEADLINE_S)
        self.assertEqual(fenced.exception.args[0].code(), confluent_kafka.KafkaError._FENCED)
        self.kafka.kill()
        self.kafka.start()
        self.assertEqual([message.value() for message in committed(self.kafka.bootstrap, TOPIC)], [b"1", b"2"])


unittest.main()

"""The Kafka sink against a real broker: what restarts, takeovers, refusals and too large events leave in it."""

import json
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import real

real.needs("kafka", "readers")

from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # noqa: E402
from kafka_client import committed  # noqa: E402
from sink_rig import FENCED, Collector, await_numbers, eventually, numbers, rig, values  # noqa: E402

# What a topic that is not there costs of patience.
IMPATIENT = {"topic.metadata.propagation.max.ms": "1000"}


class SinkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        place = tempfile.TemporaryDirectory(prefix="wadi-kafka-sink-")
        cls.addClassCleanup(place.cleanup)
        cls.place = pathlib.Path(place.name)
        cls.kafka = real.Kafka(cls.place / "kafka", settings={"auto.create.topics.enable": "false"}).start()
        cls.addClassCleanup(cls.kafka.kill)
        cls.admin = AdminClient({"bootstrap.servers": cls.kafka.bootstrap, "log_level": 2})

    def collector(self, name, place=None, **settings):
        """Its sink, and its topic if none is given, are called `name`."""
        made = Collector(self.place / (place or name), self.kafka.bootstrap, name, **settings)
        self.addCleanup(made.kill)
        return made

    def topic(self, name, partitions=1, **config):
        for made in self.admin.create_topics([NewTopic(name, partitions, 1, config=config)]).values():
            made.result(rig.DEADLINE_S)

    def settings_of(self, topic):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        found = self.admin.describe_configs([resource])[resource].result(rig.DEADLINE_S)
        return {name: entry.value for name, entry in found.items()}

    def test_a_restart_repeats_nothing(self):
        c = self.collector("restarted")
        c.start()
        c.numbers(0, 100)
        await_numbers(c, range(100))
        c.stop()
        c.start()
        c.numbers(100, 150)
        await_numbers(c, range(150))
        c.kill()
        c.start()
        c.numbers(150, 200)
        await_numbers(c, range(200))
        self.assertEqual(self.settings_of("_wadi.checkpoint.crash-restarted")["cleanup.policy"], "compact")

    def test_of_two_collectors_with_one_id_the_older_one_ends(self):
        older, newer = (self.collector("twins", place=place) for place in ("older", "newer"))
        older.start()
        older.numbers(0, 50)
        await_numbers(older, range(50))
        newer.start()
        newer.await_ready()
        older.numbers(1000, 1050)  # it does not know yet
        self.assertEqual(older.process.wait(rig.DEADLINE_S), FENCED)
        self.assertIn("another collector has taken over the transactional id crash-twins", older.log.read_text())
        newer.numbers(50, 100)
        await_numbers(newer, range(100))
        newer.stop()

    def test_a_broker_that_is_down_at_the_start(self):
        self.kafka.kill()
        c = self.collector("patient")
        c.start()
        c.numbers(0, 20)
        c.await_says("_wadi.checkpoint.crash-patient")
        self.kafka.start()
        await_numbers(c, range(20))
        c.await_ready()

    def test_topics_by_event_name_and_of_late_events(self):
        c = self.collector("named", kafka={"topic": "by.{name}", "late_topic": "late"})
        c.start()
        c.send([("page view", {"n": 1}), ("page.view", {"n": 2}), ("tap", {"n": 3})])
        await_numbers(c, [1, 2, 3], "by.page_view", "by.tap", "late")
        self.assertEqual(sorted(numbers(self.kafka.bootstrap, "by.page_view")), [1, 2])

    def test_key_time_and_headers(self):
        c = self.collector("headed", kafka={"compression": "zstd"})
        c.start()
        c.numbers(0, 3)
        await_numbers(c, range(3))
        for message in committed(self.kafka.bootstrap, "headed"):
            event = json.loads(message.value())
            self.assertEqual(message.key().decode(), event["installation"])
            self.assertEqual({k: v.decode() for k, v in message.headers()},
                             {"name": "counted", "stream": event["stream"], "seq": str(event["seq"]), "late": "false"})

    def test_only_the_headers_that_are_wanted(self):
        for name, wanted in (("headed-by-two", ["seq", "name"]), ("bare", ["none"])):
            c = self.collector(name, kafka={"headers": wanted})
            c.start()
            c.numbers(0, 1)
            await_numbers(c, range(1))
            [message] = committed(self.kafka.bootstrap, name)
            self.assertEqual({key for key, _ in message.headers() or []}, set(wanted) - {"none"})
            c.kill()

    def test_an_event_larger_than_our_limit_is_set_aside(self):
        aside = self.place / "aside-ours"
        aside.mkdir()
        c = self.collector("limited", kafka={"dead_letter": {"path": str(aside)}, "rdkafka": {"message.max.bytes": "4000"}})
        c.start()
        c.send([("counted", {"n": n, "text": "x" * (5000 if n == 7 else 10)}) for n in range(20)])
        await_numbers(c, [n for n in range(20) if n != 7])
        self.assertEqual(self.set_aside(aside), [("too_large", "limited", 7)])
        self.assertEqual(c.metric("dead_letters_total", "too_large"), 1)

    def test_an_event_larger_than_the_topics_limit_is_found_and_set_aside(self):
        aside = self.place / "aside-theirs"
        aside.mkdir()
        self.topic("narrow", **{"max.message.bytes": "20000"})
        c = self.collector("narrow", kafka={"compression": "none", "dead_letter": {"path": str(aside)}})
        c.start()
        c.send([("counted", {"n": n, "text": "x" * (25000 if n == 7 else 3000)}) for n in range(40)])
        await_numbers(c, [n for n in range(40) if n != 7])
        self.assertEqual(self.set_aside(aside), [("too_large", "narrow", 7)])
        self.assertGreater(c.metric("kafka_transactions_total", "aborted"), 0)
        c.stop()
        c.start()
        c.send([("counted", {"n": n, "text": "x" * (25000 if n == 47 else 10)}) for n in range(40, 50)])
        await_numbers(c, [n for n in range(50) if n not in (7, 47)])
        self.assertEqual(self.set_aside(aside), [("too_large", "narrow", 7), ("too_large", "narrow", 47)])

    def test_what_was_set_aside_stays_when_epochs_are_counted_anew(self):
        aside = self.place / "aside-anew"
        aside.mkdir()
        c = self.collector("anew", kafka={"dead_letter": {"path": str(aside)}, "rdkafka": {"message.max.bytes": "4000"}})
        c.start()
        c.send([("counted", {"n": 0, "text": "x" * 5000})])
        eventually(lambda: c.metric("dead_letters_total", "too_large") == 1, "it is set aside", c)
        c.stop()
        shutil.rmtree(c.work / "journal")  # else it comes again, and is set aside again
        c.settings["kafka"]["transactional_id"] = "another"
        c.configure()
        c.start()
        c.numbers(1, 5)
        eventually(lambda: set(numbers(self.kafka.bootstrap, "anew")) == set(range(1, 5)), "what follows is there", c)
        self.assertIn(("too_large", "anew", 0), self.set_aside(aside))

    def test_without_a_place_for_it_a_too_large_event_stops_the_sink_alone(self):
        c = self.collector("stuck", kafka={"rdkafka": {"message.max.bytes": "4000"}})
        c.start()
        c.send([("counted", {"n": 0, "text": "x" * 5000})])
        c.await_says("too large")
        eventually(lambda: c.metric("sink_events_total", 'sink="files"') == 1, "the file sink goes on", c)
        c.stop()
        c.settings["kafka"]["rdkafka"] = {}
        c.configure()
        c.start()
        await_numbers(c, [0])

    def test_a_topic_that_is_not_there_is_named_and_waited_for(self):
        self.topic("_wadi.checkpoint.crash-absent", **{"cleanup.policy": "compact"})
        c = self.collector("absent", kafka={"create_topics": "false", "rdkafka": IMPATIENT})
        c.start()
        c.numbers(0, 10)
        c.await_says("topic absent")
        self.topic("absent")
        await_numbers(c, range(10))
        c.await_ready()

    def test_a_topic_that_is_not_there_goes_aside_if_that_is_wanted(self):
        aside = self.place / "aside-absent"
        aside.mkdir()
        self.topic("_wadi.checkpoint.crash-gone", **{"cleanup.policy": "compact"})
        self.topic("is.there")
        c = self.collector("gone", kafka={"create_topics": "false", "topic": "is.{name}", "on_refused": "dead_letter",
                                          "dead_letter": {"path": str(aside)}, "rdkafka": IMPATIENT})
        c.start()
        c.send([("there", {"n": 1}), ("gone", {"n": 2}), ("there", {"n": 3})])
        await_numbers(c, [1, 3], "is.there")
        self.assertEqual(self.set_aside(aside), [("refused", "is.gone", 2)])

    def test_a_checkpoint_topic_that_forgets_is_refused(self):
        self.topic("_wadi.checkpoint.crash-forgetful", **{"cleanup.policy": "delete"})
        c = self.collector("forgetful")
        c.start()
        c.await_says("cleanup.policy=delete")

    def test_a_checkpoint_topic_of_several_partitions_is_refused(self):
        self.topic("_wadi.checkpoint.crash-wide", partitions=2, **{"cleanup.policy": "compact"})
        c = self.collector("wide")
        c.start()
        c.await_says("has 2 partitions")

    def test_a_checkpoint_topic_that_is_deleted_stops_the_sink_alone(self):
        c = self.collector("bereft", kafka={"rdkafka": {**IMPATIENT, "transaction.timeout.ms": "5000"}})
        c.start()
        c.numbers(0, 5)
        await_numbers(c, range(5))
        for gone in self.admin.delete_topics(["_wadi.checkpoint.crash-bereft"]).values():
            gone.result(rig.DEADLINE_S)
        c.numbers(5, 9)
        c.await_says("gone")
        eventually(lambda: c.metric("sink_events_total", 'sink="files"') == 9, "the file sink goes on", c)
        c.stop()
        c.start()
        c.await_ready()
        eventually(lambda: set(numbers(self.kafka.bootstrap, "bereft")) == set(range(9)), "it begins anew", c)

    def test_a_checkpoint_topic_of_another_sink_is_refused(self):
        first = self.collector("first")
        first.start()
        first.await_ready()
        second = self.collector("second", kafka={"checkpoint_topic": "_wadi.checkpoint.crash-first"})
        second.start()
        second.await_says("records of another sink")

    def set_aside(self, place):
        lines = [json.loads(line) for path in sorted(place.glob("*.jsonl")) for line in path.read_text().splitlines()]
        self.assertEqual([path.name for path in place.iterdir() if path.suffix != ".jsonl"], [])
        return [(line["reason"], line["topic"], line["event"]["properties"]["n"]) for line in lines]


unittest.main()

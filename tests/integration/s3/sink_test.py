"""Sinks of type s3, from events to objects: a second collector with the same id is noticed, by both, and neither
takes anything away from the other; what is wrong with a bucket shows in /readyz."""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parent)]
import real
from fault_proxy import FaultProxy
from s3_client import Client
from sink_collector import FENCED, Collector, eventually, rig


class SinkTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="wadi-s3-")
        self.addCleanup(place.cleanup)
        self.work = pathlib.Path(place.name)
        self.server = real.S3(self.work / "s3").start()
        self.addCleanup(self.server.kill)
        self.client = Client(self.server)

    def collector(self, place, **s3):
        c = Collector(self.work / place, {
            "name": "lake", "type": "s3", "roll_interval": "200ms", "late_roll_interval": "300ms", "compression": "none",
            "s3": {"endpoint": self.server.endpoint, "bucket": self.server.bucket, "prefix": "all/",
                   "access_key_id": self.server.access_key, "secret_access_key": self.server.secret_key, **s3}})
        self.addCleanup(c.kill)
        return c

    def manifest(self, name):
        data = self.client.get(f"all/_wadi/crash/lake/{name}")
        return data and json.loads(data)

    @staticmethod
    def waiting(collector, sink="lake"):
        """Events that are in no epoch yet, and those of them that the watermark has not passed."""
        return tuple(collector.metric(name, f'"{sink}"') for name in ("sink_lag_events", "order_pending_events"))

    def numbers(self):
        """The `n` of all events in committed objects."""
        found, epoch = [], 1
        while commit := self.manifest(f"{epoch:012}.commit"):
            for described in commit["objects"]:
                lines = self.client.get("all/" + described["name"]).splitlines()
                found += [json.loads(line)["properties"]["n"] for line in lines]
            epoch += 1
        return sorted(found)

    def await_numbers(self, collector, expected):
        eventually(lambda: self.numbers() == sorted(expected), f"the lake has {expected}", collector)

    def test_of_two_collectors_with_one_id_the_one_that_has_not_seen_the_other_ends(self):
        older, newer = self.collector("older"), self.collector("newer")
        older.start()
        older.numbers(0, 50)
        self.await_numbers(older, range(50))
        newer.start()
        newer.numbers(50, 100)
        self.await_numbers(newer, range(100))
        older.numbers(1000, 1050)  # its next epoch is there already
        self.assertEqual(older.process.wait(rig.DEADLINE_S), FENCED)
        self.assertIn("another collector with this id", older.log.read_text())
        newer.numbers(100, 150)
        self.await_numbers(newer, range(150))
        newer.stop()
        self.assert_all_named()

    def assert_all_named(self):
        named = {f"all/{described['name']}" for epoch in range(1, 100)
                 for described in (self.manifest(f"{epoch:012}.commit") or {"objects": []})["objects"]}
        self.assertEqual({key for key in self.client.list() if "/_wadi/" not in key}, named)

    def test_an_epoch_of_somebody_else_is_taken_before_its_objects_are_removed(self):
        proxy = FaultProxy(self.server.port, 1)
        self.addCleanup(proxy.close)
        older, newer = self.collector("older", endpoint=proxy.endpoint), self.collector("newer")
        proxy.gate = b".commit"
        older.start()
        older.numbers(0, 50)
        self.assertTrue(proxy.held.wait(rig.DEADLINE_S))  # its objects are there, and its commit on the way
        newer.start()
        newer.await_ready()
        proxy.opened.set()
        self.assertEqual(older.process.wait(rig.DEADLINE_S), FENCED)
        newer.numbers(100, 150)
        self.await_numbers(newer, range(100, 150))
        newer.stop()
        self.assert_all_named()

    def test_one_that_notices_when_it_stops_says_so_and_leaves_no_upload(self):
        older, newer = self.collector("older", part_bytes="5MiB", parallel_parts=1), self.collector("newer")
        older.start()
        older.numbers(0, 20)
        self.await_numbers(older, range(20))
        older.kill()
        older.settings["roll_interval"] = "1h"  # nothing more is written before it stops
        older.configure()
        older.start()
        older.await_ready()
        newer.start()
        newer.numbers(20, 40)
        self.await_numbers(newer, range(40))
        older.send([("large", {"n": n, "text": "x" * 900}) for n in range(1000, 8000)])
        eventually(lambda: self.waiting(older) == (7000, 0), "its watermark has passed them", older)
        with self.assertRaisesRegex(rig.Failure, f"did not stop cleanly: {FENCED}"):
            older.stop()
        self.assertEqual(self.client.uploads(), [])
        newer.numbers(40, 60)
        self.await_numbers(newer, range(60))
        newer.stop()
        self.assert_all_named()

    def test_a_sink_whose_server_is_silent_takes_no_time_from_the_next_when_all_stop(self):
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        c = self.collector("two", endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")
        last = self.collector("settings of the next").settings
        with open(c.config, "a", encoding="utf-8") as file:
            file.write(f"  - {json.dumps({**last, 'name': 'next', 'roll_interval': '1h'})}\n")
        c.start()
        c.numbers(0, 50)
        eventually(lambda: self.waiting(c, "next") == (50, 0), "its watermark has passed them", c)
        self.assertFalse(self.client.list())
        c.stop()
        self.assertTrue(self.client.get("all/_wadi/crash/next/000000000001.commit"))

    def test_a_restart_repeats_nothing(self):
        c = self.collector("restarted")
        for round_ in range(3):
            c.start()
            c.numbers(20 * round_, 20 * round_ + 20)
            self.await_numbers(c, range(20 * round_ + 20))
            c.kill() if round_ == 0 else c.stop()
        self.assertEqual(self.client.uploads(), [])

    def test_what_is_wrong_shows_and_no_secret_does(self):
        faults = {"bucket": ("nobody-made-this", "NoSuchBucket"), "secret_access_key": ("not-the-secret", "403"),
                  "endpoint": ("http://127.0.0.1:1", "connect")}
        for key, (value, said) in faults.items():
            c = self.collector(f"wrong-{key}", **{key: value})
            c.start()
            c.await_says(said)
            shown = subprocess.run([rig.COLLECTOR, "--config", c.config, "--print-config"], capture_output=True, text=True,
                                   check=True).stdout
            for text in (shown, c.log.read_text(), c.page("/readyz")[1], c.page("/metrics")[1]):
                self.assertNotIn(self.server.secret_key, text)
                self.assertNotIn("not-the-secret", text)
            c.kill()


real.needs("s3")
unittest.main()

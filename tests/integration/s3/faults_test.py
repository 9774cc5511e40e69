"""The S3 sink's store (s3_faults_test, a C program) on a server behind a proxy that answers 500 and 503, cuts
connections before and after the server has the request, and delays. Whatever happened: the commits have no
gap, every object that one names is there with its bytes, and nothing else is there."""

import json
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parent)]
import real
from fault_proxy import KINDS, FaultProxy
from s3_client import Client

PROGRAM = sys.argv.pop(1)
EPOCHS = 25
PREFIX = "lake/"
MANIFESTS = PREFIX + "_wadi/c/s/"
PATTERN = bytes(range(251)) * ((7 << 20) // 251)


def name_sum(name):
    total = 0
    for byte in name.encode():
        total = (total * 31 + byte) & 0xFFFFFFFF
    return total


def object_bytes(name):
    """As the program makes them."""
    total = name_sum(name)
    size = (5 << 20) + total % (1 << 20) if total % 8 == 0 else total % 60000
    return PATTERN[total % 251:total % 251 + size]


class FaultsTest(unittest.TestCase):
    def run_with(self, kinds, rate):
        seed = random.SystemRandom().randrange(1 << 32)
        with tempfile.TemporaryDirectory(prefix="wadi-s3-") as place, real.S3(place) as server:
            with FaultProxy(server.port, seed, rate, kinds) as proxy:
                command = [PROGRAM, proxy.endpoint, server.bucket, server.access_key, server.secret_key, str(seed)]
                done = subprocess.run([*command, str(EPOCHS)], timeout=150)
                print(f"seed {seed}", dict(proxy.counts), flush=True)
                self.assertEqual(done.returncode, 0)
                self.assertGreater(proxy.counts["none"], EPOCHS * 4)
                self.late_wait()
                if "late" in kinds:  # what came after the last step goes at the next start
                    proxy.heal()
                    self.assertEqual(subprocess.run([*command, "0"], timeout=60).returncode, 0)
            self.check(Client(server), "late" in kinds)

    @staticmethod
    def late_wait():
        until = time.monotonic() + 30
        while any(thread.name.startswith("late") for thread in threading.enumerate()) and time.monotonic() < until:
            time.sleep(0.05)

    def check(self, client, late):
        position, named = 0, set()
        for epoch in range(1, EPOCHS + 1):
            commit = json.loads(client.get(f"{MANIFESTS}{epoch:012}.commit"))
            self.assertEqual(commit["from"]["position"], position, f"epoch {epoch}")
            position = commit["to"]["position"]
            for described in commit["objects"]:
                name = described["name"]
                named.add(PREFIX + name)
                self.assertEqual(len(object_bytes(name)), described["bytes"])
                self.assertTrue(client.get(PREFIX + name) == object_bytes(name), name)
        there = set(client.list())
        self.assertEqual({key for key in there if not key.startswith(MANIFESTS)}, named)
        left = {key for key in there if key.startswith(MANIFESTS) and not key.endswith(".commit")}
        # A late PUT may bring the intent of a committed epoch back: nobody reads it.
        self.assertTrue(late or not left, left)
        self.assertEqual(client.uploads(), [])

    def test_server_and_network_that_fail(self):
        self.run_with(KINDS, 0.15)

    def test_requests_that_are_carried_out_after_they_were_given_up(self):
        self.run_with((*KINDS, "late", "late", "late"), 0.15)


real.needs("s3")
unittest.main()

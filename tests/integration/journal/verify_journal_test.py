"""wadi-collector --verify-journal, and a start on a damaged journal: it says what is wrong, and no signal ends it."""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "crash/collector"))
import rig  # noqa: E402

SEND = pathlib.Path(os.environ.get("WADI_BUILD_DIR", "build")) / "sdk/tools/wadi-send"
SOUND, DAMAGED, UNKNOWN = range(3)
PAGE = 4096
ROUNDS = int(os.environ.get("WADI_TEST_ROUNDS", "24"))
SEED = int(os.environ.get("WADI_TEST_SEED", time.time_ns() & 0xffffffff))


class VerifyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.TemporaryDirectory()
        cls.collector = rig.Collector(cls.work.name, cls.work.name)
        cls.mdb = cls.collector.journal / "journal.mdb"
        cls.collector.start()
        for device in range(6):
            cls.send(device)
        running = cls.verify()
        cls.running = (running.returncode, running.stderr)
        cls.collector.kill()
        cls.good = cls.mdb.read_bytes()
        print(f"WADI_TEST_SEED={SEED}, a journal of {len(cls.good)} bytes", file=sys.stderr)

    @classmethod
    def tearDownClass(cls):
        cls.collector.kill()
        cls.work.cleanup()

    def setUp(self):
        self.mdb.write_bytes(self.good)

    @classmethod
    def send(cls, device):
        lines = "".join(json.dumps({"name": "e", "i": i, "text": "x" * (i % 300)}) + "\n" for i in range(400))
        subprocess.run([SEND, "--dir", f"{cls.work.name}/device-{device}", "--disk-bytes-max", "4194304",
                        "--endpoint", f"https://localhost:{cls.collector.port_file.read_text()}",
                        "--ca-file", f"{cls.work.name}/server.pem", "--wait", "acked", "--timeout-ms", "60000", "--json"],
                       input=lines.encode(), check=True)

    @classmethod
    def verify(cls):
        return subprocess.run([rig.COLLECTOR, "--config", cls.collector.config, "--verify-journal"],
                              capture_output=True, text=True, timeout=60, check=False)

    def verdict(self, expect):
        done = self.verify()
        self.assertEqual(done.returncode, expect, (done.stdout, done.stderr))
        return done.stdout + done.stderr

    def start(self):
        """Until it listens, or has ended: then its status."""
        self.collector.begin()
        try:
            self.collector.listen()
        except rig.Failure:
            return self.collector.process.wait()
        self.collector.kill()
        return None

    def log(self):
        return self.collector.log.read_bytes()[self.collector.begun:].decode()

    def test_a_running_one_is_left_alone(self):
        self.assertEqual(self.running[0], UNKNOWN)
        self.assertIn("in use", self.running[1])

    def test_what_a_killed_collector_leaves_is_sound(self):
        self.assertIn("sound: entries 1 to ", self.verdict(SOUND))
        self.assertEqual(self.mdb.read_bytes(), self.good)
        self.assertIsNone(self.start())

    def test_none_and_an_empty_one(self):
        self.mdb.write_bytes(b"")
        self.assertIn("nothing in it", self.verdict(SOUND))
        self.mdb.unlink()
        self.assertIn("No such file", self.verdict(UNKNOWN))

    def test_a_bit_of_an_entry(self):
        data = bytearray(self.good)
        for at in range(2 * PAGE, len(data), PAGE):
            if data[at + 10] == 4:  # a page of a large value
                data[at + 900] ^= 1
                break
        self.mdb.write_bytes(data)
        self.assertRegex(self.verdict(DAMAGED), r"page \d+: entry \d+: its checksum is wrong")

    def test_cut(self):
        self.mdb.write_bytes(self.good[:len(self.good) // 2])
        self.assertRegex(self.verdict(DAMAGED), r"page \d+: the file ends before its last page")
        self.assertEqual(self.start(), 1)
        self.assertIn("checking the journal's pages", self.log())
        self.assertIn("--verify-journal", self.log())

    def damage(self, chance):
        data = bytearray(self.good)
        pages = len(data) // PAGE
        kind = chance.randrange(6)
        if kind == 0:
            return data[:chance.randrange(len(data))]
        if kind == 1:
            for _ in range(chance.randrange(1, 9)):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        elif kind == 2:  # the head of a page
            data[chance.randrange(pages) * PAGE + chance.randrange(64)] ^= 1 << chance.randrange(8)
        elif kind == 3:
            at = chance.randrange(pages) * PAGE
            data[at:at + PAGE] = bytes(PAGE)
        elif kind == 4:
            a, b = (chance.randrange(pages) * PAGE for _ in range(2))
            data[a:a + PAGE], data[b:b + PAGE] = data[b:b + PAGE], data[a:a + PAGE]
        else:
            at = chance.randrange(pages) * PAGE
            data[at:at + PAGE] = chance.randbytes(PAGE)
        return data

    def test_no_damage_ends_it_by_a_signal(self):
        chance = random.Random(SEED)
        found = 0
        for number in range(ROUNDS):
            data = self.damage(chance)
            self.mdb.write_bytes(data)
            done = self.verify()
            self.assertIn(done.returncode, (SOUND, DAMAGED, UNKNOWN), (SEED, number, done.stderr))
            found += done.returncode == DAMAGED
            status = self.start()
            self.assertIn(status, (None, 1), (SEED, number, self.log()))
            if done.returncode == DAMAGED and "entry" not in done.stdout and "state" not in done.stdout:
                self.assertEqual(status, 1, (SEED, number, done.stdout))
                self.assertIn("--verify-journal", self.log())
        print(f"{ROUNDS} damaged journals, {found} found", file=sys.stderr)
        self.assertGreater(found, ROUNDS // 3)


if __name__ == "__main__":
    unittest.main()

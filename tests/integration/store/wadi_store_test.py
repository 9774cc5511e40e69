"""wadi-store: what it says of stores that are whole, held, killed and damaged; it changes nothing but in repair."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import waiting

WADI_SEND = os.environ["WADI_SEND"]
WADI_STORE = os.environ["WADI_STORE"]
DEADLINE_S = 60
SOUND, DAMAGED, USAGE, UNKNOWN = range(4)
PAGE = 4096
SEED = int(os.environ.get("WADI_TEST_SEED", time.time_ns() & 0xffffffff))


class StoreTest(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.dir = f"{work.name}/store"
        self.mdb = f"{self.dir}/lanes/0/store.mdb"

    def send(self, n, first=0, *args):
        lines = "".join(f'{{"name":"e{i % 3}","i":{i},"s":"event {i}"}}\n' for i in range(first, first + n))
        subprocess.run([WADI_SEND, "--dir", self.dir, "--app", "demo", "--disk-bytes-max", "1048576", *args, "--json"],
                       input=lines.encode(), check=True, timeout=DEADLINE_S)

    def writer(self, *args):
        process = subprocess.Popen([WADI_SEND, "--dir", self.dir, "--disk-bytes-max", "4194304", *args, "--json"],
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (process.kill(), process.wait(), process.stdin.close(), process.stderr.close()))
        return process

    def store(self, *args, expect=SOUND):
        done = subprocess.run([WADI_STORE, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              timeout=DEADLINE_S)
        if expect is not None:
            self.assertEqual(done.returncode, expect, (args, done.stdout[-2000:], done.stderr))
        return done

    def events(self, path=None):
        lines = self.store("export", "--json", path or self.dir).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def stat(self):
        return json.loads(self.store("stat", "--json", self.dir).stdout)

    def digest(self):
        sums = {}
        for root, _, files in os.walk(self.dir):
            for name in files:
                with open(f"{root}/{name}", "rb") as file:
                    sums[name] = (hashlib.sha256(file.read()).hexdigest(), os.stat(f"{root}/{name}").st_mtime_ns)
        return sums

    def change(self, at, change):
        with open(self.mdb, "r+b") as file:
            file.seek(at)
            old = file.read(PAGE)
            file.seek(at)
            file.write(change(old))


class Whole(StoreTest):
    def test_everything_that_is_owed_and_nothing_is_changed(self):
        self.send(1000)
        before = self.digest()
        events = self.events()
        self.assertEqual([e["seq"] for e in events], list(range(1, 1001)))
        self.assertEqual([e["properties"] for e in events], [{"i": i, "s": f"event {i}"} for i in range(1000)])
        self.assertEqual([e["name"] for e in events], [f"e{i % 3}" for i in range(1000)])
        self.assertEqual({e["context"]["app"] for e in events}, {"demo"})
        self.assertEqual({(e["time_quality"], e["lane"], e["run"], e["user"]) for e in events},
                         {("estimated", "lanes/0", 1, None)})
        stat = self.stat()
        (lane,) = stat["lanes"]
        self.assertFalse(lane["held"])
        self.assertTrue(lane["sound"])
        self.assertEqual((lane["assigned"], lane["pending"], lane["acked"], lane["oldest_seq"]), (1000, 1000, 0, 1))
        self.assertEqual(lane["oldest_time"], events[0]["time"])
        self.assertEqual({e["installation"] for e in events}, {stat["installation"]})
        self.assertEqual({e["stream"] for e in events}, {lane["streams"][0]["stream"]})
        self.assertIn(b"low 1  end 1001 (open)  owed 1000", self.store("stat", self.dir).stdout)
        self.assertIn(b"sound: 1000 events", self.store("verify", self.dir).stdout)
        listed = self.store("ls", "--limit", "3", self.dir).stdout.splitlines()
        self.assertEqual(len(listed), 3)
        self.assertIn(b"  2  run 1  ", listed[1])
        self.assertEqual(self.digest(), before)

    def test_several_lanes(self):
        self.send(3)
        os.makedirs(f"{self.dir}/lanes/12")
        os.makedirs(f"{self.dir}/lanes/2")
        with open(self.mdb, "rb") as file, open(f"{self.dir}/lanes/12/store.mdb", "wb") as copy:
            copy.write(file.read())
        lanes = self.stat()["lanes"]
        self.assertEqual([(lane["lane"], lane["condition"]) for lane in lanes],
                         [("lanes/0", "sound"), ("lanes/2", "empty"), ("lanes/12", "sound")])
        self.assertEqual(len(self.events()), 6)
        self.store("verify", self.dir)

    def test_usage(self):
        self.send(1)
        for args in ([], ["stat"], ["nonsense", self.dir], ["export", self.dir], ["verify", "--json", self.dir],
                     ["stat", "--limit", "1", self.dir], ["ls", "--limit", "0", self.dir], ["ls", "--limit", "x", self.dir],
                     ["ls", self.dir, self.dir], ["--nonsense"]):
            self.assertIn(b"--help", self.store(*args, expect=USAGE).stderr, args)
        self.assertIn(b"quarantine", self.store("--help").stdout)
        self.assertIn(b"0.1.0", self.store("--version").stdout)
        self.assertIn(b"No such file", self.store("stat", f"{self.dir}/none", expect=UNKNOWN).stderr)
        self.assertIn(b"no lanes", self.store("stat", "/proc/self/fd", expect=UNKNOWN).stderr)

    def test_full_standard_output(self):
        self.send(10)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([WADI_STORE, "export", "--json", self.dir], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, UNKNOWN)


class Held(StoreTest):
    def test_a_busy_lane_is_read_and_not_disturbed(self):
        process = self.writer("--flush-ms", "10")
        n = 0
        seen = 0
        for _ in range(12):
            process.stdin.write("".join(f'{{"name":"e","i":{i}}}\n' for i in range(n, n + 2000)).encode())
            process.stdin.flush()
            n += 2000
            if not os.path.exists(f"{self.dir}/lanes/0/lock"):
                waiting.eventually(lambda: os.path.exists(self.mdb), "a store", DEADLINE_S)
            self.store("verify", self.dir)
            events = [e for e in self.events() if e["name"] == "e"]
            self.assertEqual([e["properties"]["i"] for e in events], list(range(len(events))))
            self.assertGreaterEqual(len(events), seen)
            seen = len(events)
            (lane,) = self.stat()["lanes"]
            self.assertTrue(lane["held"])
            self.assertIn(b"a process holds it", self.store("repair", self.dir, expect=UNKNOWN).stderr)
        process.stdin.close()
        self.assertEqual(process.wait(DEADLINE_S), 0)
        process.stdin = open(os.devnull, "rb")
        self.assertEqual(len(self.events()), n)
        self.assertFalse(self.stat()["lanes"][0]["held"])

    @unittest.skipUnless(os.geteuid() == 0, "only root may make a PID namespace")
    def test_a_held_lane_is_known_in_a_container_too(self):
        process = self.writer()
        waiting.eventually(lambda: os.path.exists(self.mdb), "a store", DEADLINE_S)
        around = ["unshare", "--pid", "--fork", "--mount-proc", WADI_STORE, "stat", "--json", self.dir]
        for held in (True, False):
            (lane,) = json.loads(subprocess.run(around, stdout=subprocess.PIPE, check=True, timeout=DEADLINE_S).stdout)["lanes"]
            self.assertEqual(lane["held"], held)
            process.stdin.close()
            process.wait(DEADLINE_S)
        process.stdin = open(os.devnull, "rb")

    def test_what_a_killed_process_left_in_its_ring(self):
        self.send(5)
        process = self.writer("--flush-ms", "3600000", "--wait", "none")
        process.stdin.write("".join(f'{{"name":"ringed","i":{i},"k{i}":1}}\n' for i in range(5, 25)).encode())
        process.stdin.flush()
        waiting.eventually(lambda: self.stat()["lanes"][0].get("ring_bytes", 0) > 20 * 24, "events in the ring", DEADLINE_S)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = self.digest()
        events = self.events()
        self.assertEqual([e["properties"]["i"] for e in events][:5], list(range(5)))
        ringed = [e for e in events if e["seq"] is None]
        self.assertGreater(len(ringed), 0)
        self.assertEqual([e["properties"]["i"] for e in ringed], list(range(5, 5 + len(ringed))))
        for e in ringed:
            self.assertEqual((e["name"], e["stream"], e["run"], e["properties"][f"k{e['properties']['i']}"]), ("ringed", None, 2, 1))
        self.assertIn(f"{len(ringed)} events in the ring".encode(), self.store("verify", self.dir).stdout)
        self.assertEqual(self.digest(), before)
        self.send(1, 100)
        self.assertEqual([e["seq"] for e in self.events()], list(range(1, len(events) + 2)))


class Damaged(StoreTest):
    def test_verify_says_what_and_repair_mends_it(self):
        self.send(600)
        self.change(0, lambda old: bytes(PAGE))
        out = self.store("verify", self.dir, expect=DAMAGED).stdout
        self.assertIn(b"lanes/0: page 0: ", out)
        before = self.digest()
        self.assertEqual([e["seq"] for e in self.events()], list(range(1, 601)))
        self.assertFalse(self.stat()["lanes"][0]["sound"])
        self.assertEqual(self.digest(), before)
        out = self.store("repair", self.dir).stdout
        self.assertIn(b"salvaged: 0 events are lost", out)
        self.assertIn(b"sound: 600 events", self.store("verify", self.dir).stdout)
        stat = self.stat()
        (aside,) = stat["quarantine"]
        self.assertEqual(stat["lanes"][0]["quarantined"], 1)
        self.assertEqual(len(self.events(f"{self.dir}/{aside['file']}")), 600)
        self.send(1, 600)
        self.assertEqual([e["properties"]["i"] for e in self.events()], list(range(601)))

    def test_an_event_of_another_checksum(self):
        self.send(600)
        with open(self.mdb, "rb") as file:
            at = file.read().rindex(b"event 77\x00"[:8])
        self.change(at, lambda old: b"EVENT" + old[5:])
        found = [e["properties"]["i"] for e in self.events()]
        self.assertNotIn(77, found)
        self.assertEqual(len(found), 599)
        self.assertIn(b"event 78, from page", self.store("verify", self.dir, expect=DAMAGED).stdout)
        self.assertIn(b"1 damaged events are dropped", self.store("repair", self.dir).stdout)
        self.store("verify", self.dir)
        dropped = [e for e in self.events() if e["name"] == "_wadi.dropped"]
        self.assertEqual([e["properties"] for e in dropped],
                         [{"first_seq": 78, "last_seq": 78, "count": 1, "reason": "corrupt"}])

    def test_no_file_ends_it_by_a_signal(self):
        chance = random.Random(SEED)
        print(f"WADI_TEST_SEED={SEED}", file=sys.stderr)
        self.send(800)
        ring = f"{self.dir}/lanes/0/ring"
        with open(self.mdb, "rb") as file, open(ring, "rb") as other:
            good = {self.mdb: file.read(), ring: other.read()}
        for _ in range(40):
            path = chance.choice([self.mdb, self.mdb, ring])
            data = bytearray(good[path])
            used = 60 * PAGE
            kind = chance.randrange(5)
            if kind == 0:
                data = data[:chance.randrange(len(data))]
            elif kind == 1:
                for _ in range(chance.randrange(1, 20)):
                    data[chance.randrange(used)] ^= 1 << chance.randrange(8)
            elif kind == 2:
                page = chance.randrange(used // PAGE) * PAGE
                data[page:page + PAGE] = chance.randbytes(PAGE)
            elif kind == 3:
                a, b = (chance.randrange(used // PAGE) * PAGE for _ in range(2))
                data[a:a + PAGE], data[b:b + PAGE] = data[b:b + PAGE], data[a:a + PAGE]
            else:
                data = bytearray(chance.randbytes(chance.randrange(3 * PAGE)))
            for where, content in good.items():
                with open(where, "wb") as file:
                    file.write(data if where == path else content)
            for args in (["stat", "--json"], ["stat"], ["ls"], ["verify"], ["export", "--json"]):
                done = self.store(*args, self.dir, expect=None)
                self.assertIn(done.returncode, (SOUND, DAMAGED, UNKNOWN), (SEED, args, done.stderr))
            self.store("repair", self.dir)
            self.assertIn(self.store("verify", self.dir, expect=None).returncode, (SOUND, DAMAGED))


if __name__ == "__main__":
    unittest.main()

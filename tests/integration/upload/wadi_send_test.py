"""wadi-send: what goes in arrives as it was, and what cannot is said."""

import array
import fcntl
import signal
import subprocess
import termios
import unittest

from fake_collector import DEADLINE_S, WADI_SEND, FakeCollector, SendTest, eventually, unix_us


class Arguments(SendTest):
    def one(self, *args):
        with FakeCollector() as collector:
            self.acked(collector, *args)
            self.assertEqual(len(collector.delivered), 1)
            return collector.delivered[0]

    def test_types(self):
        event = self.one("play", "title=a=b", "empty=", "count:=42", "least:=-9223372036854775808", "ratio:=0.5",
                         "on:=true", "off:=false", "none:=null", 'text:="42"', "list:=[1,{\"a\":2}]", "ümlaut=größe")
        self.assertEqual(event.name, "play")
        self.assertIsNone(event.time_us)
        expected = {"title": "a=b", "empty": "", "count": 42, "least": -2**63, "ratio": 0.5, "on": True, "off": False,
                    "text": "42", "list": '[1,{"a":2}]', "ümlaut": "größe"}
        self.assertEqual(event.properties, expected)
        self.assertEqual(list(event.properties), list(expected), "in order")
        self.assertIsInstance(event.properties["on"], bool)
        self.assertIsInstance(event.properties["ratio"], float)

    def test_no_properties_and_many(self):
        self.assertEqual(self.one("stop").properties, {})
        self.assertEqual(len(self.one("many", *(f"k{i}={i}" for i in range(256))).properties), 256)

    def test_what_looks_like_a_flag_behind_the_name(self):
        self.assertEqual(self.one("--", "run", "--ca-file=x", "-v=y").properties, {"--ca-file": "x", "-v": "y"})

    def test_bad_arguments(self):
        for args, said in (
            ([], "one of"), (["--json", "name"], "one of"), (["--nonsense", "e"], "--help"),
            (["e", "novalue"], "not key=value"), (["e", "=x"], "not key=value"), (["e", "x:=nope"], "not JSON"),
            (["e", "a=1", "a=2"], "twice"), (["e", *(f"k{i}=" for i in range(257))], "256"),
            (["e" * 256], "missing, malformed"), (["e", "k=" + "x" * 40000], "32 KiB"),
            (["--timeout-ms", "soon", "e"], "timeout_ms"), (["--wait", "x", "e"], "none|disk|acked"),
            (["--wait", "acked", "e"], "endpoint"), (["--flush-ms", "1", "e"], "flush_ms"),
            (["--flush-ms", "4294967296", "e"], "flush_ms"), (["--endpoint", "http://example.org", "e"], "loopback"),
        ):
            self.assertIn(said, self.send(None, *args, expect=64), args)
        self.assertIn("--dir", subprocess.run([WADI_SEND, "e"], env={}, stderr=subprocess.PIPE, check=False).stderr.decode())
        self.assertIn("nope.pem", self.send(None, "--endpoint", "https://localhost", "--ca-file", "nope.pem", "e", expect=78))

    def test_help_and_version(self):
        for flag, said in (("--help", b"--api-key"), ("--version", b"0.1.0")):
            done = subprocess.run([WADI_SEND, flag], stdout=subprocess.PIPE, check=True)
            self.assertIn(said, done.stdout)


class Settings(SendTest):
    def test_flags_beat_environment_beats_file(self):
        path = f"{self.dir}/wadi.conf"
        with open(path, "w", encoding="utf-8") as file:
            file.write("# test\napp = file\napp_version = 7\ntimeout_ms = 30000\n")
        with FakeCollector() as collector:
            self.environment["WADI_APP"] = "environment"
            self.acked(collector, "--config", path, "one")
            self.acked(collector, "--config", path, "--app", "flag", "two")
            one, two = (event.context for event in collector.delivered)
            self.assertEqual((one["app"], one["app_version"]), ("environment", "7"))
            self.assertEqual(two["app"], "flag")

    def test_everything_in_the_file(self):
        path = f"{self.dir}/wadi.conf"
        with FakeCollector() as collector, open(path, "w", encoding="utf-8") as file:
            file.write(f"dir = {self.dir}/elsewhere\nendpoint = {collector.endpoint}\nwait = acked\n")
            file.flush()
            subprocess.run([WADI_SEND, "--config", path, "e"], env={}, check=True, timeout=DEADLINE_S)
            self.assertEqual(len(collector.delivered), 1)

    def test_a_bad_file(self):
        path = f"{self.dir}/wadi.conf"
        with open(path, "w", encoding="utf-8") as file:
            file.write("dir = x\nnonsense = y\n")
        self.assertIn(f"{path}:2: ", self.send(None, "--config", path, "e", expect=78))


class Lines(SendTest):
    def test_json(self):
        lines = ('{"name":"a","time":"2015-05-17T10:05:03.25Z","properties":{"n":1,"f":1.0,"t":true,"s":"x\\u0000y"}}\n'
                 '\n'
                 '{"event":"b","n":-1,"nested":{"a":[1,2]},"none":null}\r\n'
                 '{"properties":{},"name":"c"}')
        with FakeCollector() as collector:
            self.acked(collector, "--json", stdin=lines.encode())
            a, b, c = collector.delivered
            self.assertEqual((a.name, a.time_us), ("a", unix_us("2015-05-17T10:05:03.250000Z")))
            self.assertEqual(a.properties, {"n": 1, "f": 1.0, "t": True, "s": "x\0y"})
            self.assertIsInstance(a.properties["f"], float)
            self.assertEqual((b.name, b.time_us), ("b", None))
            self.assertEqual(b.properties, {"n": -1, "nested": '{"a":[1,2]}'})
            self.assertEqual((c.name, c.properties), ("c", {}))

    def test_bad_json_lines_are_named_and_the_rest_goes_on(self):
        bad = ['nonsense', '[1]', '{"x":1}', '{"name":""}', '{"name":7}', '{"name":"a","event":"b"}',
               '{"name":"a","time":"now"}', '{"name":"a","time":5}', '{"name":"a","properties":5}',
               '{"name":"a","properties":{},"x":1}', '{"name":"a","x":1,"x":2}', '{"name":"a","x":1} x',
               '{"name":"a","x":1e999}', '{"name":"a","x":99999999999999999999}', '{"name":"a","x":"\xff"}',
               '{"name":"a","x":"' + "x" * 40000 + '"}', '{"name":"a","x":"' + "x" * 2**20 + '"}']
        text = b"".join(line.encode("latin-1") + b'\n{"name":"good"}\n' for line in bad)
        with FakeCollector() as collector:
            said = self.acked(collector, "--json", stdin=text, expect=65)
            self.assertEqual([e.name for e in collector.delivered], ["good"] * len(bad))
        numbers = [int(line.split("line ")[1].split(":")[0]) for line in said.splitlines()]
        self.assertEqual(numbers, [2 * i + 1 for i in range(len(bad))])

    def test_csv(self):
        text = 'a,time,"b ""quoted"""\r\n1,2015-05-17T10:05:03Z,\r\n" x,\n""y""",2015-05-17 12:05:03+02:00,ß\r\n'
        with FakeCollector() as collector:
            self.acked(collector, "--csv", stdin=text.encode())
            one, two = collector.delivered
            moment = unix_us("2015-05-17T10:05:03Z")
            self.assertEqual((one.name, one.time_us, two.time_us), ("row", moment, moment))
            self.assertEqual(one.properties, {"a": "1", 'b "quoted"': ""})
            self.assertEqual(two.properties, {"a": ' x,\n"y"', 'b "quoted"': "ß"})

    def test_csv_options(self):
        with FakeCollector() as collector:
            self.acked(collector, "--csv", "--event", "visit", "--time-column", "at", stdin=b"at,time\n1970-01-01T00:00:01Z,x\n")
            self.acked(collector, "--csv", stdin=b"a\n5\n")
            one, two = collector.delivered
            self.assertEqual((one.name, one.time_us, one.properties), ("visit", 1000000, {"time": "x"}))
            self.assertEqual((two.time_us, two.properties), (None, {"a": "5"}))

    def test_bad_csv_rows_are_named_and_the_rest_goes_on(self):
        text = b'a,time\n1,2015-01-01T00:00:00Z\n2,yesterday\n3\n"4"x,y\n"5\n5",2015-01-01T00:00:00Z\n"6'
        with FakeCollector() as collector:
            said = self.acked(collector, "--csv", stdin=text, expect=65)
            self.assertEqual([e.properties["a"] for e in collector.delivered], ["1", "5\n5"])
            self.assertEqual([line.split("line ")[1][0] for line in said.splitlines()], ["3", "4", "5", "8"])
        self.send(None, "--csv", stdin=b"a,,b\n1,2,3\n", expect=65)
        self.send(None, "--csv", "--time-column", "when", stdin=b"a\n1\n", expect=65)
        self.send(None, "--csv", stdin=b"", expect=0)


class Waiting(SendTest):
    def test_without_an_endpoint_events_are_recorded_and_go_out_later(self):
        self.send(None, "--json", stdin=self.many(10))
        self.send(None, "--wait", "none", "--json", stdin=b'{"name":"e","i":10}\n')
        with FakeCollector() as collector:
            self.acked(collector, "--json", stdin=b'{"name":"e","i":11}\n')
            self.assert_delivered(collector, 12)

    def test_killed_at_once_what_it_had_read_is_safe(self):
        """In the ring alone: nothing goes to the store before flush_ms is over."""
        lines = self.many(500)
        process = self.start(None, "--flush-ms", "3600000", "--json")
        process.stdin.write(lines)
        process.stdin.flush()
        waiting = array.array("i", [0])
        eventually(lambda: fcntl.ioctl(process.stdin, termios.FIONREAD, waiting) == 0 and waiting[0] == 0, "an empty pipe")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with FakeCollector() as collector:
            self.acked(collector, "last")
            numbers = [e.properties["i"] for e in collector.delivered[:-1]]
            self.assertEqual(numbers, list(range(len(numbers))))
            in_hand = 4096 // len(lines.splitlines()[0])  # of stdio's last buffer
            self.assertGreaterEqual(len(numbers), 500 - in_hand)
            self.assertEqual(collector.delivered[-1].name, "last")

    def test_two_at_a_time_take_turns(self):
        with FakeCollector() as collector:
            processes = [self.start(collector, "--wait", "acked", "--timeout-ms", "30000", "e", f"i:={i}") for i in range(8)]
            for process in processes:
                _, said = process.communicate()
                self.assertEqual(process.returncode, 0, said.decode())
            self.assertEqual(sorted(e.properties["i"] for e in collector.delivered), list(range(8)))

    def test_a_store_that_takes_nothing_is_given_up(self):
        """The ring fits, and the store cannot grow: wadi-send must not wait for ever."""
        limited = ["prlimit", f"--fsize={100 * 1024}", *self.command(None, "--ring-bytes", "65536", "--flush-ms", "10",
                                                                     "--timeout-ms", "500", "--json")]
        done = subprocess.run(limited, env=self.environment, input=self.many(20000) + b"nonsense\n",
                              stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
        self.assertEqual(done.returncode, 74, done.stderr.decode()[-2000:])

    def test_a_store_without_room_heals_once_there_is_a_collector(self):
        """Weeks offline have filled it, with restarts. The next run is refused, delivers, and goes on by itself."""
        small = ["--disk-bytes-max", str(1 << 20), "--ring-bytes", "65536", "--flush-ms", "10"]
        for _ in range(6):
            done = subprocess.run(self.command(None, *small, "--timeout-ms", "300", "--json"), env=self.environment,
                                  input=self.many(100000), stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
            self.assertEqual(done.returncode, 74, done.stderr.decode()[-2000:])
        with FakeCollector() as collector:
            self.acked(collector, *small, "after")
            self.assertEqual(collector.delivered[-1].name, "after")

    def test_a_bad_line_does_not_hide_that_nothing_was_acknowledged(self):
        said = self.send(None, "--endpoint", "http://127.0.0.1:1", "--wait", "acked", "--timeout-ms", "200", "--json",
                         stdin=b'{"name":"e"}\nnonsense\n', expect=75)
        self.assertIn("line 2", said)

    def test_a_store_that_cannot_be(self):
        self.assertIn("/nonexistent/store", self.send(None, "--dir", "/nonexistent/store", "e", expect=64))


if __name__ == "__main__":
    unittest.main()

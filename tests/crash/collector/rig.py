"""What the crash tests of the collector share: the real wadi-collector, devices, and the audit of its files.

A place is a directory with everything that a crash must not lose: journal/ and events/. The devices' notes,
the configuration and the diagnostics lie outside of it, so that a power cut takes nothing of the proof."""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

BUILD = pathlib.Path(os.environ.get("WADI_BUILD_DIR", "build"))
COLLECTOR = BUILD / "collector/wadi-collector"
DEVICES = BUILD / "tests/crash/collector/wadi-crash-devices"
AUDIT = BUILD / "tests/crash/collector/wadi-crash-audit"
DEADLINE_S = 60  # for anything that is going to happen
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"

CONFIG = """\
id: crash
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0}}
tls: {{cert_file: {work}/server.pem, key_file: {work}/server.key}}
journal: {{dir: {journal}, max_bytes: {max_bytes}, keep: 2s, keep_bytes: 1MiB}}
ingress: {{threads: {threads}}}
order: {{window: {window}, max_pending: {max_pending}}}
sinks:
  - {{name: files, type: file, path: {events}, compression: none, roll_bytes: {roll_bytes}, roll_interval: 200ms,
     late_roll_interval: {late_roll_interval}}}
"""
# A second sink, with an order of its own.
PACKED = """\
  - {{name: packed, type: file, path: {packed}, compression: zstd, window: 3s, roll_interval: 700ms,
     late_roll_interval: 2s}}
"""
SETTINGS = {"max_bytes": "256MiB", "threads": 2, "window": "1s", "max_pending": "64MiB", "roll_bytes": "128KiB",
            "late_roll_interval": "1500ms"}


class Failure(Exception):
    """The collector broke a promise."""


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def needs_root(*programs):
    if os.geteuid() != 0:
        skip("needs root")
    needs(*programs)


def needs(*programs):
    for program in programs:
        if not shutil.which(program, path=PATH):
            skip(f"needs {program}")


def eventually(condition, what, deadline_s=DEADLINE_S):
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    raise Failure(f"not within {deadline_s} s: {what}")


def arguments(**defaults):
    """--name N for each default, and --seed, which is printed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    for name, value in defaults.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    parsed = parser.parse_args()
    print("seed", parsed.seed, flush=True)
    return parsed


def run(test):
    """Runs test(), and says what broke without a traceback of the rig's own. What it made is undone even when
    it is ended from outside."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        test()
    except Failure as failure:
        print("FAILED:", failure)
        sys.exit(1)


class Collector:
    """The process; started any number of times."""

    def __init__(self, work, place, journal=None, events=None, packed=False, **settings):
        self.work, self.process, self.env = pathlib.Path(work), None, {}
        self.journal = pathlib.Path(journal or f"{place}/journal")
        self.events = pathlib.Path(events or f"{place}/events")
        self.config, self.log = self.work / "collector.yaml", self.work / "log"
        self.port_file = self.work / "port"
        self.sinks = {"files": self.events}
        if packed:
            self.sinks["packed"] = pathlib.Path(f"{place}/packed")
        self.configure(**settings)
        certificate_make(self.work)

    def configure(self, **settings):
        """Takes effect with the next start."""
        text = CONFIG + (PACKED if "packed" in self.sinks else "")
        places = {"work": self.work, "journal": self.journal, "events": self.events, **self.sinks}
        self.config.write_text(text.format(**places, **{**SETTINGS, **settings}))

    def begin(self, under=()):
        """Starts it, `under` another program if one is named, and does not wait until it listens."""
        log = open(self.log, "ab")
        self.begun = log.tell()
        self.process = subprocess.Popen([*under, COLLECTOR, "--config", self.config], stderr=log,
                                        env={**os.environ, **self.env})
        log.close()

    def start(self):
        self.begin()
        self.listen()

    def listen(self):
        """Waits until it does, and tells the devices where."""
        port = eventually(lambda: self._port("listening"), "the collector listens")
        self.admin = self._port('"admin listening"')
        fresh = self.work / "port.new"
        fresh.write_text(port)
        fresh.rename(self.port_file)

    def _port(self, message):
        text = self.log.read_bytes()[self.begun:].decode(errors="replace")
        found = re.search(rf"msg={message} .*port=(\d+)", text)
        if not found and self.process.poll() is not None:
            raise Failure(f"the collector did not start: {self.process.returncode}\n{self.log_end()}")
        return found and found.group(1)

    def log_end(self, lines=12):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(DEADLINE_S) != 0:
            raise Failure(f"did not stop cleanly: {self.process.returncode}\n{self.log_end()}")

    def thread(self, part):
        """The id of the thread of the journal or the sink."""
        name = {"journal": "journal", "sink": "sink-files"}[part]
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            if (task / "comm").read_text().strip() == name:
                return int(task.name)
        raise Failure(f"the collector has no thread {name}")

    def page(self, path):
        """(status, text) of an admin page; (0, "") when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def is_ready(self):
        return self.page("/readyz")[0] == 200

    def metric(self, name, label=""):
        """The sum over the series of `name` whose labels hold `label`."""
        total = 0.0
        for line in self.page("/metrics")[1].splitlines():
            if re.match(rf"wadi_{name}[ {{]", line) and label in line:
                total += float(line.rsplit(" ", 1)[1])
        return total


def certificate_make(work):
    if (work / "server.pem").exists():
        return
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", work / "server.key", "-out", work / "server.pem"], check=True, capture_output=True)


class Devices:
    """Devices that send to a collector, with notes shared by all that are started for it."""

    sums = ("batches", "reconnects", "retries", "retries_unhinted", "rewinds", "unverified", "wrong")

    def __init__(self, collector, seed):
        self.collector, self.seed, self.first, self.process = collector, seed, 0, None
        self.notes = collector.work / "notes"
        self.total = dict.fromkeys(self.sums, 0)

    def start(self, streams=64, connections=8, **settings):
        flags = {"first": self.first, "streams": streams, "connections": connections,
                 "seed": self.seed + self.first, **settings}
        self.first += streams
        command = [DEVICES, "--port-file", self.collector.port_file, "--ca", self.collector.work / "server.pem",
                   "--notes", self.notes]
        for name, value in flags.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def acked(self):
        """Events acknowledged so far."""
        data = self.notes.read_bytes() if self.notes.exists() else b""
        return sum(int.from_bytes(data[at + 8:at + 16], "little") for at in range(0, len(data) - 15, 16))

    def finish(self):
        """Tells them to send what is pending; afterwards every event is acknowledged."""
        self.process.send_signal(signal.SIGTERM)
        self.end()

    def end(self):
        out, _ = self.process.communicate(timeout=2 * DEADLINE_S)
        for name, value in json.loads(out or "{}").items():
            if name in self.total:
                self.total[name] += value
        if self.process.returncode != 0:
            raise Failure(f"the devices: {out}\n{self.collector.log_end()}")

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()


# ---- the files -----------------------------------------------------------------------------------


def manifests_of(events, sink="files"):
    return pathlib.Path(events) / "_wadi/crash" / sink


class Commits:
    """The commits of a sink, each read once."""

    def __init__(self, events, sink="files"):
        self.dir, self.known = manifests_of(events, sink), {}

    def read(self):
        for path in sorted(self.dir.glob("*.commit")):
            if path.name not in self.known:
                self.known[path.name] = self._load(path)
        return list(self.known.values())

    @staticmethod
    def _load(path):
        try:
            return json.loads(path.read_text())
        except ValueError as error:
            raise Failure(f"{path.name} is no manifest: {error}") from error

    def events(self):
        return sum(commit["events"] for commit in self.read())


def manifests_check(events, sink, listing):
    """Every object is named by one commit, which tells its size and checksum; nothing else lies around."""
    commits = Commits(events, sink)
    epochs = [commit["epoch"] for commit in commits.read()]
    if sorted(epochs) != list(range(1, len(epochs) + 1)):
        raise Failure(f"the epochs have holes: {sorted(epochs)}")
    left = [str(path) for path in commits.dir.glob("*.intent")] + [str(p) for p in commits.dir.glob("aside/*")]
    if left:
        raise Failure(f"left behind: {left}")
    named = {}
    for commit in commits.read():
        for o in commit["objects"]:
            if o["name"] in named:
                raise Failure(f"two commits name {o['name']}")
            named[o["name"]] = (o["bytes"], o["crc32c"], o["events"])
    there = {}
    for line in listing.read_text().splitlines():
        name, *values = line.split()
        there[name] = tuple(map(int, values))
    for name in named.keys() | there.keys():
        if named.get(name) != there.get(name):
            raise Failure(f"{name}: its commit says {named.get(name)}, the disk has {there.get(name)}")


def audit(collector, devices):
    """Everything acknowledged stands in the files of each sink, once and in order. Gives the last one's counts."""
    for sink, events in collector.sinks.items():
        counts = sink_audit(collector, devices, sink, events)
    return counts


def sink_audit(collector, devices, sink, events):
    listing = collector.work / "objects"
    done = subprocess.run([AUDIT, events, devices.notes, listing], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failure(f"the files of {sink} could not be read")
    counts = json.loads(done.stdout)
    wrong = {name: counts[name] for name in ("lost", "duplicated", "foreign", "misordered") if counts[name]}
    if wrong:
        raise Failure(f"{sink}: {wrong} of {counts}")
    manifests_check(events, sink, listing)
    return counts


def settle(collector, devices, deadline_s=DEADLINE_S):
    """With the devices finished: waits until the sinks have committed every event, stops the collector and
    audits their files."""
    acked, until = devices.acked(), time.monotonic() + deadline_s
    sinks = [Commits(events, sink) for sink, events in collector.sinks.items()]
    while min(commits.events() for commits in sinks) < acked and time.monotonic() < until:
        if not collector.is_alive():
            raise Failure(f"the collector died by itself: {collector.process.returncode}\n{collector.log_end()}")
        time.sleep(0.02)
    collector.stop()
    return audit(collector, devices)


class Work:
    """A directory for one test, and the processes to end with it."""

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="wadi-crash-"))
        self.ends = [lambda: shutil.rmtree(self.dir, ignore_errors=True)]
        return self

    def at_end(self, end):
        self.ends.append(end)

    def __exit__(self, kind, error, trace):
        if isinstance(error, Failure) and os.environ.get("WADI_CRASH_KEEP"):
            print("kept:", self.dir)
            self.ends.pop(0)
        for end in reversed(self.ends):
            end()

    def parts(self, seed, place=None, **settings):
        """A collector and its devices."""
        collector = Collector(self.dir, place or self.dir, **settings)
        devices = Devices(collector, seed)
        self.at_end(collector.kill)
        self.at_end(devices.kill)
        return collector, devices

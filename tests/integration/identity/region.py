"""What the tests of identity share: a real collector, real devices whose stores can be copied and put back, and
the judge of the output files."""

import asyncio
import collections
import logging
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import unittest
import urllib.request

SOURCE = pathlib.Path(os.environ.get("WADI_SOURCE_DIR", pathlib.Path(__file__).parents[3]))
BUILD = pathlib.Path(os.environ["WADI_BUILD_DIR"])
sys.dont_write_bytecode = True
sys.path[:0] = [str(SOURCE / "examples/quickstart"), str(SOURCE / "tests/integration/ingress")]

import certificates  # noqa: E402
import devices  # noqa: E402
import notes  # noqa: E402
import outputs  # noqa: E402
from collector import HOST, Collector  # noqa: E402
from place import Place  # noqa: E402
from processes import Process  # noqa: E402

logging.getLogger("asyncio").setLevel(logging.ERROR)  # that a callback of our own is slow is no news
DEADLINE_S = 60
NOWHERE = f"https://{HOST}:1"  # nobody listens there: a device that is offline
WINDOW, ROLL = "1s", "200ms"
SHORT = {"rate": 400, "disk_bytes": 4 << 20, "ring_bytes": 64 << 10}
TRIMMED = {"  keep_bytes: 128MiB": "  keep_bytes: 0\n  keep: 0s"}  # the journal keeps nothing that its sink has
PROBE = "probe"
FOREVER_S = 3600  # a recording that only kill -9 ends


async def eventually(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened: {what}")
        await asyncio.sleep(0.02)
    return found


class Region:
    """A collector in a directory of its own. `settings` replace texts of the quickstart's configuration."""

    def __init__(self, root, settings=()):
        self.place = Place(root)
        for directory in (self.place.devices, self.place.events, self.place.journal):
            directory.mkdir(parents=True)
        certificates.ensure(self.place.tls)
        self.collector = Collector(BUILD / "collector/wadi-collector", self.place, WINDOW, ROLL)
        self._configure({"compression: zstd": "compression: none", **dict(settings)})
        self.events, self.host, self.port = self.place.events, HOST, self.collector.port  # as a relay: nothing between

    def _configure(self, settings):
        text = self.place.config.read_text()
        for old, new in settings.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self.place.config.write_text(text)

    def lines(self):
        return [line for obj in outputs.objects(self.events) for line in obj.lines()]

    def delivered(self):
        """Lines by audit id, without what the system says itself, and probes (client.py)."""
        found = collections.defaultdict(list)
        for line in self.lines():
            if not line["name"].startswith("_wadi.") and line["properties"]["audit"] != PROBE:
                found[line["properties"]["audit"]].append(line)
        return found

    def admin(self, path):
        return f"http://{HOST}:{self.collector.admin_port}{path}"

    def metric(self, name):
        """Of /metrics; 0 while there is none."""
        with urllib.request.urlopen(self.admin("/metrics"), timeout=5) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"wadi_{name} "):
                    return float(line.split()[1])
        return 0

    def conflicts(self, kind):
        return self.metric(f'dedup_conflicts_total{{status="{kind}"}}')


class Snapshot:
    """A copy of a store, and the events that are lost if it lives on and they are not delivered."""

    def __init__(self, path, owed):
        self.path, self.owed = path, owed


class Device(devices.Device):
    """A device whose store is copied and put back. Its notes stay: they are the truth, not a part of it."""

    snapshots = 0

    def __init__(self, fleet, snapshot=None):
        super().__init__(fleet, len(fleet.devices) + 1)
        fleet.devices.append(self)
        self._task = None
        self._inherited, self._undone = set(), set()
        self.is_gone = False  # for good: what it owes, its copies owe
        self.store = self.directory / "store"
        if snapshot:
            self._take(snapshot)

    # ---- life

    async def start(self, mode, **options):
        if mode == "record":
            options.setdefault("until", int((time.monotonic() + FOREVER_S) * 1000))
        self._task = asyncio.create_task(self.run(mode, **options))
        while self.process is None:
            await asyncio.sleep(0)

    async def kill(self):
        if self.process:
            self.process.kill()
        if self._task:
            status = await self._task
            assert status in (0, -signal.SIGKILL), f"device {self.number} ended with {status}; {self._log_end()}"
            self._task = None

    async def record(self, events, **options):
        """Records at least so many more, and dies."""
        await self.start("record", **options)
        await self.record_on(events)
        await self.kill()

    async def record_on(self, events):
        """The same of one that is running; it stays so."""
        goal = len(self.noted()) + events
        await eventually(lambda: len(self.noted()) >= goal, f"device {self.number} records {events} more")

    async def drain(self, **options):
        await self.run_in_time("drain", **options)

    # ---- copies

    def snapshot(self):
        """As of a virtual machine: all of the store at one moment, though the device goes on."""
        Device.snapshots += 1
        path = self.directory / f"copy-{Device.snapshots}"
        if self.process:
            self.process.signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # it may just have ended
        shutil.copytree(self.store, path)
        taken = Snapshot(path, self.owed())
        if self.process:
            self.process.signal(signal.SIGCONT)
        return taken

    async def roll_back(self, snapshot):
        """kill -9, and the store is what it was."""
        await self.kill()
        shutil.rmtree(self.store, ignore_errors=True)
        self._take(snapshot)

    def _take(self, snapshot):
        shutil.copytree(snapshot.path, self.store)
        self._inherited, self._undone = set(snapshot.owed), self.noted()

    # ---- what it recorded

    def _notes(self):
        return notes.Device(self.directory) if (self.directory / "notes").exists() else None

    def noted(self):
        """The events that it recorded, whatever became of its store."""
        noted = self._notes()
        return set(noted.ok) if noted else set()

    def intended(self):
        noted = self._notes()
        return set(noted.intent) if noted else set()

    def owed(self):
        """What has to be delivered: all that its store has ever held, as the store itself knows it."""
        return set() if self.is_gone else self._inherited | (self.noted() - self._undone)


class Fleet(devices.Fleet):
    def __init__(self, region, seed=1):
        super().__init__(BUILD / "examples/quickstart_device", region.place, region, None, seed)
        self.options |= SHORT


def judge(test, regions, fleet, resent_is_fine=False):
    """From the output files and the devices' notes only. Returns the number of duplicates, each marked."""
    delivered = collections.defaultdict(list)
    for region in regions:
        for audit, lines in region.delivered().items():
            delivered[audit] += lines
    owed = set().union(*(d.owed() for d in fleet.devices))
    intended = set().union(*(d.intended() for d in fleet.devices))
    test.assertGreater(len(owed), 0)
    test.assertEqual(sorted(owed - delivered.keys())[:5], [], "lost")
    test.assertEqual(sorted(delivered.keys() - intended)[:5], [], "never recorded")
    doubtful = set().union(*(getattr(d, "doubtful", ()) for d in fleet.devices))
    again = {audit: lines for audit, lines in delivered.items() if len(lines) > 1 and audit not in doubtful}
    if not resent_is_fine:
        test.assertEqual(sorted(again)[:5], [], "delivered more than once")
    numbers = collections.Counter((line["stream"], line["seq"]) for lines in delivered.values() for line in lines)
    test.assertEqual([n for n, count in numbers.items() if count > 1][:5], [], "two events under one number")
    unmarked = [a for a, lines in again.items() if sum("resent" not in line for line in lines) > 1]
    test.assertEqual(unmarked[:5], [], "delivered more than once, and not marked")
    return sum(len(lines) - 1 for lines in again.values())


class RegionTest(unittest.IsolatedAsyncioTestCase):
    SETTINGS = ()

    async def asyncSetUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.addCleanup(Process.kill_all)
        self.region = Region(self.root / "region", self.SETTINGS)
        await self.region.collector.start()

    async def settle(self):
        """All that the journal has is in the files."""
        await self.region.collector.settle()

    async def ledger(self):
        return await self.region.collector.ledger()


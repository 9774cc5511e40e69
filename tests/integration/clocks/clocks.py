"""Devices and collectors whose clocks are wrong, and the judge of the times that come out."""

import asyncio
import collections
import datetime
import mmap
import os
import pathlib
import signal
import struct
import sys
import time
import uuid
from unittest import mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "identity"))

import region  # noqa: E402
from region import BUILD, NOWHERE, RegionTest, certificates, eventually  # noqa: E402,F401
from processes import Process  # noqa: E402

SEAM = BUILD / "tests/integration/clocks/clock_seam.so"
PROGRAM = BUILD / "tests/integration/clocks/clock_device"
YEAR_US = int(365.25 * 86400e6)
SECOND_US = 1_000_000
EXACT_US = 50_000  # how far an exact time may be from the truth
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def boottime_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def time_us(text):
    return (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // datetime.timedelta(microseconds=1)


class Clocks:
    """What a process believes: offsets of its clocks, and its boot id, changed while it runs."""

    def __init__(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        self.file, self.boot_id = directory / "clocks", directory / "boot_id"
        self.file.write_bytes(bytes(24))
        with open(self.file, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 24)
        self.boot_id.write_text(f"{uuid.uuid4()}\n", encoding="ascii")

    def _set(self, at, us):
        struct.pack_into("<q", self._map, at, us)  # an aligned eight bytes: one store

    def wall(self, us):
        """The wall clock is wrong by so much."""
        self._set(0, us)

    def believe(self, unix_s):
        """The wall clock shows this now."""
        self.wall(int((unix_s - time.time()) * SECOND_US))

    def slept(self, us):
        """A suspend of which the monotonic clock knows nothing."""
        self._set(16, struct.unpack_from("<q", self._map, 16)[0] - us)

    def reboot(self):
        """Another boot, just begun. Nobody is running."""
        self._set(8, SECOND_US - boottime_us())
        self.boot_id.write_text(f"{uuid.uuid4()}\n", encoding="ascii")

    def environment(self):
        preload = {"LD_PRELOAD": str(SEAM), "WADI_TEST_CLOCKS": str(self.file), "WADI_TEST_BOOT_ID": str(self.boot_id)}
        options = os.environ.get("ASAN_OPTIONS", "")  # its runtime need not come before the seam
        return preload | {"ASAN_OPTIONS": f"{options}:verify_asan_link_order=0"}

    def around(self, *command):
        return ["env", *(f"{name}={value}" for name, value in self.environment().items()), *command]


class ClocksTest(RegionTest):
    """Its certificates are good for decades, so that a device's wall clock may be ahead of the truth."""

    async def asyncSetUp(self):
        ensure = certificates.ensure
        long = mock.patch.multiple(certificates, VALID_DAYS=365 * 30, ensure=lambda directory: self._early(ensure, directory))
        self.enterContext(long)
        await super().asyncSetUp()

    @staticmethod
    def _early(ensure, directory):
        clocks = Clocks(directory.parent / "past")
        clocks.wall(-12 * YEAR_US)
        with mock.patch.dict(os.environ, clocks.environment()):
            return ensure(directory)

    def device(self, name="device"):
        return Device(self.root, self.region, name)


class Device:
    """A device with clocks of its own. It records whenever it is up."""

    def __init__(self, place, a_region, name="device"):
        self.directory = place / name
        self.directory.mkdir()
        self.region, self.launches, self.process, self._ended = a_region, 0, None, None
        self.clocks = Clocks(self.directory)

    def up(self, online=True, around=()):
        endpoint = f"https://{self.region.host}:{self.region.port}" if online else NOWHERE
        self.launches += 1
        self.process = Process(
            [*around, *self.clocks.around(PROGRAM, self.directory / "store", endpoint,
                                          self.region.place.tls / "ca.pem", self.launches)], self.directory / "log")
        self._ended = asyncio.create_task(self.process.wait())

    async def kill(self):
        self.process.kill()
        await self._ended

    async def stop(self):
        """It uploads everything first."""
        self.process.signal(signal.SIGTERM)
        status = await asyncio.wait_for(self._ended, region.DEADLINE_S)
        if status != 0:
            raise AssertionError(f"{self.directory.name} ended with {status}: {self.log()}")

    async def suspend(self, seconds):
        """All of the machine but its boot clock."""
        self.process.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        begin = time.monotonic()
        await asyncio.sleep(seconds)
        self.clocks.slept(int((time.monotonic() - begin) * SECOND_US))
        self.process.signal(signal.SIGCONT)

    async def delivers(self):
        """Waits until something that was recorded from now on has come out."""
        since, deadline = time.time_ns() // 1000, time.monotonic() + region.DEADLINE_S
        while not any(t.truth > since for t in self.ticks()):
            if time.monotonic() > deadline:
                raise AssertionError(f"nothing comes out of {self.directory.name}: {self.log()}")
            await asyncio.sleep(0.3)  # a look at all that came out is not cheap

    def installation(self):
        return (self.directory / "store/installation").read_bytes()[:16].hex()

    def ticks(self):
        """Its events that came out, by stream and number; each knows when its call was over, so the last of each
        thread is not among them."""
        lines = [line for line in self.region.lines()
                 if line["name"] == "tick" and line["installation"] == self.installation()]
        found = [Tick(line) for line in sorted(lines, key=lambda line: (line["stream"], line["seq"]))]
        returned = {(t.thread, t.n - 1): t.line["properties"]["returned"] for t in found}
        for t in found:
            t.over = returned.get((t.thread, t.n))
        return [t for t in found if t.over is not None]

    def log(self):
        return (self.directory / "log").read_text(errors="replace")[-2000:]


class Tick:
    """One event of a device, and what is known of the moment at which it was recorded."""

    def __init__(self, line):
        p = line["properties"]
        self.line, self.quality = line, line["time_quality"]
        self.time, self.received = time_us(line["time"]), time_us(line["received_at"])
        self.thread, self.n, self.launch = (p["launch"], p["thread"]), p["n"], p["launch"]
        self.truth, self.over = p["truth"], None

    def wrong_us(self):
        """From the interval in which it was recorded."""
        if self.time < self.truth:
            return self.time - self.truth
        return max(0, self.time - self.over)

    def __repr__(self):
        return f"{self.thread}#{self.n} {self.quality} wrong by {self.wrong_us() / 1e6:.3f} s, seq {self.line['seq']}"


def qualities(found):
    return collections.Counter(t.quality for t in found)


def judge_order(test, found):
    """Nothing lost, and the order kept."""
    test.assertGreater(len(found), 0)
    streams, threads = collections.defaultdict(list), collections.defaultdict(list)
    for t in found:
        streams[t.line["stream"]].append(t)
        threads[t.thread].append(t.n)
    for thread, numbers in threads.items():
        test.assertEqual(numbers, list(range(1, len(numbers) + 1)), f"lost, doubled or out of order in {thread}")
    for stream in streams.values():
        back = [t for before, t in zip(stream, stream[1:]) if t.time < before.time or t.received < before.received]
        test.assertEqual(back[:5], [], "time falls within a stream")
    test.assertEqual([t for t in found if t.time > t.received][:5], [], "later than its arrival")


def judge(test, found, since=0):
    """What holds whatever a device's clocks did; exact times, of events recorded since then, are near the truth."""
    judge_order(test, found)
    wrong = [t for t in found if t.quality == "exact" and t.truth > since and abs(t.wrong_us()) > EXACT_US]
    test.assertEqual(wrong[:5], [], f"{len(wrong)} of {len(found)} exact times are wrong")

"""Devices that are put back to an earlier state while they run, memory and store at once, as a machine that is rolled
back by its hypervisor: they do not notice, and go on under the same numbers."""

import asyncio
import os
import shutil
import signal
import subprocess

from region import BUILD, DEADLINE_S, eventually, notes
from processes import Process

PROGRAM, PUTBACK = (BUILD / "tests/integration/identity" / name for name in ("live_device", "putback"))
SLOTS = 4


class State:
    def __init__(self, path, owed, under_way):
        self.path, self.owed, self.under_way = path, owed, under_way


class Device:
    """As region.Device to the judge."""

    def __init__(self, fleet, number):
        self.fleet, self.number = fleet, number
        self.directory = fleet.region.place.devices / f"live-{number:04}"
        self.directory.mkdir()
        self.store, self.states = self.directory / "store", [None] * SLOTS
        self._inherited, self._undone, self.doubtful = set(), set(), set()
        self._process = self._ended = self._putback = None

    def signal(self, number):
        self._process.signal(number)

    async def start(self, around=(), more=()):
        fleet = self.fleet
        self._process = Process(
            [*around, PROGRAM, self.directory, f"https://{fleet.region.host}:{fleet.region.port}",
             fleet.region.place.tls / "ca.pem", self.number, *more], self.directory / "log")
        self._ended = asyncio.create_task(self._process.wait())
        before = len(self.noted())
        await eventually(lambda: len(self.noted()) > before, f"live device {self.number} records")
        if PUTBACK.exists():
            self._putback = await asyncio.create_subprocess_exec(
                PUTBACK, str(self._process.pid), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    async def _do(self, command):
        self._putback.stdin.write(f"{command}\n".encode())
        answer = (await asyncio.wait_for(self._putback.stdout.readline(), DEADLINE_S)).decode().strip()
        if answer != "ok":
            raise AssertionError(f"live device {self.number}: {command}: {answer}")

    async def keep(self, slot):
        await self._do("stop")
        path = self.directory / f"state-{slot}"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.store, path)
        await self._do(f"keep {slot}")
        self.states[slot] = State(path, self.owed(), self.intended() - self.noted())
        await self._do("run")

    async def back(self, slot):
        state = self.states[slot]
        await self._do("stop")
        self._files_back(state.path)
        await self._do(f"back {slot}")
        self._inherited, self._undone = set(state.owed), self.noted()
        self.doubtful |= state.under_way  # recorded twice, in both lives
        await self._do("run")

    def _files_back(self, path):
        """Into the same files, which the process has open and mapped."""
        for root, _, names in os.walk(path):
            for name in names:
                kept = os.path.join(root, name)
                with open(kept, "rb") as kept_file, open(self.store / os.path.relpath(kept, path), "r+b") as file:
                    shutil.copyfileobj(kept_file, file)
                    file.truncate()

    async def _released(self):
        if self._putback:
            self._putback.stdin.close()
            await self._putback.wait()
        self.states = [None] * SLOTS

    async def kill(self):
        await self._released()
        self._process.kill()
        await self._ended

    async def finish(self):
        """Uploads all of it."""
        await self._released()
        self._process.signal(signal.SIGTERM)
        status = await asyncio.wait_for(self._ended, DEADLINE_S)
        if status != 0:
            raise AssertionError(f"live device {self.number} ended with {status}")
        shutil.rmtree(self.store)
        for path in self.directory.glob("state-*"):
            shutil.rmtree(path)

    # ---- what it recorded

    def _notes(self):
        return notes.Device(self.directory) if (self.directory / "notes").exists() else None

    def noted(self):
        noted = self._notes()
        return set(noted.ok) if noted else set()

    def intended(self):
        noted = self._notes()
        return set(noted.intent) if noted else set()

    def owed(self):
        return self._inherited | (self.noted() - self._undone)


class Fleet:
    def __init__(self, region):
        self.region, self.devices = region, []

    def device(self):
        self.devices.append(Device(self, len(self.devices) + 1))
        return self.devices[-1]

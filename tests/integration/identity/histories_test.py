"""Random histories of devices that are killed, copied, cloned and put back to earlier states while they record and
upload: cold, as a backup that is restored, and live, as a machine that is rolled back with its memory.

    histories_test.py [HISTORIES [SEED [TEST…]]]      so many of each kind

Judged from the output files and the devices' notes: nothing is lost, and nothing comes twice; where the journal
lets go at once what could be compared, nothing comes twice unmarked."""

import asyncio
import os
import platform
import random
import sys
import unittest

import live
from region import NOWHERE, TRIMMED, Device, Fleet, RegionTest, judge

HISTORIES = int(sys.argv[1]) if len(sys.argv) > 1 else 8
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4), "little")
AT_A_TIME = 12
STEPS, DEVICES_MAX, COPIES_MAX = 8, 4, 4
LIVE_STEPS = 8
RUN_S = 0.05, 0.6  # around the 200 ms after which a device begins to upload
LIVE_S = 0.02, 0.2


class History:
    """One device, and all that come from copies of it."""

    COPY_STEPS = ()  # what is done with copies, as often as they stand here

    def __init__(self, region_fleet, seed):
        self.fleet, self.chance = region_fleet, random.Random(seed)
        self.devices = [Device(self.fleet)]
        self.copies = []

    async def run(self):
        for _ in range(STEPS):
            await self.chance.choice(self._steps())(self.chance.choice(self.devices))
        for device in self.devices:
            await self._record(device)  # twins part at last
            await device.kill()
            await device.drain()
            device.put_away()

    def _steps(self):
        steps = [self._record, self._record, self._upload]
        if self.devices[0].store.exists():
            steps.append(self._copy)
        return steps + [getattr(self, name) for name in self.COPY_STEPS if self.copies]

    async def _run_for(self, device, mode, **options):
        """Some milliseconds of it. Now and then it stays up for the next step."""
        await device.kill()
        await device.start(mode, **options)
        await asyncio.sleep(self.chance.uniform(*RUN_S))
        if self.chance.random() < 0.7:
            await device.kill()

    async def _record(self, device):
        where = {"endpoint": NOWHERE} if self.chance.random() < 0.3 else {}
        await self._run_for(device, "record", **where)

    async def _upload(self, device):
        await self._run_for(device, "drain")

    async def _copy(self, device):
        self.copies = [*self.copies, device.snapshot()][-COPIES_MAX:]

    async def _restore(self, device):
        await device.roll_back(self.chance.choice(self.copies))

    async def _clone(self, _device):
        if len(self.devices) < DEVICES_MAX:
            self.devices.append(Device(self.fleet, self.chance.choice(self.copies)))


class CloneHistory(History):
    COPY_STEPS = ("_clone", "_clone")


class RestoreHistory(History):
    COPY_STEPS = ("_restore", "_restore")


class MixedHistory(History):
    COPY_STEPS = ("_clone", "_restore", "_restore")


class LiveHistory:
    """One device that is put back while it runs, and now and then dies in between."""

    def __init__(self, fleet, seed):
        self.chance, self.device, self.kept = random.Random(seed), fleet.device(), []

    async def run(self):
        await self.device.start()
        for _ in range(LIVE_STEPS):
            await asyncio.sleep(self.chance.uniform(*LIVE_S))
            step = self.chance.random()
            if step < 0.45 or not self.kept:
                slot = self.chance.randrange(live.SLOTS)
                await self.device.keep(slot)
                self.kept.append(slot)
            elif step < 0.95:
                await self.device.back(self.chance.choice(self.kept))
            else:
                await self.device.kill()
                await self.device.start()
                self.kept = []
        await self.device.finish()


class HistoriesTest(RegionTest):
    async def lived(self, fleet, kind, histories):
        """How often the collector answered what."""
        print(f"{histories} of {kind.__name__}, seed {SEED}", flush=True)
        turn = asyncio.Semaphore(AT_A_TIME)

        async def one(seed):
            async with turn:
                await kind(fleet, seed).run()

        async with asyncio.TaskGroup() as group:
            for i in range(histories):
                group.create_task(one(f"{SEED}-{kind.__name__}-{i}"))
        await self.settle()
        told = {what: self.region.conflicts(what) for what in ("rewind", "fork", "unverified")}
        print(f"{len(self.region.delivered())} events of {len(fleet.devices)} devices; answers: {told}")
        return told


class KeptTest(HistoriesTest):
    async def _nothing_is_lost_and_nothing_comes_twice(self, fleet, kind):
        told = await self.lived(fleet, kind, HISTORIES)
        judge(self, [self.region], fleet)
        if HISTORIES >= 100:
            self.assertGreater(told["fork"], 0)

    async def test_clones(self):
        await self._nothing_is_lost_and_nothing_comes_twice(Fleet(self.region, SEED), CloneHistory)

    async def test_restored_backups(self):
        await self._nothing_is_lost_and_nothing_comes_twice(Fleet(self.region, SEED), RestoreHistory)

    @unittest.skipIf(platform.machine() != "x86_64" or "address" in os.environ.get("WADI_SANITIZE", ""),
                     "needs registers that it knows, and memory that is not terabytes of shadow")
    async def test_live_rollbacks(self):
        await self._nothing_is_lost_and_nothing_comes_twice(live.Fleet(self.region), LiveHistory)


class TrimmedTest(HistoriesTest):
    SETTINGS = TRIMMED

    async def test_nothing_is_lost_and_what_comes_twice_is_marked(self):
        fleet = Fleet(self.region, SEED)
        told = await self.lived(fleet, MixedHistory, max(HISTORIES // 4, 8))
        duplicates = judge(self, [self.region], fleet, resent_is_fine=True)
        print(f"{duplicates} duplicates, marked")
        if HISTORIES >= 100:
            self.assertGreater(told["unverified"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=[sys.argv[0], *sys.argv[3:]])

"""Random histories of devices that are killed, copied, cloned and rolled back while they record and upload.

    histories_test.py [HISTORIES [SEED]]

Judged from the output files and the devices' notes: nothing is lost, and nothing comes twice; where the journal
lets go at once what could be compared, nothing comes twice unmarked."""

import asyncio
import os
import random
import sys
import unittest

from region import NOWHERE, TRIMMED, Device, Fleet, RegionTest, judge

HISTORIES = int(sys.argv[1]) if len(sys.argv) > 1 else 30
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4), "little")
AT_A_TIME = 6
STEPS, DEVICES_MAX, COPIES_MAX = 12, 4, 4
RUN_S = 0.05, 0.7  # around the 200 ms after which a device begins to upload


class History:
    """One device, and all that come from copies of it."""

    def __init__(self, fleet, seed):
        self.fleet, self.chance = fleet, random.Random(seed)
        self.devices = [Device(fleet)]
        self.copies = []

    async def run(self):
        for _ in range(STEPS):
            await self.chance.choice(self._steps())(self.chance.choice(self.devices))
        for device in self.devices:
            await device.kill()
            await device.drain()

    def _steps(self):
        steps = [self._record, self._record, self._upload]
        if self.devices[0].store.exists():
            steps.append(self._copy)
        if self.copies:
            steps += [self._roll_back, self._roll_back]
            steps += [self._clone] * (len(self.devices) < DEVICES_MAX)
        return steps

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

    async def _roll_back(self, device):
        await device.roll_back(self.chance.choice(self.copies))

    async def _clone(self, _device):
        self.devices.append(Device(self.fleet, self.chance.choice(self.copies)))


class HistoriesTest(RegionTest):
    async def lived(self, histories):
        """The fleet, and how often the collector answered what."""
        print(f"{histories} histories, seed {SEED}", flush=True)
        fleet, turn = Fleet(self.region, SEED), asyncio.Semaphore(AT_A_TIME)

        async def one(seed):
            async with turn:
                await History(fleet, seed).run()

        async with asyncio.TaskGroup() as group:
            for i in range(histories):
                group.create_task(one(f"{SEED}-{i}"))
        await self.settle()
        told = {kind: self.region.conflicts(kind) for kind in ("rewind", "fork", "unverified")}
        print(f"{len(self.region.delivered())} events of {len(fleet.devices)} devices; answers: {told}")
        return fleet, told


class KeptTest(HistoriesTest):
    async def test_nothing_is_lost_and_nothing_comes_twice(self):
        fleet, told = await self.lived(HISTORIES)
        judge(self, [self.region], fleet)
        self.assertGreater(told["fork"], 0)


class TrimmedTest(HistoriesTest):
    SETTINGS = TRIMMED

    async def test_nothing_is_lost_and_what_comes_twice_is_marked(self):
        fleet, told = await self.lived(max(1, HISTORIES // 2))
        duplicates = judge(self, [self.region], fleet, resent_is_fine=True)
        print(f"{duplicates} duplicates, marked")
        self.assertGreater(told["fork"] + told["unverified"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

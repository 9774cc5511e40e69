"""Cloned stores and restored backups: what both copies share is delivered once, and nothing is lost."""

import shutil
import sys
import unittest

from client import let_go
from region import NOWHERE, TRIMMED, Device, Fleet, RegionTest, judge


class ClonesTest(RegionTest):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.fleet = Fleet(self.region)

    async def recorded_offline(self, events):
        device = Device(self.fleet)
        await device.record(events, endpoint=NOWHERE)
        return device

    async def judged(self):
        for device in self.fleet.devices:
            await device.kill()
            if not device.is_gone:
                await device.drain()
        await self.settle()
        judge(self, [self.region], self.fleet)
        return await self.ledger()

    async def test_cold_clones_deliver_the_shared_part_once(self):
        original = await self.recorded_offline(200)
        image = original.snapshot()
        original.is_gone = True  # it was the image's maker only
        clones = [Device(self.fleet, image) for _ in range(2)]
        for clone in clones:
            await clone.drain()
        for clone in clones:
            await clone.record(50, endpoint=NOWHERE)
            await clone.record(50)
        ledger = await self.judged()
        self.assertGreaterEqual(ledger["duplicates"], 200)
        self.assertGreaterEqual(self.region.conflicts("fork"), 1)

    async def test_clones_that_record_before_they_upload(self):
        """The two part inside the first batch that the second one sends."""
        original = await self.recorded_offline(100)
        clone = Device(self.fleet, original.snapshot())
        for device in (original, clone):
            await device.record(60, endpoint=NOWHERE)
        await self.judged()
        self.assertGreaterEqual(self.region.conflicts("fork"), 1)

    async def test_clone_of_a_running_device_and_both_go_on(self):
        original = Device(self.fleet)
        await original.start("record")
        for _ in range(3):
            await original.record_on(80)
            clone = Device(self.fleet, original.snapshot())
            await clone.start("record")
        await original.record_on(100)
        for clone in self.fleet.devices[1:]:
            await clone.record_on(50)
        await self.judged()

    async def test_restored_backup_goes_on_recording(self):
        device = await self.recorded_offline(100)
        backup = device.snapshot()
        await device.drain()
        await device.record(100)  # some of it uploaded
        await device.roll_back(backup)
        await device.record(70, endpoint=NOWHERE)
        await device.drain()
        await device.record(30)
        await self.judged()
        self.assertGreaterEqual(self.region.conflicts("fork"), 1)

    async def test_backup_restored_again_and_again(self):
        device = await self.recorded_offline(50)
        backup = device.snapshot()
        for _ in range(4):
            await device.record(40)
            await device.drain()
            await device.roll_back(backup)
        await self.judged()

    async def test_torn_copy_takes_nothing_from_the_original(self):
        """cp of a running store is no backup: what it holds may be damaged, and then is set aside."""
        original = Device(self.fleet)
        await original.start("record", rate=2000)
        for _ in range(5):
            await original.record_on(150)
            clone = Device(self.fleet)
            shutil.copytree(original.store, clone.store)
            await clone.start("record")
        await self.judged()


class TrimmedTest(RegionTest):
    SETTINGS = TRIMMED

    async def test_duplicates_that_cannot_be_told_are_marked_and_counted(self):
        fleet = Fleet(self.region)
        original = Device(fleet)
        await original.record(200, endpoint=NOWHERE)
        image = original.snapshot()
        await original.drain()
        await original.record(50)
        await original.drain()
        await self.settle()
        await let_go(self.region)
        before = self.region.conflicts("unverified")
        clone = Device(fleet, image)
        await clone.record(30)
        await clone.drain()
        await self.settle()
        marked = sum("resent" in line for lines in self.region.delivered().values() for line in lines)
        duplicates = judge(self, [self.region], fleet, resent_is_fine=True)
        ledger = await self.ledger()
        self.assertGreater(self.region.conflicts("unverified"), before)
        self.assertGreaterEqual(duplicates, 200)
        self.assertGreaterEqual(marked, duplicates)
        self.assertEqual(ledger["resent"], marked)


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

"""The collector's journal put back from an older copy: the commit says so, what both histories share is not put
out again, and what devices send again arrives."""

import asyncio
import shutil
import sys
import unittest

import client
from region import NOWHERE, Device, Fleet, RegionTest, eventually

import outputs


class RestoredTest(RegionTest):
    async def put_back_after(self, between):
        """Stops, copies the journal, starts, does what `between` does, stops, puts the copy back, and starts."""
        collector, journal = self.region.collector, self.region.place.journal
        copy = self.root / "journal-copy"
        await self.settle()
        await collector.stop()
        shutil.copytree(journal, copy)
        await collector.start()
        await between()
        await collector.stop()
        shutil.rmtree(journal)
        shutil.copytree(copy, journal)
        await collector.start()

    def commits_restored(self):
        return [epoch for _, epoch, manifest in outputs.commits(self.region.events) if manifest["gap"] == "restored"]

    async def put_out(self, audits):
        await eventually(lambda: audits <= self.region.delivered().keys(), "the events are put out")

    def times(self, audit):
        return len(self.region.delivered()[audit])

    async def test_restored_journal_puts_nothing_common_out_twice(self):
        fleet = Fleet(self.region)
        device, newcomer = Device(fleet), Device(fleet)
        await device.record(100)
        await device.drain()
        common = device.noted()

        async def between():
            await device.record(80)
            await device.drain()
            await self.settle()

        await self.put_back_after(between)
        lost_to_the_journal = device.noted() - common
        for one in (device, newcomer):
            await one.record(60, endpoint=NOWHERE)
            await one.drain()
        await self.put_out(device.noted() | newcomer.noted())
        self.assertEqual({a: self.times(a) for a in common if self.times(a) != 1}, {})
        self.assertEqual({a: self.times(a) for a in lost_to_the_journal if self.times(a) != 1}, {})
        self.assertEqual(len(self.commits_restored()), 1)
        gaps = [line["properties"]["count"] for line in self.region.lines() if line["name"] == "_wadi.gap"]
        self.assertEqual(gaps, [len(lost_to_the_journal)])

    async def test_what_is_sent_again_arrives(self):
        """The answer to `b` was lost on its way, and so was the journal that held it."""
        device = client.Device(["a1", "a2", "b1", "b2", "c1"])

        async def sent(first, last):
            status, ack = await asyncio.to_thread(client.post, self.region, device.batch(first, last))
            self.assertEqual((status, ack.agreed_through), (200, last))

        async def between():
            await sent(3, 4)
            await self.settle()

        await sent(1, 2)
        await self.put_back_after(between)
        await sent(1, 5)
        await self.put_out(set(device.audits))
        self.assertEqual([self.times(a) for a in device.audits], [1, 1, 2, 2, 1])
        self.assertEqual(len(self.commits_restored()), 1)

    async def test_stop_and_start_alone_restores_nothing(self):
        device = client.Device(["1", "2"])
        await asyncio.to_thread(client.post, self.region, device.batch(1, 1))
        await self.settle()
        await self.region.collector.stop()
        await self.region.collector.start()
        await asyncio.to_thread(client.post, self.region, device.batch(1, 2))
        await self.put_out({"1", "2"})
        self.assertEqual(self.commits_restored(), [])
        self.assertEqual([self.times(a) for a in ("1", "2")], [1, 1])


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

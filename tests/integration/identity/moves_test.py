"""A device that is sent to another collector: what was never sent goes there, what was sent and not answered
waits for the old one, and nothing is lost."""

import asyncio
import signal
import sys
import unittest

from region import NOWHERE, Device, Fleet, Region, RegionTest, eventually, judge

ANSWER_LOST_S = 0.5  # more than a device's flush_ms: meanwhile it sends


class MovesTest(RegionTest):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.other = Region(self.root / "other", {"id: quickstart": "id: other"})
        await self.other.collector.start()
        self.fleet = Fleet(self.region)
        self.there = {"endpoint": f"https://{self.other.host}:{self.other.port}", "ca": self.other.place.tls / "ca.pem"}
        self.device = Device(self.fleet)

    async def settle(self):
        for region in (self.region, self.other):
            await region.collector.settle()

    async def judged(self):
        await self.settle()
        judge(self, [self.region, self.other], self.fleet)

    async def recorded_and_not_answered(self):
        """The collector gets a batch, and the device dies before the answer. The events that it noted."""
        collector, device = self.region.collector, self.device
        await device.start("record")
        await eventually(lambda: len(self.region.delivered()) >= 50, "it uploads")
        collector.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(ANSWER_LOST_S)
            await device.kill()
        finally:
            collector.signal(signal.SIGCONT)
        await self.settle()
        return device.noted()

    async def test_numbers_never_sent_go_on_elsewhere(self):
        device = self.device
        await device.record(100)
        await device.drain()
        await device.record(80, endpoint=NOWHERE)
        await device.drain(**self.there)
        await device.record(50, **self.there)
        await device.drain(**self.there)
        await self.judged()
        self.assertGreaterEqual(len(self.other.delivered()), 130)

    async def test_numbers_sent_and_not_answered_wait_for_the_old_one(self):
        device = self.device
        before = await self.recorded_and_not_answered()
        await device.start("record", **self.there)
        await device.record_on(100)
        new = device.noted() - before
        await eventually(lambda: len(new & self.other.delivered().keys()) >= 100, "new events go to the new collector")
        await device.kill()
        await device.drain()
        await device.drain(**self.there)
        await self.judged()

    async def test_device_that_goes_to_and_fro(self):
        for _ in range(3):
            await self.recorded_and_not_answered()
            await self.device.record(50, **self.there)
        await self.device.drain()
        await self.device.drain(**self.there)
        await self.judged()


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

"""Devices that do not know the time: never told it, told late, asleep, rebooted while offline, or moved to another
time namespace. Judged from the collector's output, with the truth in each event."""

import asyncio
import subprocess
import sys
import time
import unittest

from clocks import SECOND_US, YEAR_US, ClocksTest, eventually, judge, qualities

AWHILE_S = 0.4
NEAR_US = 2 * SECOND_US
DECADE_S = 10 * 365 * 86400


class DeviceTest(ClocksTest):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.one = self.device()

    async def _boot(self, believes, online=False):
        """One boot of the device, whose wall clock shows that at its beginning."""
        self.one.clocks.reboot()
        self.one.clocks.believe(believes)
        self.one.up(online)
        await asyncio.sleep(AWHILE_S)

    async def _judged(self):
        await self.one.stop()
        await self.settle()
        found = self.one.ticks()
        print({launch: dict(qualities(t for t in found if t.launch == launch)) for launch in {t.launch for t in found}})
        judge(self, found)
        return [[t for t in found if t.launch == launch] for launch in range(1, self.one.launches + 1)]

    def assert_all(self, quality, found):
        self.assertGreater(len(found), 0)
        self.assertEqual([t for t in found if t.quality != quality][:5], [])

    async def test_device_that_believes_it_is_1970(self):
        await self._boot(100, online=True)
        await self.one.delivers()
        for launch in await self._judged():
            self.assert_all("exact", launch)

    async def test_device_that_sleeps(self):
        self.one.up()
        for _ in range(2):
            await self.one.delivers()
            await self.one.suspend(1.5)
        await self.one.delivers()
        for launch in await self._judged():
            self.assert_all("exact", launch)

    async def test_device_that_restarts_offline_keeps_its_offset(self):
        """Of one boot it is enough to have met the collector once."""
        self.one.clocks.believe(100)
        self.one.up()
        await self.one.delivers()
        await self.one.kill()
        for online in (False, False, True):
            self.one.up(online)
            await asyncio.sleep(AWHILE_S)
            if not online:
                await self.one.kill()
        for launch in await self._judged():
            self.assert_all("exact", launch)

    async def test_boots_that_never_met_a_collector(self):
        """The first knew the time, the second believed in 1970, the third was ten years ahead. None of them harms
        what the fourth says, which knows its offset."""
        for believes in (time.time(), 100, time.time() + DECADE_S):
            await self._boot(believes)
            await self.one.kill()
        begun = time.time() * SECOND_US
        await self._boot(time.time(), online=True)
        first, second, third, fourth = await self._judged()
        self.assert_all("estimated", first)
        self.assertLess(max(abs(t.wrong_us()) for t in first), NEAR_US)
        for bounded in (second, third):
            self.assert_all("bounded", bounded)
            self.assertLess(max(t.time for t in bounded), begun + NEAR_US)
        self.assert_all("exact", fourth)

    async def test_boot_that_learned_the_time_late(self):
        await self._boot(100)
        self.one.clocks.believe(time.time())
        await asyncio.sleep(AWHILE_S)
        await self.one.kill()
        await self._boot(time.time(), online=True)
        first, second = await self._judged()
        self.assert_all("estimated", first)
        self.assertLess(max(abs(t.wrong_us()) for t in first), NEAR_US)
        self.assert_all("exact", second)

    async def test_other_time_namespace_of_the_same_boot(self):
        """The boot's id is the same, its clock is not: as of a container that is moved, or a machine that is put
        back. What was left in the store when it happened cannot be exact any more, and says so."""
        around = ["unshare", "--time", "--boottime", "100000000"]
        if subprocess.run([*around, "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("time namespaces are not to be had")
        for where in ((), around, (), around):
            self.one.up(around=where)
            await self.one.delivers()
            if self.one.launches < 4:
                await self.one.kill()
        for launch in await self._judged():
            self.assertLessEqual(qualities(launch).keys(), {"exact", "estimated"})
            self.assertGreater(qualities(launch)["exact"], 0.8 * len(launch))


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

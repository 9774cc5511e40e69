"""Devices that do not know the time: never told it, told late, asleep, rebooted while offline, or moved to another
time namespace. Judged from the collector's output, with the truth in each event."""

import asyncio
import shlex
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

from clocks import SECOND_US, YEAR_US, Clocks, ClocksTest, eventually, judge, judge_order, qualities

AWHILE_S = 0.4
NEAR_US = 2 * SECOND_US
DECADE_S = 10 * 365 * 86400


class DeviceTest(ClocksTest):
    """Devices that live at the same time, each in a scenario of its own. A scenario lives its device's life, and says
    what must be true of what came out of each launch."""

    async def test_devices(self):
        names = [name for name in dir(self) if name.startswith("scenario_")]
        devices = [self.device(name.removeprefix("scenario_")) for name in names]
        checks = await asyncio.gather(*(self._lived(getattr(self, name), one) for name, one in zip(names, devices)))
        await self.settle()
        for one, check in zip(devices, checks):
            with self.subTest(one.directory.name):
                found = one.ticks()
                launches = [[t for t in found if t.launch == i + 1] for i in range(one.launches)]
                print(one.directory.name, [dict(qualities(launch)) for launch in launches])
                judge(self, found)
                check(launches)

    @staticmethod
    async def _lived(scenario, one):
        check = await scenario(one)
        await one.stop()
        return check

    @staticmethod
    async def _boot(one, believes, online=False):
        """One boot of the device, whose wall clock shows that at its beginning."""
        one.clocks.reboot()
        one.clocks.believe(believes)
        one.up(online)
        await asyncio.sleep(AWHILE_S)

    # ---- what is expected

    def assert_all(self, quality, found):
        self.assertGreater(len(found), 0)
        self.assertEqual([t for t in found if t.quality != quality][:5], [])

    def assert_near(self, found):
        self.assertLess(max(abs(t.wrong_us()) for t in found), NEAR_US)

    def all_exact(self, launches):
        for launch in launches:
            self.assert_all("exact", launch)

    # ---- scenarios

    async def scenario_believes_it_is_1970(self, one):
        await self._boot(one, 100, online=True)
        await one.delivers()
        return self.all_exact

    async def scenario_is_ahead_of_all_certificates(self, one):
        """By decades; but it has met its collector in this boot, and judges by that one's time."""
        one.up()
        await one.delivers()
        await one.kill()
        one.clocks.wall(30 * YEAR_US)
        one.up()
        await one.delivers()
        return self.all_exact

    async def scenario_sleeps(self, one):
        one.up()
        for _ in range(2):
            await one.delivers()
            await one.suspend(1.5)
        await one.delivers()
        return self.all_exact

    async def scenario_restarts_offline(self, one):
        """Of one boot it is enough to have met the collector once."""
        one.clocks.believe(100)
        one.up()
        await one.delivers()
        for online in (False, False, True):
            await one.kill()
            one.up(online)
            await asyncio.sleep(AWHILE_S)
        return self.all_exact

    async def scenario_boots_that_never_met_a_collector(self, one):
        """The first knew the time, the second believed in 1970, the third was ten years ahead. None of them harms
        what the fourth says, which knows its offset."""
        for believes in (time.time(), 100, time.time() + DECADE_S):
            await self._boot(one, believes)
            await one.kill()
        begun_us = time.time() * SECOND_US
        await self._boot(one, time.time(), online=True)

        def check(launches):
            first, second, third, fourth = launches
            self.assert_all("estimated", first)
            self.assert_near(first)
            for bounded in (second, third):
                self.assert_all("bounded", bounded)
                self.assertLess(max(t.time for t in bounded), begun_us + NEAR_US)
            self.assert_all("exact", fourth)
        return check

    async def scenario_boot_that_learned_the_time_late(self, one):
        await self._boot(one, 100)
        one.clocks.believe(time.time())
        await asyncio.sleep(AWHILE_S)
        await one.kill()
        await self._boot(one, time.time(), online=True)

        def check(launches):
            self.assert_all("estimated", launches[0])
            self.assert_near(launches[0])
            self.assert_all("exact", launches[1])
        return check

    async def scenario_store_that_moves_to_another_machine(self, one):
        """Another boot id, a boot clock that stands anywhere, and a wall clock of its own. What it still owes of the
        first machine, which had met the collector, is as exact there."""
        one.up()
        await one.delivers()
        await one.kill()
        one.up(online=False)
        await asyncio.sleep(AWHILE_S)
        await one.kill()
        await self._boot(one, time.time() - DECADE_S, online=True)
        return self.all_exact

    async def scenario_other_time_namespace_of_the_same_boot(self, one):
        """The boot's id is the same, its clock is not: as of a container that is moved, or a machine that is put
        back. What was left in the store when it happened cannot be exact any more, and says so."""
        around = ["unshare", "--time", "--boottime", "100000000"]
        if subprocess.run([*around, "true"], capture_output=True, check=False).returncode != 0:
            print("time namespaces are not to be had")
            around = []
        for where in ((), around, (), around):
            if one.launches > 0:
                await one.kill()
            one.up(around=where)
            await one.delivers()

        def check(launches):
            for launch in launches:
                self.assertLessEqual(qualities(launch).keys(), {"exact", "estimated"})
                self.assertGreater(qualities(launch)["exact"], 0.8 * len(launch))
        return check


class CollectorTest(ClocksTest):
    """The collector's own wall clock is set."""

    async def asyncSetUp(self):
        await super().asyncSetUp()
        await self.region.collector.stop()
        self.clocks, self.one = Clocks(self.root / "collector"), self.device()
        script = self.root / "collector.sh"
        script.write_text(f"#!/bin/sh\nexec {shlex.join(map(str, self.clocks.around(self.region.collector.program)))} "
                          '"$@"\n', encoding="utf-8")
        script.chmod(0o700)
        self.region.collector.program = script
        await self.region.collector.start()

    def _ready(self):
        """/readyz, and what it says."""
        try:
            with urllib.request.urlopen(self.region.admin("/readyz"), timeout=5) as answer:
                return True, answer.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return False, answer.read().decode()

    async def test_steps_of_the_wall_clock(self):
        """Small ones are slewed, large ones show in /readyz; received times never fall, no order changes, nothing is
        lost; and once the clock is right again, times are."""
        self.one.up()
        await self.one.delivers()
        for step_s in (1, -1, 3600, -86400):
            self.clocks.wall(step_s * SECOND_US)
            if abs(step_s) > 10:
                await eventually(lambda: not self._ready()[0], "/readyz shows the step")
                self.assertIn("the wall clock stepped", self._ready()[1])
            else:
                await asyncio.sleep(AWHILE_S)
                self.assertEqual(self._ready()[0], True, self._ready()[1])
        self.clocks.wall(0)
        await eventually(lambda: self._ready()[0], "/readyz is well again")
        await eventually(lambda: abs(self.region.metric("clock_offset_seconds")) < 0.001, "it has slewed back")
        await self.one.delivers()
        right = time.time_ns() // 1000
        await self.one.delivers()
        await self.one.stop()
        await self.settle()
        found = self.one.ticks()
        print(dict(qualities(found)))
        judge_order(self, found)
        judge(self, found, since=right)
        self.assertGreater(qualities(t for t in found if t.truth > right)["exact"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

"""A device whose wall clock jumps by up to ten years, to and fro, while it records under load; which is killed,
suspended and rebooted meanwhile. Its exact times are right, its order stays, and nothing is lost.

    jumps_test.py [JUMPS [SEED]]"""

import asyncio
import os
import random
import sys
import unittest

from clocks import YEAR_US, ClocksTest, judge, qualities

JUMPS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4), "little")
PAUSE_S = 0.02, 0.15
DEVICES = 2


class JumpsTest(ClocksTest):
    async def _live(self, device, jumps, chance):
        device.clocks.wall(chance.randint(-10 * YEAR_US, 10 * YEAR_US))
        device.up()
        for i in range(1, jumps + 1):
            await asyncio.sleep(chance.uniform(*PAUSE_S))
            device.clocks.wall(chance.randint(-10 * YEAR_US, 10 * YEAR_US))
            if i % 40 == 0:
                await device.suspend(chance.uniform(0.2, 1))
            if i % 25 == 0:
                await device.kill()
                if i % 75 == 0:
                    device.clocks.reboot()
                device.up()
        await asyncio.sleep(PAUSE_S[1])
        await device.stop()

    async def test_exact_times_are_right_whatever_the_wall_clock_shows(self):
        print(f"{JUMPS} jumps, seed {SEED}", flush=True)
        devices = [self.device(f"device-{i}") for i in range(DEVICES)]
        async with asyncio.TaskGroup() as group:
            for device in devices:
                chance = random.Random(f"{SEED}-{device.directory.name}")
                group.create_task(self._live(device, JUMPS // DEVICES, chance))
        await self.settle()
        for device in devices:
            found = device.ticks()
            judge(self, found)
            worst = max(abs(t.wrong_us()) for t in found if t.quality == "exact")
            print(f"{device.directory.name}: {len(found)} events {dict(qualities(found))}, "
                  f"exact ones within {worst / 1000:.1f} ms")
            self.assertGreater(qualities(found)["exact"], 0.9 * len(found))


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

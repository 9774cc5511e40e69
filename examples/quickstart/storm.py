"""What goes wrong, and when: a plan made from a seed, and its execution."""

import asyncio
import time

KILLS_A_SECOND = 3
PERIOD_S = 20
CUT_S, COLLECTOR_DOWN_S = (1.0, 2.0), (0.1, 0.5)


def plan(chance, seconds):
    """(second, what, for how long), in order. At least two cuts, of both kinds, and two collector crashes."""
    def spread(n):
        return [seconds * (i + chance.uniform(0.2, 0.8)) / n for i in range(n)]

    events = [(chance.uniform(0.3, seconds), "kill", 0) for _ in range(round(seconds * KILLS_A_SECOND))]
    for i, at in enumerate(spread(max(2, round(seconds / 7)))):
        events.append((at, ("stall", "reset")[i % 2], chance.uniform(*CUT_S)))
    for at in spread(max(2, round(seconds / 8))):
        events.append((at, "crash", chance.uniform(*COLLECTOR_DOWN_S)))
    return sorted(events)


class Storm:
    def __init__(self, chance, fleet, relay, collector):
        self.chance, self.fleet, self.relay, self.collector = chance, fleet, relay, collector
        self.cuts = 0
        self._path, self._machine = asyncio.Lock(), asyncio.Lock()  # one cut, one crash at a time
        self._over = asyncio.Event()

    async def run(self, seconds=PERIOD_S, repeat=False):
        """Ends with the plan, or after stop(), with everything up again."""
        async with asyncio.TaskGroup() as group:
            while True:
                began = time.monotonic()
                for at, what, duration in plan(self.chance, seconds):
                    if await self._is_over_before(began + at):
                        return
                    group.create_task(getattr(self, f"_{what}")(duration))
                if not repeat:
                    return

    def stop(self):
        self._over.set()

    async def _is_over_before(self, moment):
        try:
            async with asyncio.timeout(max(0, moment - time.monotonic())):
                await self._over.wait()
        except TimeoutError:
            return False
        return True

    async def _kill(self, _):
        self.fleet.kill_one()

    async def _cut(self, how, duration):
        async with self._path:
            self.cuts += 1
            how()
            await asyncio.sleep(duration)
            self.relay.restore()

    async def _stall(self, duration):
        await self._cut(self.relay.stall, duration)

    async def _reset(self, duration):
        await self._cut(self.relay.reset, duration)

    async def _crash(self, duration):
        async with self._machine:
            await self.collector.crash()
            await asyncio.sleep(duration)
            await self.collector.start()

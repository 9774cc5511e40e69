"""The devices' processes: launched, killed at any moment, launched again."""

import asyncio
import shutil
import signal
import time

import rows
from processes import Process

RESTART_S = 0.05, 0.4  # how long a killed device stays down
DONE_S = 60  # for a device that replays, or drains
DISK_BYTES_MIN = 1 << 20
AT_A_TIME = 64  # of the devices that replay


class DeviceError(Exception):
    pass


class Device:
    def __init__(self, fleet, number):
        self.fleet, self.number = fleet, number
        self.directory = fleet.place.devices / f"{number:04}"
        self.launches = 0
        self.process = None
        self.directory.mkdir()

    async def run(self, mode, **options):
        """One launch; its exit status."""
        self.launches += 1
        arguments = [self.fleet.program, mode]
        for name, value in {**self.fleet.options, **options}.items():
            arguments += [f"--{name.replace('_', '-')}", value]
        arguments += ["--dir", self.directory, "--number", self.number, "--launch", self.launches]
        self.process = Process(arguments, self.directory / "log")
        try:
            return await self.process.wait()
        finally:
            self.process = None

    async def _run_until_done(self, mode, **options):
        """Launched again each time that it was killed."""
        while (status := await self.run(mode, **options)) == -signal.SIGKILL:
            await asyncio.sleep(self.fleet.chance.uniform(*RESTART_S))
        if status != 0:
            raise DeviceError(f"device {self.number} ended with status {status}; {self._log_end()}")

    async def run_in_time(self, mode, **options):
        try:
            async with asyncio.timeout(DONE_S):
                await self._run_until_done(mode, **options)
        except TimeoutError:
            raise DeviceError(f"device {self.number} still has events after {DONE_S} s; {self._log_end()}") from None

    async def run_until(self, deadline, mode, **options):
        """Launched again each time that it was killed, until then; it does not end by itself."""
        while time.monotonic() < deadline:
            if (status := await self.run(mode, **options)) != -signal.SIGKILL:
                raise DeviceError(f"device {self.number} ended with status {status}; {self._log_end()}")
            await asyncio.sleep(self.fleet.chance.uniform(*RESTART_S))

    def _log_end(self):
        log = self.directory / "log"
        return "\n  ".join([f"the end of {log}:", *log.read_text(errors="replace").splitlines()[-5:]])

    def put_away(self):
        """Its store is empty, and would take its reserved bytes."""
        shutil.rmtree(self.directory / "store")


class Fleet:
    """What both kinds of fleet share. `options` are those of quickstart_device."""

    def __init__(self, program, place, relay, chance, seed):
        self.program, self.place, self.chance = program, place, chance
        self.options = {"endpoint": f"https://{relay.host}:{relay.port}", "ca": place.tls / "ca.pem", "seed": seed}
        self.devices = []
        self.kills = 0

    def up(self):
        return [d for d in self.devices if d.process is not None]

    def kill_one(self):
        """kill -9 of any device that is up."""
        up = self.up()
        if up:
            self.chance.choice(up).process.kill()
            self.kills += 1


class GeneratedFleet(Fleet):
    """Devices that record for some seconds what people and machines do."""

    def __init__(self, *shared, count, seconds, rate):
        super().__init__(*shared)
        self.seconds = seconds
        self.options |= {"rate": rate, "disk_bytes": 4 << 20, "ring_bytes": 256 << 10}
        self.devices = [Device(self, number) for number in range(1, count + 1)]

    async def work(self):
        """Records, dying and living again; at last all are killed, with whatever is in ring and store."""
        deadline = time.monotonic() + self.seconds
        async with asyncio.TaskGroup() as group:
            for device in self.devices:
                group.create_task(device.run_until(deadline, "record", until=int(deadline * 1000)))
            await asyncio.sleep(deadline - time.monotonic())
            for device in self.up():
                device.process.kill()

    async def drain(self):
        async with asyncio.TaskGroup() as group:
            for device in self.devices:
                group.create_task(device.run_in_time("drain"))


class ReplayingFleet(Fleet):
    """One device for each installation of a table, some at a time."""

    def __init__(self, *shared, table, event):
        super().__init__(*shared)
        self.table, self.event = table, event
        self.options |= {"ring_bytes": 64 << 10}
        self.done = 0

    async def work(self):
        waiting = iter(self.table.installations.items())
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_A_TIME):
                group.create_task(self._worker(waiting))

    async def _worker(self, waiting):
        for user, installation_rows in waiting:
            device = Device(self, len(self.devices) + 1)
            self.devices.append(device)
            data = rows.for_device(user, self.event, self.table.columns, installation_rows)
            (device.directory / "rows").write_bytes(data)
            await device.run_in_time("replay", disk_bytes=max(DISK_BYTES_MIN, 4 * len(data)))
            device.put_away()
            self.done += 1

    async def drain(self):
        """Each device has done it already."""

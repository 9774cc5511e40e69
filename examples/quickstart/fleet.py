#!/usr/bin/env python3
"""The quickstart itself, once everything is built: a fleet of devices and a collector in a storm, and the
audit of what came of it. examples/quickstart.sh starts it."""

import argparse
import asyncio
import os
import pathlib
import random
import shlex
import signal
import sys

import audit
import certificates
import rows
from collector import HOST, Collector, CollectorError
from devices import DeviceError, GeneratedFleet, ReplayingFleet
from place import Place, PlaceError
from processes import Process
from relay import Relay
from storm import Storm
from talk import fail, say, shown, with_progress

USAGE = 64
WINDOW, REPLAY_WINDOW = "5s", "1s"  # replayed events are late whatever the window
ROLL, REPLAY_ROLL = "1s", "5s"  # these are spread over many partitions: fewer, larger objects


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        fail(f"{message} (try --help)")
        sys.exit(USAGE)


def positive(text):
    number = float(text)
    if not 0 < number < 1e6:
        raise ValueError
    return number


def count(text):
    return max(1, int(positive(text)))


def arguments():
    parser = Arguments(description=__doc__)
    parser.add_argument("--programs", required=True, type=pathlib.Path, help="the build tree")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--input")
    parser.add_argument("--event", default="row")
    parser.add_argument("--seconds", type=positive, default=20, help="how long the generated fleet records")
    parser.add_argument("--devices", type=count, default=50)
    parser.add_argument("--rate", type=positive, default=20, help="events a second of each device")
    parser.add_argument("--seed", type=int, default=None)
    parsed = parser.parse_args()
    if not 0 < len(parsed.event.encode()) <= rows.TEXT_BYTES_MAX:
        parser.error(f"--event takes a name of 1 to {rows.TEXT_BYTES_MAX} bytes")
    if parsed.seed is None:
        parsed.seed = int.from_bytes(os.urandom(4), "little")
    parsed.out = parsed.out.absolute()
    return parsed


class Quickstart:
    """One run."""

    def __init__(self, args, place, table):
        self.args, self.place, self.table = args, place, table
        self.chance = random.Random(args.seed)
        self.relay = self.collector = self.fleet = self.storm = None

    async def run(self):
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        try:
            await self._prepare()
            self._announce()
            await with_progress(self._state, self._weather())
            say("all devices upload what they still hold")
            await with_progress(self._state, self._settle())
            say("stopping the collector with SIGTERM")
            await self.relay.stop()
            await self.collector.stop()
        finally:
            Process.kill_all()

    async def _prepare(self):
        args, replay = self.args, self.table is not None
        self.collector = Collector(
            args.programs / "collector/wadi-collector", self.place,
            window=REPLAY_WINDOW if replay else WINDOW, roll_interval=REPLAY_ROLL if replay else ROLL)
        say(f"starting the collector: https://{HOST}:{self.collector.port}, metrics and ledger at "
            f"http://{HOST}:{self.collector.admin_port}/")
        await self.collector.start()
        self.relay = Relay(HOST, self.collector.port)
        await self.relay.start()
        shared = args.programs / "examples/quickstart_device", self.place, self.relay, self.chance, args.seed
        if replay:
            self.fleet = ReplayingFleet(*shared, table=self.table, event=args.event)
        else:
            self.fleet = GeneratedFleet(*shared, count=args.devices, seconds=args.seconds, rate=args.rate)
        self.storm = Storm(self.chance, self.fleet, self.relay, self.collector)

    def _announce(self):
        if self.table is not None:
            what = f"{len(self.table.installations):,} devices replay {len(self.table):,} rows"
        else:
            what = f"{self.args.devices} devices record for {self.args.seconds:g} s"
        say(f"{what} in a storm, seed {self.args.seed}")

    async def _weather(self):
        """The fleet works, and everything goes wrong."""
        async with asyncio.TaskGroup() as group:
            if self.table is not None:
                group.create_task(self.storm.run(repeat=True))
            else:
                group.create_task(self.storm.run(self.args.seconds))
            await self.fleet.work()
            self.storm.stop()

    async def _settle(self):
        await self.fleet.drain()
        await self.collector.settle()

    async def _state(self):
        """The progress line."""
        self.collector.check()
        ledger = await self.collector.ledger()
        told = f"received {ledger['delivered']:,}, duplicates {ledger['duplicates']:,}" if ledger else "collector down"
        return (f"{len(self.fleet.up())} devices up, kill -9: {self.fleet.kills} devices, {self.collector.kills} "
                f"collector; cuts: {self.storm.cuts} | {told}, in files {self.collector.committed():,}")


def storm_failures(quickstart):
    """Runs it; what went wrong beside the events, as text."""
    failures = []
    try:
        asyncio.run(quickstart.run())
    except* (CollectorError, DeviceError) as group:
        failures = [str(error) for error in leaves(group)]
    return failures


def leaves(group):
    for error in group.exceptions:
        yield from leaves(error) if isinstance(error, BaseExceptionGroup) else [error]


def report(place, ledger):
    say("the ledger, by the output files and the devices' notes")
    print(audit.table(ledger))
    where, audit_again = shlex.quote(shown(place.root)), shlex.quote(shown(audit.__file__))
    read_json = f"read_json_auto('{shown(place.events)}/dt=*/hr=*/*.jsonl.zst')"
    say(f"{ledger.objects} files in {where}/events/dt=…/hr=…/")
    print(f"  zstd -dc {where}/events/dt=*/hr=*/*.jsonl.zst | head -n 3")
    print(f'  duckdb -c "select name, count(*) from {read_json} group by all"')
    print(f"  python3 {audit_again} {where}    # the audit again")
    print(f"  {where}/collector.log, {where}/devices/0001/notes", flush=True)


def run(args):
    try:
        table = rows.read(args.input) if args.input else None
        place = Place(args.out)
        place.prepare()
        kept = certificates.ensure(place.tls)
    except (rows.InputError, PlaceError, certificates.CertificateError) as error:
        fail(error)
        return 1
    say(f"development CA and certificate of localhost in {shown(place.tls)}{', still valid' if kept else ''}")
    failures = storm_failures(Quickstart(args, place, table))
    ledger = audit.audit(place.root)
    report(place, ledger)
    for failure in failures:
        fail(failure)
    good = ledger.balances and not failures
    print(ledger.line(), flush=True)
    return 0 if good else 1


def main():
    args = arguments()
    try:
        return run(args)
    except (KeyboardInterrupt, asyncio.CancelledError):
        fail("interrupted; everything that was started is stopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())

"""A fork storm: processes of one store directory that record, fork, record in parent and child and from several
threads, close or simply end, and are killed at random. Then one process delivers what all their lanes owe.

Every event for which wadi_track returned OK stands in the collector's files once, none that nobody was about to record,
and stores, ledger and files count the same."""

import collections
import json
import os
import pathlib
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "collector"))

import rig  # noqa: E402

DEVICES = os.environ["WADI_STORM_DEVICES"]
HEAD = struct.Struct("<IIB")  # storm_notes: n, forks, is_wrong
HEAD_BYTES, NOTE = 176, struct.Struct("<QQQQIBB2x")


def notes_read(path):
    """(intent, ok) of each writer."""
    data = path.read_bytes()
    count = HEAD.unpack_from(data)[0]
    return [NOTE.unpack_from(data, HEAD_BYTES + i * NOTE.size)[:2] for i in range(min(count, 8192))]


def devices(*arguments, **settings):
    return subprocess.run([DEVICES, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True, **settings)


def storm(collector, store, args):
    told = devices("storm", store, *reach(collector), collector.work / "notes", args.processes, args.forks,
                   args.lanes, args.seed)
    told = json.loads(told.stdout)
    print(told, flush=True)
    if told["wrong"]:
        raise rig.Failure(told["wrong"])
    return told


def reach(collector):
    return f"https://localhost:{collector.port_file.read_text()}", collector.work / "server.pem"


def drain(collector, store, until):
    process = subprocess.Popen([DEVICES, "drain", store, *map(str, reach(collector))], stdin=subprocess.PIPE)
    try:
        rig.eventually(until, "the lanes are delivered")
    finally:
        process.communicate(timeout=rig.DEADLINE_S)
    if process.returncode != 0:
        raise rig.Failure(f"the one that drains ended with {process.returncode}")


def delivered(collector):
    return collector.metric("ledger_delivered_events_total")


def drained(collector, store, least):
    """Until the stores owe nothing; what they count."""
    drain(collector, store, lambda: delivered(collector) >= least)
    until = time.monotonic() + rig.DEADLINE_S
    while True:
        account = json.loads(devices("owed", store).stdout)
        if account["pending"] == 0:
            return account
        if time.monotonic() > until:
            raise rig.Failure(f"still owed: {account}")
        later = time.monotonic() + 2.5  # two looks; what is owed may be known to the collector, so no sum says when
        drain(collector, store, lambda: time.monotonic() > later)


def lines_of(events):
    for path in sorted(events.glob("dt=*/hr=*/*.jsonl")):
        yield from map(json.loads, path.read_text().splitlines())


def events_check(collector, notes):
    found = collections.defaultdict(list)
    for line in lines_of(collector.events):
        if line["name"].startswith("_wadi."):
            raise rig.Failure(f"the files say {line}")
        found[line["properties"]["writer"]].append(line["properties"]["index"])
    for writer, (intent, ok) in enumerate(notes):
        indexes = sorted(found.pop(writer, []))
        if indexes != list(range(len(indexes))) or not ok <= len(indexes) <= intent:
            raise rig.Failure(f"writer {writer}: {ok} recorded, {intent} begun, {len(indexes)} delivered")
    if found:
        raise rig.Failure(f"nobody's: {list(found)[:5]}")


def ledger_check(collector, account):
    [row] = json.loads(collector.page("/ledger")[1])["installations"]
    lost = {key: account[key] for key in ("dropped", "forks", "resent", "ring_lost", "quarantined") if account[key]}
    if lost:
        raise rig.Failure(f"the stores say {lost}")
    if not row["balanced"] or row["gap"] or any(row["dropped"].values()):
        raise rig.Failure(f"the ledger says {row}")
    if not row["delivered"] == row["numbers"] == account["assigned"] == account["acked"]:
        raise rig.Failure(f"the ledger says {row}, the stores {account}")
    return row["delivered"]


def main():
    args = rig.arguments(processes=6, forks=80, lanes=64)
    with rig.Work() as work:
        collector, _ = work.parts(args.seed)
        collector.start()
        store = work.dir / "store"
        told = storm(collector, store, args)
        notes = notes_read(collector.work / "notes")
        account = drained(collector, store, told["ok"])
        total = ledger_check(collector, account)
        rig.eventually(lambda: sum(1 for _ in lines_of(collector.events)) >= total, "the files are written")
        collector.stop()
        events_check(collector, notes)
        print(account, flush=True)


rig.run(main)

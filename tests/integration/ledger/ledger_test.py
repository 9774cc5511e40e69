"""A device's own account, the collector's ledger and metrics, and the output files say the same, for every way in
which an event can end. The devices are real, the collector is, and what is damaged is damaged on disk."""

import collections
import json
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "device"), str(HERE.parent / "upload"), str(HERE.parents[1] / "crash/collector")]

import rig  # noqa: E402
from device import NOWHERE, REASONS, Device  # noqa: E402
from fake_collector import REFUSED, TOO_LARGE, FakeCollector, ack  # noqa: E402
from fake_collector import close as hang_up  # noqa: E402
from relay import Relay  # noqa: E402

HIGH = 2
SMALL = {"disk_bytes_max": 1 << 20, "ring_bytes": 64 << 10, "flush_ms": 50}
TABLE_BEHIND = 45  # so far before a chunk's first text stands its table, or its header, of 40 bytes


def balanced(stats):
    return stats["assigned"] == stats["acked"] + sum(stats["dropped"]) + stats["pending"]


def check(what, got, expected):
    if got != expected:
        raise rig.Failure(f"{what}: {got}, not {expected}")


# ---- one way to end each -------------------------------------------------------------------------


def store_of(where):
    return where / "lanes/0/store.mdb"


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0xFF]))


def marked_chunk(device, store, size):
    """Records a chunk of events whose text is longer than all before. Where the first one's lies, on disk for the
    first time."""
    device.open(flush_ms=2000)  # one transaction, and so one chunk
    device.record(20, size, HIGH)
    check("a wait", device.wait(), "ok")
    device.close()
    device.set(flush_ms=SMALL["flush_ms"])
    return store_of(store).read_bytes().index(b"x" * size)


def aged(device, _store):
    """Recorded while nothing was too old, and looked at again when all of it was."""
    device.open(max_age_s=2**32 - 1)
    device.record(500, 400)
    device.close()
    until = time.monotonic() + 1.2
    while time.monotonic() < until:  # what passes is the age
        time.sleep(0.05)
    device.open(max_age_s=1)
    device.record()
    check("a wait", device.wait(), "ok")
    device.close()
    device.set(max_age_s=2**32 - 1)


def crowded(device, _store):
    """More than fits."""
    device.open()
    for priority in (0, 1, HIGH):
        device.record(2000, 400, priority)
    check("a wait", device.wait(), "ok")
    device.close()


def lost(device, store):
    """A chunk's table cannot be read any more."""
    flip(store_of(store), marked_chunk(device, store, 600) - TABLE_BEHIND)
    device.open()
    device.record(100, 400)
    check("a wait", device.wait(), "ok")
    check("quarantined", device.stats()["quarantined"], 1)
    device.close()


def corrupted(device, store):
    """An event's own bytes changed."""
    flip(store_of(store), marked_chunk(device, store, 800) + 50)


def turned_away(status, code):
    """By somebody who says so in the collector's place of one event, and of nothing else."""

    def end(device, _store):
        def say(_collector, batch, _link):
            return ack(status, code, refused_seq=batch.last_seq if status == REFUSED else 0)

        with FakeCollector([say] + 1000 * [hang_up]) as fake:
            device.open(endpoint=fake.endpoint, retry_max_ms=500)
            device.record()
            rig.eventually(lambda: len(fake.requests) > 1, "a second attempt, with the tombstone")
            device.close()

    return end


def unanswered(work, collector, name, seed):
    """Of a device whose quota acts all the while, and which often does not hear what became of a batch."""
    relay = Relay(int(collector.port_file.read_text()), seed, lost_per_mille=150)
    with Device(work.dir / f"{name}.log", dir=work.dir / name, **SMALL) as device:
        device.open(endpoint=relay.endpoint, ca_file=collector.work / "server.pem", retry_min_ms=1, retry_max_ms=50)
        for _ in range(8):
            device.record(2000, 400, 1)
            device.record(500, 400)
        device.close()
        relay.close()
        installation, stats = deliver(device, collector)
    print(name, relay.cuts, "cuts", {key: stats[key] for key in ("assigned", "acked")}, reasons(stats), flush=True)
    check("answers were lost", relay.cuts > 2, True)
    check("the quota acted", stats["dropped"][1] > 0, True)
    return installation, stats


# ---- three accounts ------------------------------------------------------------------------------


def deliver(device, collector):
    endpoint = f"https://localhost:{collector.port_file.read_text()}"
    device.open(endpoint=endpoint, ca_file=collector.work / "server.pem", retry_max_ms=500)
    device.record(10)
    check("a wait", device.wait("acked", 1000 * rig.DEADLINE_S), "ok")
    rig.eventually(lambda: device.stats()["pending"] == 0, "everything is settled")
    stats, installation = device.stats(), device.tell("installation")
    check("closing", device.close(5000), "ok")
    if not balanced(stats):
        raise rig.Failure(f"the device's account does not balance: {stats}")
    return installation, stats


def reasons(stats):
    return {REASONS[i]: n for i, n in enumerate(stats["dropped"]) if n}


def ledger_check(collector, accounts):
    rows = json.loads(collector.page("/ledger")[1])["installations"]
    by_installation = {row["installation"]: row for row in rows}
    for installation, stats in accounts.items():
        row = by_installation[installation]
        check("the ledger balances", row["balanced"], True)
        check("delivered", row["delivered"], stats["acked"])
        check("dropped", {reason: n for reason, n in row["dropped"].items() if n}, reasons(stats))
        check("numbers", row["numbers"] - row["gap"], stats["assigned"])


def metrics_check(collector, total):
    check("delivered, by the metrics", collector.metric("ledger_delivered_events_total"), total["acked"])
    for reason in REASONS:
        got = collector.metric("device_dropped_events_total", f'"{reason}"')
        check(f"dropped for {reason}, by the metrics", got, total[reason])


def lines_of(events):
    for path in sorted(events.glob("dt=*/hr=*/*.jsonl")):
        yield from map(json.loads, path.read_text().splitlines())


def files_check(events, accounts):
    found = collections.defaultdict(collections.Counter)
    for line in lines_of(events):
        properties = line["properties"]
        if line["name"] == "_wadi.dropped":
            check("a range", properties["last_seq"] - properties["first_seq"] + 1, properties["count"])
            found[line["installation"]][properties["reason"]] += properties["count"]
        else:
            found[line["installation"]]["acked"] += 1
    for installation, stats in accounts.items():
        check("the files", dict(found[installation]), {"acked": stats["acked"], **reasons(stats)})


ENDS = {
    "offline": (aged, crowded, lost, corrupted),
    "refused": (turned_away(REFUSED, 400),),
    "too_large": (turned_away(TOO_LARGE, 413),),
}


def account(work, collector, name):
    """Of one device, which meets the collector at last."""
    with Device(work.dir / f"{name}.log", dir=work.dir / name, endpoint=NOWHERE, **SMALL) as device:
        for end in ENDS[name]:
            end(device, work.dir / name)
        installation, stats = deliver(device, collector)
    print(name, {key: stats[key] for key in ("assigned", "acked")}, reasons(stats), flush=True)
    return installation, stats


def main():
    seed = rig.arguments().seed
    with rig.Work() as work:
        collector, _ = work.parts(0)
        collector.start()
        accounts = dict(account(work, collector, name) for name in ENDS)
        accounts.update([unanswered(work, collector, "unanswered", seed)])
        total = collections.Counter()
        for stats in accounts.values():
            total.update({"acked": stats["acked"], **reasons(stats)})
        missing = [reason for reason in REASONS if reason not in ("other", "consent") and not total[reason]]
        check("reasons that did not come about", missing, [])
        ledger_check(collector, accounts)
        metrics_check(collector, total)
        rig.eventually(lambda: sum(1 for _ in lines_of(collector.events)) > total["acked"], "the files are written")
        collector.stop()
        files_check(collector.events, accounts)


rig.run(main)

#!/usr/bin/env python3
"""Audits a run of quickstart.sh: were all events delivered, each once, in order?

    audit.py DIR

Reads the output files and the devices' notes, and no counter of any program. Of every device's events
ok ⊆ delivered ⊆ intent has to hold, each once. Exits with 1 when it does not.
"""

import collections
import dataclasses
import pathlib
import sys

import notes
import outputs

LATE_PART_MAX = 0.2
PROBLEMS_SHOWN = 10


@dataclasses.dataclass
class Ledger:
    tracked: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    misordered: int = 0
    late: int = 0
    dropped: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    refused: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    problems: list = dataclasses.field(default_factory=list)  # anything else that must not be
    is_replay: bool = False
    objects: int = 0

    @property
    def late_is_too_much(self):
        return not self.is_replay and self.late > LATE_PART_MAX * self.delivered

    @property
    def balances(self):
        wrong = self.lost or self.duplicated or self.misordered or self.problems or self.late_is_too_much
        return not wrong and self.tracked > 0

    def line(self):
        names = ("tracked", "delivered", "lost", "duplicated", "misordered", "late")
        return "quickstart: " + " ".join(f"{name}={getattr(self, name)}" for name in names)


class Order:
    """Counts misordered events: within an object, across a partition's objects, and of a stream."""

    def __init__(self):
        self.misordered = 0
        self.newest = {}  # of a partition's earlier objects, events that were not late
        self.last_seq = {}  # of (sink, stream, late)

    def object(self, obj, lines):
        before = newest = self.newest.get(obj.partition, "")
        last = ""
        for line in lines:
            time, late = line["time"], line["late"]
            wrong = time < last or (not late and time < before) or self._seq_descends(obj.sink, line)
            self.misordered += wrong
            last = time
            if not late:
                newest = max(newest, time)
        self.newest[obj.partition] = newest

    def _seq_descends(self, sink, line):
        if line["time_quality"] == "explicit":
            return False
        key = sink, line["stream"], line["late"]
        last, self.last_seq[key] = self.last_seq.get(key, 0), line["seq"]
        return line["seq"] < last


class Audit:
    def __init__(self, directory):
        self.root = pathlib.Path(directory) / "events"
        self.devices = notes.devices(pathlib.Path(directory))
        self.ledger = Ledger(is_replay=any(d.is_replay for d in self.devices))
        self.order = Order()
        self.delivered = collections.defaultdict(collections.Counter)  # of each installation, by key
        self.dropped = collections.defaultdict(dict)  # of each installation, (stream, seq) -> count

    def run(self):
        try:
            self._read_objects()
        except (OSError, ValueError, KeyError) as error:
            self._problem(f"a commit cannot be read: {type(error).__name__} {error}")
        known = {}
        for device in self.devices:
            self.ledger.refused += device.refused
            for installation in device.installations:
                if known.setdefault(installation, device) is not device:
                    self._problem(f"installation {installation} is that of two devices")
            self._settle(device)
        for installation in self.delivered.keys() - known.keys():
            self._problem(f"events of installation {installation}, which is no device of this run")
        self.ledger.misordered = self.order.misordered
        return self.ledger

    def _problem(self, text):
        self.ledger.problems.append(text)

    # ---- output files

    def _read_objects(self):
        committed = set()
        for obj in outputs.objects(self.root):
            committed.add(obj.name)
            self.ledger.objects += 1
            try:
                lines = list(obj.lines())
                self._check_object(obj, lines)
                self.order.object(obj, lines)
                for line in lines:
                    self._take(line)
            except (OSError, ValueError, KeyError, TypeError) as error:
                self._problem(f"{obj.name}: {type(error).__name__} {error}")
        for name in sorted(outputs.on_disk(self.root) - committed):
            self._problem(f"{name}: no commit names it")

    def _check_object(self, obj, lines):
        if len(lines) != obj.lines_committed:
            self._problem(f"{obj.name}: {len(lines)} lines, {obj.lines_committed} committed")
        if obj.path.stat().st_size != obj.bytes_committed:
            self._problem(f"{obj.name}: {obj.path.stat().st_size} bytes, {obj.bytes_committed} committed")
        for line in lines:
            if obj.partition[1] != f"dt={line['time'][:10]}/hr={line['time'][11:13]}":
                self._problem(f"{obj.name}: holds an event of {line['time']}")

    def _take(self, line):
        installation = line["installation"]
        if line["name"] == "_wadi.dropped":
            what = line["properties"]
            self.dropped[installation][line["stream"], what["first_seq"]] = what["reason"], what["count"]
        elif not line["name"].startswith("_wadi."):
            self.delivered[installation][self._key(line)] += 1
            self.ledger.late += line["late"]

    def _key(self, line):
        if self.ledger.is_replay:
            return notes.cells_key(line["name"], line["user"], line["time"], line["properties"])
        return line["properties"].get("audit")

    # ---- one device

    def _settle(self, device):
        delivered, dropped = collections.Counter(), collections.Counter()
        for installation in device.installations:
            delivered += self.delivered[installation]
            for reason, count in self.dropped[installation].values():
                dropped[reason] += count
        strangers = delivered.keys() - device.intent.keys()
        if strangers:
            example = min(map(str, strangers))
            self._problem(f"{device.directory}: {len(strangers)} events that it never tracked, as {example}")
        missing = (device.ok - delivered).total()
        matched = device.intent & delivered
        ledger = self.ledger
        ledger.tracked += (device.ok | matched).total()
        ledger.delivered += matched.total()
        ledger.duplicated += (delivered - device.intent).total() - sum(delivered[key] for key in strangers)
        ledger.lost += max(0, missing - dropped.total())
        ledger.dropped += dropped


def audit(directory):
    return Audit(directory).run()


def table(ledger):
    """The ledger for people."""
    rows = [("tracked", ledger.tracked), ("delivered", ledger.delivered), ("dropped", ledger.dropped.total())]
    rows += [(f"  {reason}", count) for reason, count in sorted(ledger.dropped.items())]
    rows += [("duplicated", ledger.duplicated), ("lost", ledger.lost), ("misordered", ledger.misordered)]
    rows += [("late", ledger.late)]
    rows += [(f"refused: {reason}", count) for reason, count in sorted(ledger.refused.items())]
    lines = [f"  {name:<22}{count:>12,}" for name, count in rows]
    if ledger.late_is_too_much:
        lines.append(f"  more than {LATE_PART_MAX:.0%} of the events were late")
    lines += [f"  problem: {text}" for text in ledger.problems[:PROBLEMS_SHOWN]]
    if len(ledger.problems) > PROBLEMS_SHOWN:
        lines.append(f"  … and {len(ledger.problems) - PROBLEMS_SHOWN} more problems")
    return "\n".join(lines)


def main():
    if len(sys.argv) != 2 or not pathlib.Path(sys.argv[1], "devices").is_dir():
        print(__doc__.strip(), file=sys.stderr)
        return 64
    ledger = audit(sys.argv[1])
    print(table(ledger))
    print(ledger.line())
    return 0 if ledger.balances else 1


if __name__ == "__main__":
    sys.exit(main())

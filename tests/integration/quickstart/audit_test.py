"""The audit of quickstart.sh can fail: given a run with one event lost, repeated or out of order, it says so."""

import json
import pathlib
import sys
import tempfile
import unittest

import quickstart  # puts the modules of examples/quickstart on the path

import audit

INSTALLATION, STREAM = "0" * 31 + "1", "5" * 32


def ident(i):
    return f"0001-0001-{i:08}"


def event(i, second=None, late=False, hour=10, **changes):
    """The i-th event of a stream; its time ascends with i unless `second` says otherwise."""
    second = i if second is None else second
    line = {"name": "tap", "time": f"2026-05-01T{hour:02}:00:{second:02}.000000Z", "time_quality": "exact",
            "installation": INSTALLATION, "stream": STREAM, "seq": i, "run": 1, "late": late, "user": None,
            "properties": {"audit": ident(i)}}
    return line | changes


def dropped(first, count):
    properties = {"first_seq": first, "last_seq": first + count - 1, "count": count, "reason": "disk_quota"}
    return event(first, name="_wadi.dropped", properties=properties)


class Run:
    """A run's directory, by hand."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.epoch = 0
        (self.root / "devices/0001").mkdir(parents=True)

    def note(self, intent, ok, installation=INSTALLATION, extra=""):
        lines = [f"installation {installation}"]
        for i in intent:
            lines.append(f"intent {ident(i)}")
            if i in ok:
                lines.append(f"ok {ident(i)}")
        (self.root / "devices/0001/notes").write_text("\n".join(lines) + "\n" + extra)

    def commit(self, *objects, counts=None):
        """One epoch; each object is a list of events of one partition."""
        self.epoch += 1
        described = []
        for part, events in enumerate(objects):
            time = events[0]["time"]
            name = f"dt={time[:10]}/hr={time[11:13]}/q-1-files-{self.epoch}-{part}.jsonl"
            path = self.root / "events" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(e) + "\n" for e in events))
            count = len(events) if counts is None else counts
            described.append({"name": name, "events": count, "bytes": path.stat().st_size})
        manifest = self.root / f"events/_wadi/q/files/{self.epoch:012}.commit"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps({"objects": described, "events": sum(len(o) for o in objects)}))


class AuditTest(unittest.TestCase):
    def setUp(self):
        self.run_ = Run(self.enterContext(tempfile.TemporaryDirectory()))
        self.note, self.commit = self.run_.note, self.run_.commit

    def check(self, good=False, problems=0, **expected):
        ledger = audit.audit(self.run_.root)
        self.assertEqual(len(ledger.problems), problems, ledger.problems)
        for name in ("lost", "duplicated", "misordered"):
            self.assertEqual(getattr(ledger, name), expected.pop(name, 0), name)
        for name, value in expected.items():
            self.assertEqual(getattr(ledger, name), value, name)
        self.assertEqual(ledger.balances, good)
        return ledger

    def test_good_run_balances(self):
        self.note(intent=[1, 2, 3], ok=[1, 2, 3])
        self.commit([event(1), event(2)])
        self.commit([event(3)])
        ledger = self.check(good=True, tracked=3, delivered=3)
        self.assertEqual(
            ledger.line(), "quickstart: tracked=3 delivered=3 lost=0 duplicated=0 misordered=0 late=0")

    def test_event_killed_before_ok_counts_when_delivered(self):
        self.note(intent=[1, 2, 3], ok=[1])
        self.commit([event(1), event(2)])
        self.check(good=True, tracked=2, delivered=2)

    def test_half_written_note_counts_for_nothing(self):
        self.note(intent=[1], ok=[1], extra="intent 0001-0001-000")
        self.commit([event(1)])
        self.check(good=True, tracked=1)

    def test_nothing_tracked_is_no_good_run(self):
        self.note(intent=[], ok=[])
        self.check(tracked=0)

    def test_missing_event_is_lost(self):
        self.note(intent=[1, 2, 3], ok=[1, 2, 3])
        self.commit([event(1), event(3)])
        self.check(tracked=3, delivered=2, lost=1)

    def test_dropped_event_is_not_lost(self):
        self.note(intent=[1, 2, 3, 4], ok=[1, 2, 3, 4])
        self.commit([event(1), dropped(2, 2), event(4)])
        ledger = self.check(good=True, tracked=4, delivered=2)
        self.assertEqual(ledger.dropped, {"disk_quota": 2})

    def test_drop_of_fewer_than_are_missing_leaves_the_rest_lost(self):
        self.note(intent=[1, 2, 3], ok=[1, 2, 3])
        self.commit([event(1), dropped(2, 1)])
        self.check(tracked=3, lost=1)

    def test_repeated_event_is_duplicated(self):
        self.note(intent=[1, 2], ok=[1, 2])
        self.commit([event(1), event(2)])
        self.commit([event(2, seq=3)])
        self.check(delivered=2, duplicated=1)

    def test_event_that_nobody_tracked_is_a_problem(self):
        self.note(intent=[1], ok=[1])
        self.commit([event(1), event(2)])
        self.check(tracked=1, problems=1)

    def test_event_of_an_unknown_installation_is_a_problem(self):
        self.note(intent=[1], ok=[1])
        self.commit([event(1), event(2, installation="f" * 32)])
        self.check(problems=1)

    def test_descending_time_in_an_object_is_misordered(self):
        self.note(intent=[1, 2, 3], ok=[1, 2, 3])
        self.commit([event(1), event(2, second=9), event(3, second=8)])
        self.check(misordered=1)

    def test_earlier_event_in_a_later_object_is_misordered(self):
        self.note(intent=[1, 2], ok=[1, 2])
        self.commit([event(1, second=9)])
        self.commit([event(2, second=8)])
        self.check(misordered=1)

    def test_earlier_event_in_another_partition_is_in_order(self):
        self.note(intent=[1, 2], ok=[1, 2])
        self.commit([event(1, second=9)], [event(2, second=8, hour=11)])
        self.check(good=True)

    def test_late_event_in_a_later_object_is_in_order(self):
        self.note(intent=range(1, 8), ok=range(1, 8))
        self.commit([event(i, second=9 + i) for i in range(2, 8)])
        self.commit([event(1, late=True)])
        self.check(good=True, late=1)

    def test_too_many_late_events_fail(self):
        self.note(intent=[1, 2, 3, 4], ok=[1, 2, 3, 4])
        self.commit([event(2), event(3), event(4)], [event(1, late=True)])
        self.check(late=1)

    def test_descending_seq_of_a_stream_is_misordered(self):
        self.note(intent=[1, 2], ok=[1, 2])
        self.commit([event(2, second=1), event(1, second=2)])
        self.check(misordered=1)

    def test_explicit_times_are_exempt_from_the_order_of_seq(self):
        self.note(intent=[1, 2], ok=[1, 2])
        self.commit([event(i, second=9 - i, time_quality="explicit") for i in (2, 1)])
        self.check(good=True)

    def test_object_without_a_commit_is_a_problem(self):
        self.note(intent=[1], ok=[1])
        self.commit([event(1)])
        self.commit([event(2)])
        (self.run_.root / "events/_wadi/q/files/000000000002.commit").unlink()
        self.check(problems=1, tracked=1)

    def test_broken_commit_is_a_problem(self):
        self.note(intent=[1], ok=[])
        self.commit([event(1)])
        next(self.run_.root.glob("events/_wadi/*/*/*.commit")).write_text("{")
        self.check(problems=1)

    def test_missing_object_is_a_problem(self):
        self.note(intent=[1], ok=[])
        self.commit([event(1)])
        next(self.run_.root.glob("events/dt=*/hr=*/*")).unlink()
        self.check(problems=1)

    def test_wrong_count_in_the_commit_is_a_problem(self):
        self.note(intent=[1], ok=[1])
        self.commit([event(1)], counts=2)
        self.check(problems=1)

    def test_event_in_the_wrong_partition_is_a_problem(self):
        self.note(intent=[1, 2], ok=[1, 2])
        self.commit([event(1), event(2, hour=11)])
        self.check(problems=1)


class ReplayAuditTest(unittest.TestCase):
    """Rows are told apart by their content, and two rows may have the same."""

    ROWS = [(i * 1_000_000, ["same", "cell"]) for i in (1, 2, 2)]

    def setUp(self):
        self.run_ = Run(self.enterContext(tempfile.TemporaryDirectory()))
        data = quickstart.rows.for_device("ann", "visit", ["a", "b"], self.ROWS)
        (self.run_.root / "devices/0001/rows").write_bytes(data)
        notes = [f"{what} row-{i:08}" for i in range(3) for what in ("intent", "ok")]
        (self.run_.root / "devices/0001/notes").write_text("\n".join([f"installation {INSTALLATION}", *notes, ""]))

    def row(self, second, seq, **changes):
        line = {"name": "visit", "time": f"1970-01-01T00:00:{second:02}.000000Z", "time_quality": "explicit",
                "user": "ann", "late": True, "properties": {"b": "cell", "a": "same"}}
        return event(seq) | line | changes

    def audit(self, *events):
        self.run_.commit(list(events))
        return audit.audit(self.run_.root)

    def test_every_row_once_balances(self):
        ledger = self.audit(self.row(1, 1), self.row(2, 2), self.row(2, 3))
        self.assertEqual((ledger.tracked, ledger.delivered, ledger.late, ledger.balances), (3, 3, 3, True))

    def test_one_of_two_equal_rows_missing_is_lost(self):
        ledger = self.audit(self.row(1, 1), self.row(2, 2))
        self.assertEqual((ledger.lost, ledger.duplicated, ledger.balances), (1, 0, False))

    def test_third_of_two_equal_rows_is_duplicated(self):
        ledger = self.audit(self.row(1, 1), self.row(2, 2), self.row(2, 3), self.row(2, 4))
        self.assertEqual((ledger.lost, ledger.duplicated, ledger.balances), (0, 1, False))

    def test_changed_cell_is_lost_and_strange(self):
        for change in ({"properties": {"a": "same", "b": "cel"}}, {"user": "bob"}, {"name": "row"},
                       {"properties": {"a": "same", "b": "cell", "c": ""}}):
            with self.subTest(change):
                self.run_.epoch = 0
                ledger = self.audit(self.row(1, 1, **change), self.row(2, 2), self.row(2, 3))
                self.assertEqual((ledger.lost, len(ledger.problems), ledger.balances), (1, 1, False))


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

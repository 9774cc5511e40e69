"""That the audit would notice: rows are damaged on purpose, one way at a time."""

import array
import pathlib
import tempfile
import unittest

from audit import Audit, Row

STREAM = "02b5" + 20 * "b" + "01000000"


def row(seq, time_us, late=False, stream=STREAM):
    return Row(time_us, stream, seq, late)


GOOD = [row(1, 10), row(2, 20), row(3, 20), row(4, 30)]


class AuditTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.notes = pathlib.Path(place.name, "notes")
        self.notes.write_bytes(array.array("Q", [0, 0, 5, 4]).tobytes())  # of stream 1, 4 of 5 acknowledged

    def wrong(self, *objects, partition="a"):
        audit = Audit(self.notes)
        for rows in objects:
            audit.object(partition, rows)
        return audit.wrong()

    def test_audit_finds_nothing_where_all_is_well(self):
        self.assertEqual(self.wrong(GOOD), {})
        self.assertEqual(self.wrong(GOOD[:2], GOOD[2:] + [row(5, 31)]), {})

    def test_audit_counts_lost_and_duplicated(self):
        self.assertEqual(self.wrong(GOOD[:3]), {"lost": 1})
        self.assertEqual(self.wrong(GOOD, GOOD[3:]), {"duplicated": 1})

    def test_audit_counts_what_nobody_sent(self):
        self.assertEqual(self.wrong(GOOD + [row(6, 40)]), {"foreign": 1})
        self.assertEqual(self.wrong(GOOD + [row(1, 40, stream=32 * "0")]), {"foreign": 1})

    def test_audit_counts_descending_times_and_numbers(self):
        self.assertEqual(self.wrong(GOOD[2:], GOOD[:2])["misordered"], 2)
        self.assertEqual(self.wrong([row(2, 20), row(1, 20), *GOOD[2:]]), {"misordered": 1})

    def test_audit_lets_late_events_be_late(self):
        self.assertEqual(self.wrong(GOOD[1:], [row(1, 10, late=True)]), {})
        self.assertEqual(self.wrong(GOOD[2:], [row(2, 20, late=True), row(1, 20, late=True)]), {"misordered": 1})


unittest.main()

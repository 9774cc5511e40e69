"""A CSV file replayed: every cell arrives unchanged, and a file that cannot be replayed is said to be so."""

import collections
import csv
import gzip
import io
import json
import pathlib
import sys
import tempfile
import unittest

import quickstart
from quickstart import rows

import outputs

HEADER = ["who", "note", "time", "empty", "größe"]
CELLS = ["plain", "", "a,b", 'say "so"', "two\nlines", "two\r\nlines", "\t tab and blanks  ", "Ωmega 東京 🏜️", "\\n \\u0041",
         "\u2028\x01\x7f", "0012", "-1e400", "null", "x" * 3000]


def nasty_rows():
    """Installations of all sizes, with times in any order, and rows that are equal."""
    for user in ("", "ann", "bob, \"the\nsecond\"", "يوسف"):
        for i, cell in enumerate(CELLS):
            yield [user, cell, f"2015-05-{17 + i % 3}T{23 - i:02}:00:00.{i:06}+02:00", "", CELLS[-1 - i]]
    for _ in range(3):
        yield ["twins", "same", "2015-05-17T10:05:03Z", "", "same"]
    for i in range(500):
        yield ["busy", f"{i} " * 40, f"2020-02-29T00:00:{59 - i % 60:02}Z", "", str(i)]


def as_csv(lines, **form):
    text = io.StringIO()
    csv.writer(text, **form).writerows(lines)
    return text.getvalue().encode()


class ReplayTest(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def replay(self, path, *arguments):
        return quickstart.run("--out", self.directory / "out", "--input", path, *arguments)

    def delivered(self):
        """(user, name, time, properties) of every event in the files."""
        events = (e for obj in outputs.objects(self.directory / "out/events") for e in obj.lines())
        return collections.Counter(
            (e["user"] or "", e["name"], e["time"], json.dumps(e["properties"], sort_keys=True)) for e in events)

    @staticmethod
    def expected(lines, name):
        """What has to be delivered, by another way than the program's: times by hand, cells from the list."""
        expected = collections.Counter()
        for user, note, time, empty, size in lines:
            if time.endswith("+02:00"):
                time = f"{time[:11]}{int(time[11:13]) - 2:02}{time[13:-6]}Z"
            else:
                time = time.replace("Z", ".000000Z")
            cells = {"note": note, "empty": empty, "größe": size}
            expected[user, name, time, json.dumps(cells, sort_keys=True)] += 1
        return expected

    def test_every_cell_arrives_unchanged(self):
        lines = list(nasty_rows())
        path = self.directory / "nasty.csv.gz"
        path.write_bytes(gzip.compress(as_csv([HEADER, *lines], lineterminator="\n")))
        status, _, numbers = self.replay(path, "--event", "näme")
        self.assertEqual(status, 0)
        self.assertEqual(numbers, [len(lines), len(lines), 0, 0, 0, len(lines)])
        self.assertEqual(self.delivered(), self.expected(lines, "näme"))

    def test_file_that_cannot_be_replayed_is_refused_before_anything_starts(self):
        path = self.directory / "ragged.csv"
        path.write_bytes(b"who,time\r\nann,2015-05-17T10:05:03Z\r\nbob\r\n")
        status, output, numbers = self.replay(path)
        self.assertEqual((status, numbers), (1, None))
        self.assertIn(f"cannot replay {path}: line 3: 1 cells, but 2 columns", output)
        self.assertFalse((self.directory / "out").exists())


class InputTest(unittest.TestCase):
    """rows.read, and what it says of files that are not as they should be."""

    def setUp(self):
        self.path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "input.csv"

    def read(self, data):
        self.path.write_bytes(data)
        return rows.read(self.path)

    def assert_refused(self, words, data):
        with self.assertRaisesRegex(rows.InputError, words):
            self.read(data)

    def test_columns_in_any_order_and_a_byte_order_mark(self):
        table = self.read("\ufeffwho,b,time,a\nann,1,2015-05-17T10:05:03.25+02:00,2\n\n".encode())
        self.assertEqual(table.columns, ["b", "a"])
        self.assertEqual(table.installations, {"ann": [(1431849903250000, ["1", "2"])]})

    def test_faults_are_named(self):
        row = b"who,time\nann,2015-05-17T10:05:03Z\n"
        for words, data in {
            "the file is empty": b"",
            "no row below the header": b"who,time\n",
            "no column is named `time`": b"who,when\nann,1\n",
            "beside the first": b"time,what\n2015-05-17T10:05:03Z,1\n",
            "two columns are named 'a'": b"who,time,a,a\n",
            "column 3 has no name": b"who,time,\n",
            "line 3: 3 cells, but 2 columns": row + b"bob,2015-05-17T10:05:03Z,1\n",
            "line 3: the time '' is not RFC 3339": row + b"bob,\n",
            "line 3: the time '2015-05-17'": row + b"bob,2015-05-17\n",
            "line 3: the time '2015-05-17T10:05:03'": row + b"bob,2015-05-17T10:05:03\n",
            "line 3: the first cell is longer": row + b"b" * 256 + b",2015-05-17T10:05:03Z\n",
            "NUL": row + b"bob\0,2015-05-17T10:05:03Z\n",
            "not UTF-8 at offset 35": row + b"b\xff\n",
            "line 3: unexpected end": row + b'"bob,2015-05-17T10:05:03Z\n',
        }.items():
            with self.subTest(words):
                self.assert_refused(words, data)

    def test_gzip_that_is_none_or_cut_short_is_named(self):
        self.path = self.path.with_suffix(".csv.gz")
        self.assert_refused("not a gzip file", b"who,time\n")
        self.assert_refused("cut short", gzip.compress(b"who,time\n" * 100)[:-9])

    def test_missing_file_is_named(self):
        with self.assertRaisesRegex(rows.InputError, "No such file"):
            rows.read(self.path)


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

"""A collector with a sink of JSON lines and one of Parquet: readers that are not ours find the same rows in both."""

import pathlib
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / name) for name in ("", "parquet")]
import real

real.needs("readers")
import lines
import rows
import two_formats  # knows where the next one is
import outputs

COLUMNS = "price: double, count: int64, ok: bool, label: string"


def key(row):
    return row[5], row[6], row[0]  # stream, seq, name


class ParquetTest(two_formats.TwoFormatsTest):
    SECOND = f"format: parquet, parquet: {{columns: {{{COLUMNS}}}}}"

    async def test_both_formats_have_the_same_rows(self):
        await self.traffic()
        await self.settled()
        read = {rows.by_pyarrow: [], rows.by_duckdb: []}
        for _, _, manifest in outputs.commits(self.second):
            for described in manifest["objects"]:
                self.assertTrue(described["name"].endswith(".parquet"), described["name"])
                for reader, found in read.items():
                    some = list(reader(str(self.second / described["name"])))
                    self.assertEqual(len(some), described["events"])
                    times = [row[1] for row in some]
                    self.assertEqual(times, sorted(times))
                    found += some
        wanted = [line for _, _, manifest in outputs.commits(self.region.events) for described in manifest["objects"]
                 for line in lines.expected(self.region.events / described["name"])]
        self.assertGreater(len(wanted), two_formats.EVENTS // 2)
        wanted.sort(key=lambda line: key(line[0]))
        for found in read.values():
            self.assertEqual(lines.compare(wanted, sorted(found, key=key))[0], len(wanted))


if __name__ == "__main__":
    unittest.main()

"""A collector with a sink of JSON lines and one of Records: both have the same rows, whatever devices send."""

import importlib.util
import sys
import unittest

import two_formats  # knows where the next one is
import outputs
from records import delimited, line_of, plain, record_class


def comparable(lines):
    """In an order that both sinks can be brought to; floats by all their bits."""
    key = lambda line: (line["stream"], line["seq"], line["name"])  # noqa: E731
    return [repr(sorted(line.items())) for line in sorted(lines, key=key)]


class RecordTest(two_formats.TwoFormatsTest):
    SECOND = "format: record, compression: zstd"

    async def test_both_formats_have_the_same_rows(self):
        message = record_class(self.root)
        await self.traffic()
        await self.settled()
        read = []
        for _, _, manifest in outputs.commits(self.second):
            for described in manifest["objects"]:
                self.assertTrue(described["name"].endswith(".pb.zst"), described["name"])
                rows = [line_of(r) for r in delimited(plain(self.second / described["name"]), message)]
                self.assertEqual(len(rows), described["events"])
                times = [row["time"] for row in rows]
                self.assertEqual(times, sorted(times))
                read += rows
        lines = self.region.lines()
        self.assertGreater(len(lines), two_formats.EVENTS // 2)
        self.assertLessEqual({"_wadi.gap", "_wadi.dropped"}, {line["name"] for line in lines})
        written = repr(lines)
        for rare in ("\ufffd", "'NaN'", "'-Infinity'", "-0.0", str(-2**63), "'resent': True", "explicit", "'late': True"):
            self.assertIn(rare, written)
        for mine, other in zip(comparable(read), comparable(lines), strict=True):
            self.assertEqual(mine, other)


if __name__ == "__main__":
    if importlib.util.find_spec("google") is None:
        print("skipped: no python3-protobuf")
        sys.exit(77)
    unittest.main()

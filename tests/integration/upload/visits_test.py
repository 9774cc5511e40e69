"""wadi-send with real input: 10,000 requests of 1,753 visitors."""

import csv
import gzip
import io
import os
import sys
import unittest

from fake_collector import SOURCE, FakeCollector, SendTest, unix_us

VISITS = f"{SOURCE}/../shared/data/web-visits.csv.gz"


class Visits(SendTest):
    def test_csv_of_real_visits_arrives_cell_by_cell(self):
        """Through a ring of 64 KiB: wadi-send waits where it is full."""
        with gzip.open(VISITS) as file:
            text = file.read()
        with FakeCollector() as collector:
            self.acked(collector, "--ring-bytes", "64K", "--csv", stdin=text)
            rows = list(csv.DictReader(io.StringIO(text.decode(), newline="")))
            self.assertEqual(len(collector.delivered), len(rows))
            for event, row in zip(collector.delivered, rows):
                self.assertEqual(event.time_us, unix_us(row.pop("time")))
                self.assertEqual(event.properties, row)


if __name__ == "__main__":
    if not os.path.exists(VISITS):
        print("SKIP: the data set ../shared/data/web-visits.csv.gz is not here")
        sys.exit(77)
    unittest.main()

"""Random rows as Parquet, read back value by value by Spark, also through its own conditions on columns."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import real

real.needs("spark")
from pyspark.sql import SparkSession

from lines import ENVELOPE, TYPED, compare, expected

SEED = os.environ.get("WADI_SEED") or str(int.from_bytes(os.urandom(4), "big"))
ROWS = 250000
TIMES = ("time", "received_at")


class SparkTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="wadi-spark-")
        self.addCleanup(place.cleanup)
        self.jsonl, parquet = f"{place.name}/rows.jsonl", f"{place.name}/rows.parquet"
        command = [os.environ["WADI_WRITE_ROWS"], "--rows", str(ROWS), "--seed", SEED, parquet, self.jsonl]
        subprocess.run(command, check=True, capture_output=True)
        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        builder = builder.config("spark.driver.memory", "1g").config("spark.driver.bindAddress", "127.0.0.1")
        builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.local.dir", place.name)
        builder = builder.config("spark.sql.warehouse.dir", f"{place.name}/warehouse")
        self.spark = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
        self.addCleanup(self.spark.stop)
        self.spark.sparkContext.setLogLevel("ERROR")
        self.found = self.spark.read.parquet(parquet)

    def test_rows_then_spark_finds_the_same(self):
        columns = [f"unix_micros({name})" if name in TIMES else f"`{name}`" for name in ENVELOPE + TYPED]
        found = self.found.selectExpr("_metadata.row_index AS place", *columns).orderBy("place")
        n, filled = compare(expected(self.jsonl), (list(row)[1:] for row in found.toLocalIterator()))
        self.assertGreaterEqual(n, ROWS)
        self.assertGreater(min(filled.values()), 0)
        self.check_conditions([row for row, _ in expected(self.jsonl)])

    def check_conditions(self, rows):
        """Spark looks at bounds and at the page index before it reads."""
        middle = rows[len(rows) // 2]
        for name in ("name", "installation", "stream", "seq", "run", "tenant", "user"):
            value = middle[ENVELOPE.index(name)]
            count = sum(row[ENVELOPE.index(name)] == value for row in rows)
            self.assertEqual(self.found.where(self.found[name].eqNullSafe(value)).count(), count, f"{name} {value}")
        later = sum(row[1] >= middle[1] for row in rows)
        self.assertEqual(self.found.where(f"time >= timestamp_micros({middle[1]})").count(), later)


if __name__ == "__main__":
    print(f"seed {SEED}", file=sys.stderr)
    unittest.main()

"""Random rows as Parquet, read back value by value by pyarrow and duckdb; what the file's metadata says; and
that no reader takes a file which is cut off.

    readers_test.py [--full]      5,000,000 rows and objects of 512 MB instead of a twentieth; WADI_SEED: the seed"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import real

real.needs("readers")
import duckdb
import pyarrow
import pyarrow.parquet

from lines import TYPED, compare, expected
from rows import by_duckdb, by_pyarrow

SEED = int(os.environ.get("WADI_SEED") or random.SystemRandom().randrange(1 << 32))
FULL = "--full" in sys.argv
ROWS, OBJECT_BYTES = (5000000, 512 << 20) if FULL else (250000, 26 << 20)
MEMORY_MAX_KIB = 48 << 10  # of the whole process: the file's, and eight batches of huge events at a time


class ReadersTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="wadi-parquet-")
        self.addCleanup(place.cleanup)
        self.parquet, self.jsonl = f"{place.name}/rows.parquet", f"{place.name}/rows.jsonl"

    def write(self, rows, *arguments, seed=SEED):
        command = [os.environ["WADI_WRITE_ROWS"], "--rows", str(rows), "--seed", str(seed), *arguments]
        done = subprocess.run([*command, self.parquet, self.jsonl], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    def check(self, wrote, least_of_typed=1):
        for found in (by_pyarrow, by_duckdb):
            n, filled = compare(expected(self.jsonl), found(self.parquet))
            self.assertEqual(n, wrote["rows"])
            self.assertGreaterEqual(min(filled.values()), least_of_typed, filled)

    def test_many_random_rows_then_every_reader_finds_the_same(self):
        self.check(self.write(ROWS))

    def test_each_codec_then_every_reader_finds_the_same(self):
        for codec in ("none", "gzip", "zstd"):
            with self.subTest(codec):
                self.check(self.write(20000, "--codec", codec, "--late"))

    def test_huge_texts_then_every_reader_finds_the_same(self):
        self.check(self.write(5000, "--shape", "huge"))

    def test_no_rows_then_the_columns_are_there(self):
        self.check(self.write(0), least_of_typed=0)
        self.assertEqual(duckdb.sql(f"SELECT * FROM '{self.parquet}'").columns[-4:], TYPED)

    def test_conditions_then_nothing_is_passed_over_by_bounds(self):
        self.write(100000, "--shape", "mixed")
        rows = [row for row, _ in expected(self.jsonl)]
        chance = random.Random(SEED)
        for at, name in enumerate(("name", "time", "time_quality", "received_at", "installation", "stream", "seq", "run",
                                   "tenant")):
            value = chance.choice(rows)[at]
            count = sum(row[at] == value for row in rows)
            place = f"epoch_us({name})" if name in ("time", "received_at") else f'"{name}"'
            found = duckdb.execute(f"SELECT count(*) FROM '{self.parquet}' WHERE {place} IS NOT DISTINCT FROM ?", [value])
            self.assertEqual(found.fetchone(), (count,), f"{name} {value}")
            if value is not None and place == f'"{name}"':
                table = pyarrow.parquet.read_table(self.parquet, columns=[name], filters=[(name, "==", value)])
                self.assertEqual(len(table), count, f"{name} {value}")

    def test_large_objects_then_memory_does_not_grow(self):
        for shape in ("plain", "mixed", "huge"):
            command = [os.environ["WADI_WRITE_ROWS"], "--rows", str(1 << 40), "--bytes", str(OBJECT_BYTES), "--shape", shape]
            done = subprocess.run([*command, "/dev/null"], check=True, capture_output=True, text=True)
            wrote = json.loads(done.stdout)
            self.assertGreater(wrote["bytes"], OBJECT_BYTES * 0.9)
            if not os.environ.get("WADI_SANITIZE"):  # which keeps what was freed
                self.assertLess(wrote["memory_kib"], MEMORY_MAX_KIB, shape)

    def test_metadata_then_it_says_types_order_and_bounds(self):
        self.write(250000, "--shape", "plain")
        file = pyarrow.parquet.ParquetFile(self.parquet)
        types = {field.name: str(field.type) for field in file.schema_arrow}
        self.assertEqual((types["time"], types["seq"]), ("timestamp[us, tz=UTC]", "int64"))
        self.assertEqual([types[name] for name in TYPED], ["double", "int64", "bool", "string"])
        self.assertTrue(types["properties"].startswith("map<string, string"), types["properties"])
        self.assertGreater(file.metadata.num_row_groups, 1)
        self.assertIn(b"wadi.object", file.metadata.metadata)
        last = None
        for g in range(file.metadata.num_row_groups):
            group, table = file.metadata.row_group(g), file.read_row_group(g)
            self.assertEqual([(c.column_index, c.descending) for c in group.sorting_columns], [(1, False)])
            for c in range(group.num_columns):
                self.check_chunk(group.column(c), table)
            time = group.column(1).statistics
            self.assertTrue(last is None or last <= time.min)
            last = time.max

    def check_chunk(self, chunk, table):
        self.assertTrue(chunk.has_offset_index)
        if "." in chunk.path_in_schema:  # of a map
            return
        values = table.column(chunk.path_in_schema)
        self.assertEqual(chunk.statistics.null_count, values.null_count, chunk.path_in_schema)
        self.assertTrue(chunk.has_column_index)
        if values.null_count == len(values):
            return
        bounds = pyarrow.compute.min_max(values).as_py()
        self.assertEqual((chunk.statistics.min, chunk.statistics.max), (bounds["min"], bounds["max"]))

    def test_the_same_rows_then_the_same_bytes(self):
        self.write(20000)
        first = pathlib.Path(self.parquet).read_bytes()
        self.write(20000)
        self.assertEqual(first, pathlib.Path(self.parquet).read_bytes())

    def test_a_file_that_is_cut_anywhere_then_no_reader_takes_it(self):
        self.write(500)
        whole = pathlib.Path(self.parquet).read_bytes()
        some = sorted(random.Random(SEED).sample(range(len(whole)), 300))
        for n in [*range(40), *some, *range(len(whole) - 40, len(whole))]:
            pathlib.Path(self.parquet).write_bytes(whole[:n])
            with self.assertRaises((pyarrow.ArrowException, OSError), msg=f"{n} bytes"):
                pyarrow.parquet.read_table(self.parquet)
            with self.assertRaises(duckdb.Error, msg=f"{n} bytes"):
                duckdb.sql(f"SELECT * FROM read_parquet('{self.parquet}')").fetchall()

    def test_a_damaged_byte_then_the_checksum_tells(self):
        self.write(20000)
        whole = bytearray(pathlib.Path(self.parquet).read_bytes())
        chunk = pyarrow.parquet.ParquetFile(self.parquet).metadata.row_group(0).column(1)
        whole[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
        pathlib.Path(self.parquet).write_bytes(whole)
        with self.assertRaisesRegex(OSError, "CRC checksum"):
            pyarrow.parquet.read_table(self.parquet, page_checksum_verification=True)


if __name__ == "__main__":
    print(f"seed {SEED}", file=sys.stderr)
    unittest.main(argv=sys.argv[:1], verbosity=2)

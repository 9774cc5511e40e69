"""Rows of an object, as readers see them that are not ours. One is asked for the kinds of objects it knows."""

import datetime

import duckdb
import pyarrow
import pyarrow.compute
import pyarrow.json
import pyarrow.parquet

from audit import Row

EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
FIELDS = ("time", "stream", "seq", "late")
JSON_COLUMNS = {"time": pyarrow.string(), "stream": pyarrow.string(), "seq": pyarrow.int64(), "late": pyarrow.bool_()}


def pyarrow_rows(path):
    table = _arrow_parquet(path) if path.suffix == ".parquet" else _arrow_json(path)
    times = table.column("time").cast(pyarrow.timestamp("us", "UTC")).cast(pyarrow.int64()).to_pylist()
    rest = [table.column(name).to_pylist() for name in FIELDS[1:]]
    return [Row(*values) for values in zip(times, *rest)]


def _arrow_parquet(path):
    return pyarrow.parquet.ParquetFile(path).read(columns=list(FIELDS))


def _arrow_json(path):
    how = pyarrow.json.ParseOptions(explicit_schema=pyarrow.schema(list(JSON_COLUMNS.items())),
                                    unexpected_field_behavior="ignore")
    with pyarrow.input_stream(str(path), compression="detect") as file:
        return pyarrow.json.read_json(file, parse_options=how)


def duckdb_rows(path):
    if path.suffix == ".parquet":
        source = f"read_parquet('{path}')"
    else:
        columns = "{time: 'TIMESTAMPTZ', stream: 'VARCHAR', seq: 'BIGINT', late: 'BOOLEAN'}"
        source = f"read_ndjson('{path}', columns = {columns})"
    found = duckdb.sql(f"SELECT epoch_us(time), {', '.join(FIELDS[1:])} FROM {source}").fetchall()
    return [Row(*values) for values in found]


READERS = {"pyarrow": pyarrow_rows, "duckdb": duckdb_rows}


def time_us(text):
    """Of a JSON line's time."""
    return (datetime.datetime.fromisoformat(text) - EPOCH) // datetime.timedelta(microseconds=1)

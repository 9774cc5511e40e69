"""What readers that are not ours find in a Parquet file, in the form of lines.expected."""

import duckdb
import pyarrow
import pyarrow.parquet

from lines import ENVELOPE, TYPED

BATCH = 20000


def by_pyarrow(path):
    file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
    for batch in file.iter_batches(BATCH):
        for name in ("time", "received_at"):
            at = batch.schema.get_field_index(name)
            batch = batch.set_column(at, name, batch.column(at).cast(pyarrow.int64()))
        for row in zip(*(batch.column(name).to_pylist() for name in ENVELOPE + TYPED)):
            row = list(row)
            for at in (13, 14):
                pairs = row[at]
                row[at] = dict(pairs)
                assert len(row[at]) == len(pairs), f"a key twice: {pairs}"
            yield row


def by_duckdb(path):
    columns = [f"epoch_us({name})" if name in ("time", "received_at") else f'"{name}"' for name in ENVELOPE + TYPED]
    found = duckdb.connect().execute(f"SELECT {', '.join(columns)} FROM read_parquet('{path}')")
    while rows := found.fetchmany(BATCH):
        yield from map(list, rows)

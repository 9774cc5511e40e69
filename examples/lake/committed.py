"""Loads exactly the committed events of a sink: what its commits name, and nothing else."""

import json

import pyarrow
import pyarrow.fs
import pyarrow.parquet


def committed(lake, root, collector, sink):
    """`lake`: a pyarrow.fs file system. A table, in the order of the epochs."""
    manifests = lake.get_file_info(pyarrow.fs.FileSelector(f"{root}/_wadi/{collector}/{sink}", allow_not_found=True))
    names = sorted(info.path for info in manifests if info.path.endswith(".commit"))
    commits = [json.loads(lake.open_input_file(name).read()) for name in names]
    objects = [o["name"] for commit in commits for o in commit["objects"]]
    tables = [pyarrow.parquet.ParquetFile(lake.open_input_file(f"{root}/{name}")).read() for name in objects]
    return pyarrow.concat_tables(tables) if tables else pyarrow.table({})

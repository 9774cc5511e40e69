"""Ten thousand real requests of 1,753 visitors, half of them out of order, replayed in a storm."""

import collections
import csv
import gzip
import pathlib
import sys
import tempfile

import quickstart

import outputs

INPUT = pathlib.Path(quickstart.SOURCE, "../shared/data/web-visits.csv.gz")


def rows_expected():
    with gzip.open(INPUT, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            user, time = row.pop("visitor"), row.pop("time").replace("Z", ".000000Z")
            yield user, time, *sorted(row.items())


def rows_delivered(events):
    for obj in outputs.objects(events):
        for line in obj.lines():
            assert line["name"] == "row" and line["late"], line
            yield line["user"], line["time"], *sorted(line["properties"].items())


def main():
    if not INPUT.exists():
        print("skipped: ../shared/data/web-visits.csv.gz is not there")
        return 77
    with tempfile.TemporaryDirectory() as out:
        status, _, numbers = quickstart.run("--out", out, "--input", INPUT)
        assert status == 0, status
        assert numbers == [10000, 10000, 0, 0, 0, 10000], numbers
        assert len(list(pathlib.Path(out, "devices").iterdir())) == 1753
        assert collections.Counter(rows_delivered(pathlib.Path(out, "events"))) == collections.Counter(rows_expected())
    return 0


if __name__ == "__main__":
    sys.exit(main())

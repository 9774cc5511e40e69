"""Writes visits of a web site to a CSV file, and prints how many: those of ../shared/data/web-visits.csv.gz where
that is present, else 4,000 made up, of the last day.

    visits.py FILE"""

import csv
import datetime
import gzip
import pathlib
import random
import sys

RECORDED = pathlib.Path(__file__).resolve().parents[2] / "shared/data/web-visits.csv.gz"
COLUMNS = ("visitor", "time", "method", "path", "status", "bytes", "referrer", "user_agent")
VISITS = 4000
PAGES = ("/", "/pricing", "/docs/install", "/docs/sinks", "/blog/once", "/search")
STATUSES = (200, 200, 200, 304, 404)


def recorded():
    with gzip.open(RECORDED, "rt", encoding="utf-8", newline="") as file:
        yield from csv.reader(file)


def made_up():
    chance, now = random.Random(1), datetime.datetime.now(datetime.timezone.utc)
    yield COLUMNS
    for ago_s in sorted((chance.randrange(86400) for _ in range(VISITS)), reverse=True):
        time = (now - datetime.timedelta(seconds=ago_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield (f"visitor-{chance.randrange(500):04}", time, "GET", chance.choice(PAGES), chance.choice(STATUSES),
               chance.randrange(200, 50000), "", "made up")


def main(path):
    rows = list(recorded() if RECORDED.exists() else made_up())
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    print(len(rows) - 1)


main(sys.argv[1])

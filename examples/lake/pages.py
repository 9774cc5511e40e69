"""Waits until a lake holds COUNT events, and prints the most visited pages of the first hours.

    pages.py ENDPOINT COUNT"""

import sys
import time

import duckdb
import pyarrow.fs

from committed import committed

READ_S = 60
QUERY = """
    SELECT strftime(time AT TIME ZONE 'UTC', '%Y-%m-%d %H:00') AS hour, path, count(*) AS visits
    FROM events
    GROUP BY hour, path
    QUALIFY row_number() OVER (PARTITION BY hour ORDER BY visits DESC, path) <= 2
    ORDER BY hour, visits DESC, path
    LIMIT 12"""


def main(endpoint, count):
    scheme, _, address = endpoint.partition("://")
    lake = pyarrow.fs.S3FileSystem(access_key="wadi-tests", secret_key="wadi-tests-secret", region="us-east-1",
                                   scheme=scheme, endpoint_override=address)
    until = time.monotonic() + READ_S
    while (events := committed(lake, "lake/web", "example", "pages")).num_rows < count:
        if time.monotonic() > until:
            sys.exit(f"only {events.num_rows} of {count} events within {READ_S} s")
        time.sleep(0.2)
    print(f"{events.num_rows} events; the most visited pages by hour:")
    for hour, path, visits in duckdb.sql(QUERY).fetchall():
        print(f"  {hour}  {visits:4}  {path}")


main(sys.argv[1], int(sys.argv[2]))

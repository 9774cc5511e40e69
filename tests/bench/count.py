"""Whether readers that are not ours find what a benchmark measured: that many events, each once.

    count.py EVENTS files DIR              every object below DIR
    count.py EVENTS kafka BROKERS TOPIC"""

import pathlib
import subprocess
import sys
import time

SILENCE_S = 20


def duckdb_counts(source):
    import duckdb
    return duckdb.sql(f"SELECT count(*), count(DISTINCT (stream, seq)) FROM {source}").fetchall()[0]


def delimited(data):
    """How many messages stand one behind the other, each after its length."""
    at, n = 0, 0
    while at < len(data):
        size, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        at += size
        n += 1
    return n


def record_counts(paths):
    """Only how many: two of the same would be an error that other tests find."""
    n = sum(delimited(subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout) for path in paths)
    return n, n


def file_counts(directory):
    paths = [p for p in pathlib.Path(directory).rglob("*") if p.is_file() and "dt=" in str(p)]
    suffix = paths[0].name.split(".", 1)[1] if paths else ""
    if suffix.startswith("parquet"):
        return duckdb_counts(f"read_parquet('{directory}/**/*.parquet')")
    if suffix.startswith("jsonl"):
        return duckdb_counts(f"read_ndjson('{directory}/dt=*/**/*.{suffix}', columns = {{stream: 'VARCHAR', seq: 'BIGINT'}})")
    return record_counts(paths)


def kafka_counts(brokers, topic, events):
    import confluent_kafka
    consumer = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "bench", "auto.offset.reset": "earliest",
                                         "isolation.level": "read_committed", "enable.auto.commit": False})
    consumer.subscribe([topic])
    n, seen, until = 0, set(), time.monotonic() + SILENCE_S
    while n < events and time.monotonic() < until:
        messages = consumer.consume(10000, timeout=1)
        for message in messages:
            headers = dict(message.headers())
            seen.add((headers["stream"], headers["seq"]))
        n += len(messages)
        until = time.monotonic() + SILENCE_S if messages else until
    consumer.close()
    return n, len(seen)


def main(events, kind, place, topic=None):
    events = int(events)
    found, distinct = file_counts(place) if kind == "files" else kafka_counts(place, topic, events)
    if (found, distinct) != (events, events):
        sys.exit(f"bench: {events} events were sent, readers find {found}, {distinct} of them different")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Rows as the JSON lines say them, and whether a reader of the Parquet file of the same events finds them."""

import datetime
import json

ENVELOPE = ["name", "time", "time_quality", "received_at", "installation", "stream", "seq", "run", "tenant", "late",
            "resent", "user", "session", "context", "properties"]
TYPED = ["price", "count", "ok", "label"]
NO_NUMBERS = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}


class Int(str):
    """Digits of the JSON line, as they stand there."""


class Float(str):
    """Likewise."""


def micros(text):
    since = datetime.datetime.fromisoformat(text) - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return since // datetime.timedelta(microseconds=1)


def as_text(value):
    return {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else str(value)


def typed(properties):
    """What may stand in the columns of their own, as repr: bytes and texts, and NaN and "NaN", look alike in JSON."""
    price, count, ok, label = (properties.get(name) for name in TYPED)
    prices = [None]
    if isinstance(price, Float) or isinstance(price, Int) and abs(int(price)) <= 1 << 53:
        prices = [float(price)]
    elif price in NO_NUMBERS:
        prices = [None, float(NO_NUMBERS[price])]
    return [
        [repr(p) for p in prices],
        [repr(int(count) if isinstance(count, Int) else None)],
        [repr(ok if isinstance(ok, bool) else None)],
        [repr(None)] + ([repr(label)] if type(label) is str else []),
    ]


def expected(path):
    """For each line: the envelope, and for each typed column what it may be."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line, parse_int=Int, parse_float=Float)
            properties = row["properties"]
            yield [
                row["name"], micros(row["time"]), row["time_quality"], micros(row["received_at"]), row["installation"],
                row["stream"], int(row["seq"]), int(row["run"]), row.get("tenant"), row["late"],
                row.get("resent", False), row["user"], row["session"], row["context"],
                {key: as_text(value) for key, value in properties.items()},
            ], typed(properties)


def compare(lines, found):
    """Of `expected` and of a reader. How many rows there are. The typed columns that had a value, by name, are counted too."""
    n, filled = 0, dict.fromkeys(TYPED, 0)
    for (envelope, columns), row in zip(lines, found, strict=True):
        assert row[:len(ENVELOPE)] == envelope, f"row {n}:\n{row}\nis not\n{envelope}"
        for name, may_be, value in zip(TYPED, columns, row[len(ENVELOPE):]):
            assert repr(value) in may_be, f"row {n}, {name}: {value!r} is none of {may_be}"
            filled[name] += value is not None
        n += 1
    return n, filled

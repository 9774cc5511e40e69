"""A CSV file as rows for devices: one installation for each distinct value of the first column."""

import csv
import datetime
import gzip
import io
import pathlib

from notes import EPOCH

TEXT_BYTES_MAX = 255  # of a user, a key, an event's name: wadi.h
COLUMNS_MAX = 256
CELL_CHARS_MAX = 1 << 20


class InputError(Exception):
    """The file cannot be replayed; the text says why."""


class Table:
    """`columns` are the properties; `installations` maps a first cell to rows (time in us, cells)."""

    def __init__(self, columns):
        self.columns, self.installations = columns, {}

    def __len__(self):
        return sum(len(rows) for rows in self.installations.values())


def _text(path):
    try:
        data = pathlib.Path(path).read_bytes()
        if str(path).endswith(".gz"):
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(error.strerror or f"not a gzip file: {error}") from error
    except EOFError as error:
        raise InputError("the gzip file is cut short") from error
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at offset {error.start}") from error


def _time_us(text, line):
    try:
        time = datetime.datetime.fromisoformat(text)
        if time.tzinfo is None or len(text) < len("2015-05-17T10:05:03Z"):
            raise ValueError
    except ValueError:
        raise InputError(f"line {line}: the time {text!r} is not RFC 3339, as 2015-05-17T10:05:03Z") from None
    return (time - EPOCH) // datetime.timedelta(microseconds=1)


def _check_header(header):
    if not header:
        raise InputError("the file is empty; the first line has to name the columns")
    if "time" not in header[1:]:
        raise InputError("no column is named `time`, beside the first, which names the installation")
    if len(header) - 2 > COLUMNS_MAX:
        raise InputError(f"{len(header)} columns; at most {COLUMNS_MAX + 2} are possible")
    for i, name in enumerate(header[1:], 2):
        if not name or len(name.encode()) > TEXT_BYTES_MAX:
            raise InputError(f"column {i} has no name, or one of more than {TEXT_BYTES_MAX} bytes")
        if header[1:].count(name) > 1:
            raise InputError(f"two columns are named {name!r}")


def read(path):
    """The whole file as a Table. Raises InputError."""
    try:
        return _read(_text(path))
    except InputError as error:
        raise InputError(f"cannot replay {path}: {error}") from error


def _read(text):
    if "\0" in text:
        raise InputError("it holds NUL characters, which no string property can")
    csv.field_size_limit(CELL_CHARS_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return _read_rows(reader)
    except csv.Error as error:
        raise InputError(f"line {reader.line_num}: {error}") from error


def _read_rows(reader):
    header = next(reader, [])
    _check_header(header)
    time_at = header.index("time", 1)
    table = Table([name for i, name in enumerate(header) if i not in (0, time_at)])
    for row in reader:
        line = reader.line_num
        if not row:
            continue  # an empty line is no row
        if len(row) != len(header):
            raise InputError(f"line {line}: {len(row)} cells, but {len(header)} columns")
        if len(row[0].encode()) > TEXT_BYTES_MAX:
            raise InputError(f"line {line}: the first cell is longer than {TEXT_BYTES_MAX} bytes")
        cells = [cell for i, cell in enumerate(row) if i not in (0, time_at)]
        table.installations.setdefault(row[0], []).append((_time_us(row[time_at], line), cells))
    if not table.installations:
        raise InputError("there is no row below the header")
    return table


def for_device(user, event, columns, rows):
    """The bytes of a device's `rows` file: terminated strings, see replay.c."""
    texts = [user, event, str(len(columns)), *columns]
    for time_us, cells in rows:
        texts += [str(time_us), *cells]
    return b"".join(text.encode() + b"\0" for text in texts)

"""Files of Records as a reader of Python's protobuf library sees them, with the class that protoc makes of
schemas/wadi/v1/record.proto, and each Record as the JSON line that it stands for."""

import base64
import datetime
import importlib
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(os.environ.get("WADI_SOURCE_DIR", pathlib.Path(__file__).parents[3]))
QUALITIES = ("unspecified", "exact", "estimated", "bounded", "explicit")
EPOCH = datetime.datetime(1970, 1, 1)


def record_class(work):
    """Made by protoc in the directory `work`."""
    subprocess.run(["protoc", f"-I{SOURCE}/schemas", f"--python_out={work}", "wadi/v1/record.proto"], check=True)
    sys.path.insert(0, str(work))
    return importlib.import_module("wadi.v1.record_pb2").Record


def plain(path):
    """The bytes of an object."""
    tools = {".zst": ["zstd", "-dcq"], ".gz": ["gzip", "-dc"]}
    if path.suffix not in tools:
        return path.read_bytes()
    return subprocess.run([*tools[path.suffix], path], check=True, capture_output=True).stdout


def delimited(data, message):
    """Each message of a file: a varint with its length, and its bytes."""
    at = 0
    while at < len(data):
        length = shift = 0
        while shift == 0 or data[at - 1] & 0x80:
            length |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        assert at + length <= len(data), "cut off"
        yield message.FromString(data[at:at + length])
        at += length


def _time(us):
    return (EPOCH + datetime.timedelta(microseconds=us)).isoformat(timespec="microseconds") + "Z"


def _value(field):
    kind = field.WhichOneof("value")
    value = getattr(field, kind)
    if kind == "bytes_value":
        return base64.b64encode(value).decode()
    if kind == "double_value" and value - value != 0:  # JSON has no numbers for these
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value


def line_of(record):
    line = {"name": record.name, "time": _time(record.time_us), "time_quality": QUALITIES[record.time_quality],
            "received_at": _time(record.received_us), "installation": record.installation.hex(),
            "stream": record.stream.hex(), "seq": record.seq, "run": record.run, "late": record.late,
            "user": record.user or None, "session": record.session or None,
            "context": {field.key: _value(field) for field in record.context},
            "properties": {field.key: _value(field) for field in record.properties}}
    if record.resent:
        line["resent"] = True
    if record.tenant:
        line["tenant"] = record.tenant
    return line

"""The real servers of toolchains/servers in tests, and a Python with readers that are not ours. What the cache
does not hold (tests/run.sh fills it) skips the test."""

import importlib.util
import os
import pathlib
import sys

SOURCE = pathlib.Path(os.environ.get("WADI_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(SOURCE / "toolchains/servers"))
os.environ["WADI_OFFLINE"] = "1"  # a test has no time to fetch

import servers  # noqa: E402
from servers import S3, Kafka, port_free  # noqa: E402,F401

SKIPPED = 77


def needs(*names):
    """Of "kafka", "s3", "readers", "spark". With one of the last two, goes on from the start under the Python that
    has them."""
    try:
        found = {name: servers.fetched(name) for name in names}
    except servers.Unavailable as why:
        print(f"skipped: {why}")
        sys.exit(SKIPPED)
    for name, module in (("readers", "confluent_kafka"), ("spark", "pyspark")):
        if name in found and importlib.util.find_spec(module) is None:
            os.execv(found[name], [found[name], *sys.argv])

"""What the tests of the quickstart share: its modules, and a run of its program."""

import os
import re
import subprocess
import sys

SOURCE = os.environ.get("WADI_SOURCE_DIR", os.path.join(os.path.dirname(__file__), "../../.."))
sys.dont_write_bytecode = True
sys.path.insert(0, f"{SOURCE}/examples/quickstart")

import rows  # noqa: E402,F401 (for the tests)

LINE = re.compile(r"quickstart: tracked=(\d+) delivered=(\d+) lost=(\d+) duplicated=(\d+) misordered=(\d+) late=(\d+)")


def program(*arguments):
    """The fleet's program with the programs of the tree under test."""
    built = ["--programs", os.environ["WADI_BUILD_DIR"]]
    return [sys.executable, "-B", f"{SOURCE}/examples/quickstart/fleet.py", *built, *map(str, arguments)]


def run(*arguments):
    """Runs it to its end. Its exit status, its whole output and the numbers of its last line."""
    done = subprocess.run(program(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout)
    last = LINE.fullmatch((done.stdout.splitlines() or [""])[-1])
    return done.returncode, done.stdout, [int(n) for n in last.groups()] if last else None

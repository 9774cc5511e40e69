"""Every command that a README prints is run, in the order of the page.

    readme_test.py PAGE...      below the source; those of examples with a server need it in the cache"""

import gzip
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import real

SOURCE = os.environ["WADI_SOURCE_DIR"]
PAGES = sys.argv[1:]
SERVERS = {"examples/kafka/README.md": "kafka", "examples/lake/README.md": "s3"}
OUTPUT = re.compile(r"^quickstart: ")  # what a command prints, not a command
RUNS_THIS = {"tests/run.sh"}  # the command that runs this very test
LIMIT_S = 240


def commands(page):
    """The indented lines outside fenced code, without their comments."""
    fenced = False
    with open(f"{SOURCE}/{page}", encoding="utf-8") as file:
        for line in file:
            if line.startswith("```"):
                fenced = not fenced
            if not fenced and line.startswith("    ") and not OUTPUT.match(line.strip()):
                yield re.sub(r"\s+#.*$", "", line.strip())


class Readme(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory(prefix="wadi-readme-")
        self.addCleanup(self.place.cleanup)
        with gzip.open(f"{self.place.name}/visits.csv.gz", "wt", encoding="utf-8") as file:
            file.write("visitor,time,path\nann,2015-05-17T10:05:03Z,/\nbob,2015-05-17T10:05:04Z,/a\n")
        self.environment = dict(os.environ, DESTDIR=f"{self.place.name}/install")

    def test_every_command_of_the_readmes_works(self):
        wanted = [(page, command) for page in PAGES for command in commands(page)]
        self.assertEqual({page for page, _ in wanted}, set(PAGES))
        for page, command in wanted:
            if command in RUNS_THIS:
                continue
            # The places that the pages name belong to whoever reads them.
            here = command.replace("/tmp/", f"{self.place.name}/").replace("visits.csv.gz", f"{self.place.name}/visits.csv.gz")
            with self.subTest(page=page, command=command):
                done = subprocess.run(["bash", "-c", here], cwd=SOURCE, env=self.environment, timeout=LIMIT_S,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      check=False)
                self.assertEqual(done.returncode, 0, done.stdout.decode(errors="replace")[-2000:])


if __name__ == "__main__":
    for page in PAGES:
        if page in SERVERS:
            real.needs(SERVERS[page], "readers")
    unittest.main(argv=sys.argv[:1])

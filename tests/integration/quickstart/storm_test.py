"""The quickstart with a short storm: it balances, starts afresh in its own directory, and leaves nothing running."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import quickstart

SHORT = "--seconds", 6, "--devices", 12
DEADLINE_S = 60


def processes_with(text):
    """Command lines of running processes that mention it."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and path.parent.name != str(os.getpid()):
            found.append(line)
    return found


class StormTest(unittest.TestCase):
    def setUp(self):
        self.out = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "out")

    def run_well(self):
        status, output, numbers = quickstart.run("--out", self.out, *SHORT)
        self.assertEqual(status, 0)
        tracked, delivered, *wrong, _late = numbers
        self.assertEqual((tracked, wrong), (delivered, [0, 0, 0]))
        self.assertGreater(tracked, 12)
        return output

    def test_storm_balances_twice_and_spares_what_is_not_its_own(self):
        output = self.run_well()
        self.assertRegex(output, r"kill -9: \d+ devices, [2-9] collector; cuts: [2-9]")
        mine = pathlib.Path(self.out, "mine.txt")
        mine.write_text("keep me")
        self.assertIn("still valid", self.run_well())
        self.assertEqual(mine.read_text(), "keep me")
        self.assertEqual(processes_with(self.out), [])

    def test_directory_of_somebody_else_is_refused(self):
        theirs = pathlib.Path(self.out, "events/precious")
        theirs.parent.mkdir(parents=True)
        theirs.touch()
        status, output, _ = quickstart.run("--out", self.out)
        self.assertEqual(status, 1)
        self.assertIn("events, which no quickstart made", output)
        self.assertTrue(theirs.exists())

    def test_interrupt_stops_everything_that_was_started(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                program = subprocess.Popen(quickstart.program("--out", self.out), stdout=subprocess.DEVNULL)
                deadline = time.monotonic() + DEADLINE_S
                while len(processes_with(self.out)) < 10 and time.monotonic() < deadline:
                    time.sleep(0.05)
                self.assertGreater(len(processes_with(self.out)), 9)
                program.send_signal(number)
                self.assertEqual(program.wait(DEADLINE_S), 130)
                self.assertEqual(processes_with(self.out), [])

    def test_wrong_arguments_exit_with_64(self):
        script = f"{quickstart.SOURCE}/examples/quickstart.sh"
        for arguments in (["--bogus"], ["--out"], ["--input", "/nonexistent.csv"], ["--input", ""], ["extra"]):
            with self.subTest(arguments):
                done = subprocess.run([script, *arguments], capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 64)
                self.assertIn("--help", done.stderr)
        self.assertEqual(subprocess.run([script, "--help"], stdout=subprocess.DEVNULL, check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

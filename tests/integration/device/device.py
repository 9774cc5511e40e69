"""A device that does as it is told: device.c behind pipes."""

import json
import os
import pathlib
import re
import subprocess
import time

PROGRAM = pathlib.Path(os.environ.get("WADI_BUILD_DIR", "build")) / "tests/integration/device/wadi-test-device"
NOWHERE = "https://127.0.0.1:1"  # nobody listens there: a device that is offline
REASONS = ["other", "disk_quota", "age", "refused", "corrupt", "consent", "too_large", "store_lost"]


class Ended(Exception):
    """By a signal, or with a status, where it should have answered."""


class Device:
    """A process. What it says to people goes to `log`."""

    def __init__(self, log, unprivileged=False, **options):
        self.log = pathlib.Path(log)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if unprivileged else {}
        with open(self.log, "ab") as err:
            self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True,
                                            **user)
        self.set(**options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def tell(self, *words):
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise Ended(f"{words}: the device ended with {self.process.wait()}\n{self.said()[-2000:]}")
        return answer

    def said(self):
        return self.log.read_text(errors="replace")

    def set(self, **options):
        for name, value in options.items():
            assert self.tell("set", name, "" if value is None else value) == "ok", name

    def open(self, expect="ok", **options):
        self.set(**options)
        answer = self.tell("open")
        assert answer == expect, f"open: {answer}\n{self.said()[-2000:]}"
        return answer

    def close(self, wait_ms=0):
        return self.tell("close", wait_ms)

    def track(self, n=1, size=20, priority=0, patience_ms=20000):
        """(how many were taken, the last outcome)"""
        taken, outcome = self.tell("track", n, size, priority, patience_ms).split()
        return int(taken), outcome

    def record(self, n=1, size=20, priority=0):
        assert self.track(n, size, priority) == (n, "ok"), self.said()[-2000:]

    def wait(self, level="disk", wait_ms=20000):
        return self.tell("wait", level, wait_ms)

    def stats(self):
        return json.loads(self.tell("stats"))

    def _switches(self):
        """How often the background thread went to sleep."""
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            if (task / "comm").read_text().strip() == "wadi":
                return re.search(r"^voluntary_ctxt_switches:\s*(\d+)", (task / "status").read_text(), re.M).group(1)
        raise Ended("there is no background thread")

    def is_asleep(self, seconds=0.5):
        """The background thread waits for an event and nothing else: awake, it would have moved meanwhile."""
        before = self._switches()
        time.sleep(seconds)
        return self._switches() == before

    def is_away(self):
        """It sleeps for so long that the next event asks the file system before it writes to the ring."""
        return self.is_asleep(2.5)

    def dropped(self):
        """By reason; those that there are."""
        return {REASONS[i]: n for i, n in enumerate(self.stats()["dropped"]) if n}

    def memory(self):
        return int(self.tell("memory"))

"""What the host does to a device, without root: limits of file sizes and of descriptors, a directory that is deleted or
may not be written. Each is seen by the application in the way that sdk/LIMITS.md says, none is a signal, and each
ends when its cause does."""

import os
import pathlib
import resource
import shutil
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "device"), str(HERE.parent / "upload"), str(HERE.parent)]

import waiting  # noqa: E402
from device import Device  # noqa: E402
from fake_collector import FakeCollector, ack  # noqa: E402

SMALL = {"disk_bytes_max": 1 << 20, "ring_bytes": 64 << 10, "flush_ms": 50}
NOBODY = 65534


def eventually(condition, what):
    return waiting.eventually(condition, what, 60)


class Trouble(unittest.TestCase):
    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="wadi-trouble-"))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        self.store = self.work / "store"

    def device(self, **options):
        device = Device(self.work / "log", dir=self.store, **{**SMALL, **options})
        self.addCleanup(device.__exit__)
        return device

    def well_again(self, device):
        """All that was taken is in the store."""
        device.record(5)
        self.assertEqual(device.wait(), "ok")
        self.assertEqual(device.stats()["store_error"], "ok")

    def test_file_size_limit_at_open(self):
        device = self.device()
        for limit in (1, 5000, 9000, 40000):
            device.tell("limit", "fsize", limit)
            device.open(expect="disk_full")
        device.tell("limit", "fsize", 0)
        device.open()
        self.well_again(device)
        self.assertEqual(device.close(1000), "ok")

    def test_file_size_limit_while_it_runs(self):
        device = self.device(disk_bytes_max=8 << 20)
        device.tell("limit", "fsize", 200000)  # the store could not reserve its place
        device.open()
        taken, outcome = device.track(5000, 400, patience_ms=300)
        self.assertEqual(outcome, "ring_full")
        eventually(lambda: device.wait("disk", 100) == "disk_full", "a wait says why")
        stats = device.stats()
        self.assertEqual(stats["store_error"], "disk_full")
        self.assertGreater(stats["store_errors"], 0)
        device.tell("limit", "fsize", 0)
        eventually(lambda: device.wait("disk", 1000) == "ok", "the store is well again")
        self.assertEqual(device.stats()["assigned"], taken)
        self.assertIn("works again", device.said())
        device.tell("limit", "fsize", 200000)
        device.record(50, 400)
        self.assertEqual(device.close(500), "disk_full")
        device.tell("limit", "fsize", 0)
        device.open()  # what had stayed in the ring
        self.assertEqual(device.stats()["assigned"], taken + 50)
        self.assertEqual(device.close(500), "ok")

    def test_directory_deleted(self):
        with FakeCollector([ack(5, 503, wait_ms=1500)]) as collector:  # later
            device = self.device(endpoint=collector.endpoint)
            device.open()
            device.record(10)
            self.assertEqual(device.wait(), "ok")
            shutil.rmtree(self.store)
            device.record(10)
            self.assertEqual(device.wait("disk", 20000), "io")
            stats = device.stats()
            self.assertEqual((stats["store_error"], stats["store_errors"]), ("io", 1))
            self.assertIn("were deleted", device.said())
            self.assertEqual(device.wait("acked", 60000), "ok")  # what there is goes out all the same
            self.assertEqual(device.close(1000), "ok")
            self.assertEqual(len(collector.delivered), 20)
        device.open(endpoint=None)
        self.well_again(device)
        shutil.rmtree(self.store)
        device.record(1)
        self.assertEqual(device.wait(), "io")
        self.assertEqual(device.close(1000), "io")
        device.open()
        self.well_again(device)
        self.assertEqual(device.stats()["assigned"], 5)

    def test_one_file_deleted(self):
        for name in ("ring", "store.mdb"):
            device = self.device()
            device.open()
            self.well_again(device)
            (self.store / "lanes/0" / name).unlink()
            device.record(1)
            self.assertEqual(device.wait(), "io")
            device.close()
            device.open()
            self.well_again(device)
            device.close()

    def test_permissions_changed(self):
        """Files that are open stay so. As nobody, if need be: root may do everything."""
        if os.geteuid() == 0:
            os.chown(self.work, NOBODY, NOBODY)
        device = self.device(unprivileged=True) if os.geteuid() == 0 else self.device()
        device.open()
        self.well_again(device)
        os.chmod(self.store, 0)
        os.chmod(self.store / "lanes", 0)
        os.chmod(self.store / "lanes/0/store.mdb", 0)
        self.well_again(device)
        self.assertEqual(device.close(1000), "ok")
        device.open(expect="permission")
        for path in (self.store, self.store / "lanes"):
            os.chmod(path, 0o700)
        device.open(expect="permission")
        os.chmod(self.store / "lanes/0/store.mdb", 0o600)
        device.open()
        self.assertEqual(device.stats()["assigned"], 10)
        self.well_again(device)

    def test_descriptors_run_out_at_open(self):
        device = self.device()
        device.open()
        self.well_again(device)
        device.close()
        used = len(os.listdir(f"/proc/{device.process.pid}/fd"))
        refused = 0
        for limit in range(used, used + 40):
            device.tell("limit", "nofile", limit)
            if device.tell("open") == "ok":
                break
            refused += 1
            self.assertEqual(len(os.listdir(f"/proc/{device.process.pid}/fd")), used)
        self.assertGreater(refused, 2)
        self.assertEqual(device.stats()["assigned"], 5)
        self.well_again(device)

    def test_descriptors_run_out_while_it_runs(self):
        with FakeCollector([ack(5, 503, "Connection: close", wait_ms=1)]) as collector:
            device = self.device(endpoint=collector.endpoint, retry_min_ms=50, retry_max_ms=100)
            device.open()
            used = len(os.listdir(f"/proc/{device.process.pid}/fd"))
            device.tell("limit", "nofile", used)
            device.record(10)
            self.assertEqual(device.wait(), "ok")  # the store needs no more of them
            eventually(lambda: device.stats()["upload_errors"] >= 3, "connecting fails")
            device.tell("limit", "nofile", 0)
            self.assertEqual(device.wait("acked", 60000), "ok")
            self.assertEqual(device.close(1000), "ok")
            self.assertEqual(len(collector.delivered), 10)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unittest.main()

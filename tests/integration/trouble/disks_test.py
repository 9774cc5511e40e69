"""What happens to a device when its file system is full, read-only or dead: seen by the application in the way that
sdk/LIMITS.md says, never a signal, and over when the cause is."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "device"), str(HERE.parents[1] / "crash/collector")]

import disk  # noqa: E402
import rig  # noqa: E402
from device import Device  # noqa: E402

SMALL = {"disk_bytes_max": 1 << 20, "ring_bytes": 64 << 10, "flush_ms": 50}


def check(what, got, expected):
    if got != expected:
        raise rig.Failure(f"{what}: {got}, not {expected}")


def fill(where):
    """Takes all the room there is; gives what gives it back."""
    ballast = where / "ballast"
    with open(ballast, "wb", buffering=0) as out:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while out.write(bytes(size)):
                    pass
            except OSError:
                pass
    return ballast.unlink


def store_on(work, where, **options):
    return Device(work.dir / "log", dir=where / "store", **{**SMALL, **options})


def well_again(device):
    device.record(5)
    check("a wait", device.wait(), "ok")
    check("the store's last outcome", device.stats()["store_error"], "ok")


def full_at_open(work):
    where = disk.memory(work, "full", 4)
    release = fill(where)
    with store_on(work, where) as device:
        device.open(expect="disk_full")
        release()
        device.open()
        fill(where)
        well_again(device)  # it had reserved its place
        check("taken", device.track(20000, 200), (20000, "ok"))
        check("a wait", device.wait(), "ok")
        check("closing", device.close(1000), "ok")


def full_while_running(work):
    """With a store that is larger than what the disk had to reserve."""
    where = disk.memory(work, "filling", 8)
    with store_on(work, where, disk_bytes_max=64 << 20) as device:
        device.open()
        well_again(device)
        release = fill(where)
        taken, outcome = device.track(5000, 400, patience_ms=300)
        check("the ring fills", outcome, "ring_full")
        rig.eventually(lambda: device.wait("disk", 100) == "disk_full", "a wait says why")
        check("the store's last outcome", device.stats()["store_error"], "disk_full")
        release()
        rig.eventually(lambda: device.wait("disk", 1000) == "ok", "the store has room again")
        check("all that was taken", device.stats()["assigned"], 5 + taken)
        well_again(device)
        check("closing", device.close(1000), "ok")


def read_only_at_open(work):
    where = work.dir / "plain"
    where.mkdir()
    with store_on(work, where) as device:
        device.open()
        well_again(device)
        device.close()
        disk.sbin("mount", "--bind", "-o", "ro", where, where)
        try:
            device.open(expect="permission")
        finally:
            disk.sbin("umount", where)
        device.open()
        check("assigned", device.stats()["assigned"], 5)


def dies(work, kind, how, outcome, asks=False):
    """The file system ends under the running process, with the background thread asleep or awake. `asks`: a write
    to a clean page of the ring would be a SIGBUS."""
    for idle in (True, False) if asks else (outcome == "io",):
        place = disk.Disk(work, kind, f"{kind}-{outcome}-{idle}")
        with store_on(work, place.dir) as device:
            device.open()
            well_again(device)
            if idle:
                rig.eventually(lambda d=device: d.is_away(), "it sleeps")
            disk.sbin("sync", "-f", place.dir)  # all pages of the ring are clean: the next write to one asks the file system
            how(place)
            if asks and not idle:  # within flush_ms the background thread sees it by itself, if it is still awake
                rig.eventually(lambda d=device: d.stats()["store_error"] == outcome or d.is_away(),
                               f"the store says {outcome}")
            taken, answer = device.track(5000, 400, patience_ms=300)
            print(kind, outcome, "idle" if idle else "busy", taken, answer, flush=True)
            check("track answers", answer, outcome if asks else "ring_full")
            rig.eventually(lambda d=device: d.stats()["store_error"] == outcome, f"the store says {outcome}")
            device.track(10, 400, patience_ms=0)
            if taken:
                rig.eventually(lambda d=device: d.wait("disk", 10) == outcome, "a wait says why")
            stats = device.stats()
            check("numbers", stats["assigned"], 5)
            check("refused", stats["refused_io"] > 0, asks)
            device.close(100)
            place.again()
            device.open()  # a new handle on the disk that is back
            check("what was on disk is there", device.stats()["assigned"] >= 5, True)
            well_again(device)
            device.close(1000)


def remount(place):
    disk.sbin("mount", "-o", "remount,abort", place.dir)


def main():
    disk.namespace_enter()
    with rig.Work() as work:
        full_at_open(work)
        full_while_running(work)
        read_only_at_open(work)
        dies(work, "ext4", remount, "permission")
        dies(work, "ext4", disk.Disk.cut, "io")
        dies(work, "xfs", disk.Disk.cut, "io", asks=True)


rig.run(main)

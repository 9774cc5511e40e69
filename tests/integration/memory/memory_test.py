"""Anonymous memory of a device: what wadi_open takes, what the first events add, and that nothing grows after that,
with a quota that drops all the time and with a collector that takes everything."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "device"), str(HERE.parents[1] / "crash/collector")]

import rig  # noqa: E402
from device import Device  # noqa: E402

OPEN_KIB, GROWTH_KIB = 384, 64
WARM = 300000


def record(device, n, level):
    device.record(n, 40)
    outcome = device.wait(level, 1000 * rig.DEADLINE_S)
    if outcome != "ok":
        raise rig.Failure(f"a wait: {outcome}")


def measure(work, name, level, events, busy_kib, **options):
    # Less than the events need, and twice what their tombstones do.
    options.update(dir=work.dir / name, disk_bytes_max=max(16 << 20, 28 * (WARM + events)))
    with Device(work.dir / "log", **options) as device:
        device.open()  # makes the store, which is done once
        device.close()
    with Device(work.dir / "log", **options) as device:
        before = device.memory()
        device.open()
        opened = device.memory() - before
        for _ in range(2):
            record(device, WARM // 2, level)
        warm = device.memory() - before
        sizes = []
        for _ in range(10):
            record(device, events // 10, level)
            sizes.append(device.memory() - before)
        stats = device.stats()
        device.close(5000)
    print(f"{name}: {opened} KiB when open, {warm} after {WARM} events, then {sizes}; {stats['uploads']} uploads", flush=True)
    for what, got, most in (("open", opened, OPEN_KIB), ("busy", max(warm, *sizes), busy_kib),
                            ("growth", max(sizes) - warm, GROWTH_KIB)):
        if got > most:
            raise rig.Failure(f"{name}: {what}: {got} KiB of anonymous memory, not at most {most}")
    if stats["accepted"] < WARM + events // 10 * 10:
        raise rig.Failure(f"{name}: not all were recorded: {stats}")


def main():
    args = rig.arguments(events=300000, uploaded=200000)
    with rig.Work() as work:
        measure(work, "offline", "disk", args.events, 640)
        collector, _ = work.parts(args.seed, max_bytes="1GiB")
        collector.start()
        endpoint = f"https://localhost:{collector.port_file.read_text()}"
        measure(work, "uploading", "acked", args.uploaded, 1024, endpoint=endpoint,
                ca_file=collector.work / "server.pem")
        collector.stop()


rig.run(main)

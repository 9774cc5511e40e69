"""Power cuts under load: journal and files on a file system that loses what was not synced. Devices forget
what was acknowledged, so only the collector's syncs can bring it into the files.

With --broken journal or events, syncs of that part do nothing, and the test passes only if a loss is found."""

import os
import random

import disk
import rig

def cut_once(collector, device_disk, chance, load_s):
    """The power goes first: the collector may live on for a moment, and must not answer with an ack."""
    rig.time.sleep(load_s)
    device_disk.cut()
    rig.time.sleep(chance.choice((0, 0, 0.02)))
    collector.kill()
    device_disk.again()
    collector.start()


def cuts(args, work):
    device_disk = disk.Disk(work, args.fs)
    collector, devices = work.parts(args.seed, device_disk.dir)
    if args.broken:
        collector.env = {"LD_PRELOAD": os.environ["WADI_NO_SYNC_LIBRARY"], "WADI_NO_SYNC": f"/{args.broken}"}
    collector.start()
    devices.start()
    chance = random.Random(args.seed)
    for _ in range(args.cuts):
        cut_once(collector, device_disk, chance, args.load_s or chance.uniform(0, 0.5))
    devices.finish()
    counts = rig.settle(collector, devices, deadline_s=10 if args.broken else rig.DEADLINE_S)
    print("cuts", args.cuts, args.fs, counts, devices.total)


def loss_expected(args, work):
    try:
        cuts(args, work)
    except rig.Failure as failure:
        print("found, as it should be:", failure)
        return
    raise rig.Failure("syncs that do nothing were not noticed")


def main():
    disk.namespace_enter()
    args = rig.arguments(cuts=8, fs="xfs", load_s=0.0, broken="")
    with rig.Work() as work:
        (loss_expected if args.broken else cuts)(args, work)


rig.run(main)

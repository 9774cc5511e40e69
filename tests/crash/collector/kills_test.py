"""kill -9 at random moments under load. What was acknowledged stands in the files, once and in order."""

import random

import rig

LOAD_S = 0.35  # at most so long after a start


def kill_once(collector, devices, chance, number):
    """Some die before they have answered anything: while they recover."""
    rig.time.sleep(chance.uniform(0, LOAD_S))
    if not collector.is_alive():
        raise rig.Failure(f"died by itself before kill {number}\n{collector.log_end()}")
    collector.kill()
    if devices.process.poll() is not None:
        devices.end()
        raise rig.Failure("the devices ended by themselves")
    collector.start()


def main():
    args = rig.arguments(kills=12)
    chance = random.Random(args.seed)
    with rig.Work() as work:
        collector, devices = work.parts(args.seed)
        collector.start()
        devices.start()
        for number in range(args.kills):
            kill_once(collector, devices, chance, number)
        devices.finish()
        counts = rig.settle(collector, devices)
    if counts["acked"] == 0 or devices.total["reconnects"] == 0:
        raise rig.Failure("the load came to nothing")
    print("kills", args.kills, counts, devices.total)


rig.run(main)

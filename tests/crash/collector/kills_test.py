"""kill -9 at random moments under load, while it starts too, with other settings each time, and clean stops in
between; many events are late and held. What was acknowledged stands in the files of both sinks, once and in order."""

import random

import rig

LOAD_S = 0.35  # at most so long after it listens …
START_S = 0.06  # … or so long after it was started
CHOICES = {"window": ("1s", "2s", "1500ms"), "roll_bytes": ("4KiB", "128KiB", "8MiB"), "threads": (1, 2, 3),
           "max_pending": ("1MiB", "64MiB"), "late_roll_interval": ("0", "3s", "5s")}


def kill_once(collector, devices, chance, number):
    rig.time.sleep(chance.uniform(0, LOAD_S))
    if not collector.is_alive():
        raise rig.Failure(f"died by itself before kill {number}\n{collector.log_end()}")
    if devices.process.poll() is not None:
        devices.end()
        raise rig.Failure("the devices ended by themselves")
    if chance.random() < 0.1:
        collector.stop()
    else:
        collector.kill()
    if chance.random() < 0.2:
        collector.begin()
        rig.time.sleep(chance.uniform(0, START_S))
        collector.kill()
    collector.configure(**{name: chance.choice(values) for name, values in CHOICES.items()})
    collector.start()


def held(collector):
    return sum("late" in commit["to"] for commit in rig.Commits(collector.events).read())


def main():
    args = rig.arguments(kills=12, streams=64, connections=8, batch_max=40, pace_ms=20, displaced_ms=3000)
    chance = random.Random(args.seed)
    with rig.Work() as work:
        collector, devices = work.parts(args.seed, packed=True)
        collector.configure(late_roll_interval="5s")
        collector.start()
        devices.start(args.streams, args.connections, batch_max=args.batch_max, pace_ms=args.pace_ms,
                      displaced_ms=args.displaced_ms)
        rig.eventually(lambda: held(collector), "a commit that holds late events")
        for number in range(args.kills):
            kill_once(collector, devices, chance, number)
        devices.finish()
        counts = rig.settle(collector, devices)
        print("kills", args.kills, counts, devices.total, "commits that held late events", held(collector))
    if counts["acked"] == 0 or devices.total["reconnects"] == 0:
        raise rig.Failure("the load came to nothing")


rig.run(main)

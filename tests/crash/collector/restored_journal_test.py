"""A journal restored from a backup, while the files are newer. What the lost part had brought into the files
stays there, devices never send it again, and what others bring is new: every event stands in the files once."""

import shutil

import rig


def load(collector, devices, events):
    """So many events more, all of them in the files; the collector is stopped then."""
    goal = devices.acked() + events
    collector.start()
    devices.start(pace_ms=5)
    rig.eventually(lambda: devices.acked() >= goal, "the load")
    devices.finish()
    return rig.settle(collector, devices)


def main():
    args = rig.arguments(rounds=2)
    with rig.Work() as work:
        collector, devices = work.parts(args.seed)
        backup = work.dir / "backup"
        for _ in range(args.rounds):
            load(collector, devices, 2000)
            shutil.rmtree(backup, ignore_errors=True)
            shutil.copytree(collector.journal, backup)
            load(collector, devices, 2000)
            shutil.rmtree(collector.journal)
            shutil.copytree(backup, collector.journal)
            print(load(collector, devices, 2000), devices.total)
        restored = sum(commit["gap"] == "restored" for commit in rig.Commits(collector.events).read())
        if restored != args.rounds:
            raise rig.Failure(f"{args.rounds} restored copies, {restored} recognised")


rig.run(main)

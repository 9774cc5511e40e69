"""That the audit would notice: files are damaged on purpose, one way at a time."""

import json
import shutil

import rig


def objects(events):
    return sorted(events.glob("dt=*/hr=*/*.jsonl"))


def lines_change(change):
    """Changes the lines of the largest file."""
    def damage(events):
        path = max(objects(events), key=lambda p: p.stat().st_size)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(change(lines)))
    return damage


def order_of_two_epochs(events):
    """The contents of the first and the last file change places, and so do their commits' words on them."""
    files = objects(events)
    first, last = files[0].read_bytes(), files[-1].read_bytes()
    files[0].write_bytes(last)
    files[-1].write_bytes(first)


def foreign_file(events):
    path = objects(events)[0]
    shutil.copy(path, path.with_name(path.name.replace("-0.jsonl", "-7.jsonl")))


def commit_change(name, value):
    def damage(events):
        path = sorted(rig.manifests_of(events).glob("*.commit"))[0]
        commit = json.loads(path.read_text())
        commit["objects"][0][name] = value
        path.write_text(json.dumps(commit))
    return damage


DAMAGES = {
    "lost": lines_change(lambda lines: lines[:-1]),
    "duplicated": lines_change(lambda lines: lines + lines[-1:]),
    "misordered in a file": lines_change(lambda lines: lines[::-1]),
    "misordered over files": order_of_two_epochs,
    "a file without a commit": foreign_file,
    "a wrong checksum": commit_change("crc32c", 1),
    "a wrong size": commit_change("bytes", 1),
    "a commit too few": lambda events: sorted(rig.manifests_of(events).glob("*.commit"))[0].unlink(),
    "an intent left": lambda events: (rig.manifests_of(events) / "000000000001.intent").touch(),
    "a file left aside": lambda events: (rig.manifests_of(events) / "aside/0").touch(),
}


def is_noticed(collector, devices):
    try:
        rig.audit(collector, devices)
    except rig.Failure as failure:
        return failure
    return None


def main():
    args = rig.arguments()
    with rig.Work() as work:
        collector, devices = work.parts(args.seed)
        collector.start()
        devices.start(pace_ms=5)
        rig.eventually(lambda: rig.Commits(collector.events).events() > 2000, "some epochs")
        devices.finish()
        rig.settle(collector, devices)
        good = work.dir / "good"
        collector.events.rename(good)
        for name, damage in DAMAGES.items():
            shutil.copytree(good, collector.events)
            damage(collector.events)
            failure = is_noticed(collector, devices)
            if not failure:
                raise rig.Failure(f"not noticed: {name}")
            print(f"{name}: {failure}")
            shutil.rmtree(collector.events)


rig.run(main)

"""A sync that fails: nothing of that group is acknowledged, the journal is opened again and verified, and the
sink repeats its epoch. strace makes the system call fail without doing it."""

import random
import subprocess

import rig

FAULTS = (("journal", "fdatasync", "EIO"), ("journal", "pwrite64", "EIO"),
          ("journal", "writev", "EIO"), ("journal", "writev", "ENOSPC"),
          ("sink", "fsync", "EIO"), ("sink", "fdatasync", "EIO"), ("sink", "write", "ENOSPC"),
          ("sink", "renameat", "EIO"))
COUNTERS = {"journal": "journal_failures_total", "sink": "sink_errors_total"}


def fail_once(collector, thread, call, error, n):
    """The n-th call from now on fails; then both go on."""
    before = collector.metric(COUNTERS[thread])
    strace = subprocess.Popen(
        ["strace", "-p", str(collector.thread(thread)), "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:error={error}:when={n}"], stderr=subprocess.PIPE, text=True)
    try:
        if "attached" not in strace.stderr.readline():
            rig.skip("strace cannot attach")
        rig.eventually(lambda: collector.metric(COUNTERS[thread]) > before, f"{thread}: {call} fails and is counted")
    finally:
        strace.terminate()
        strace.wait()
    rig.eventually(collector.is_ready, f"ready again after {call} of {thread}")


def goes_on(collector, devices):
    acked, commits = devices.acked(), rig.Commits(collector.events)
    events = commits.events()
    rig.eventually(lambda: devices.acked() > acked and commits.events() > events, "events are taken and written")


def main():
    args = rig.arguments(rounds=1)
    rig.needs_root("strace")
    chance = random.Random(args.seed)
    with rig.Work() as work:
        collector, devices = work.parts(args.seed)
        collector.start()
        devices.start()
        for thread, call, error in FAULTS * args.rounds:
            n = chance.randint(1, 5)
            print(thread, call, error, "at", n, flush=True)
            fail_once(collector, thread, call, error, n)
            goes_on(collector, devices)
        devices.finish()
        print(rig.settle(collector, devices), devices.total)


rig.run(main)

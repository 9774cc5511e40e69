"""kill -9 before every system call of one journal commit, or of one epoch. After each: a new start, the rest of
the events, and the audit.

strace counts the calls of the one thread that does the work, each kind for itself, and kills the process before
call n of a kind; n rises until the operation ends without being killed."""

import random
import subprocess

import rig

# Whatever changes a file or tells another thread of it.
CALLS = {
    "journal": ("lseek", "pwrite64", "pwritev", "write", "writev", "fdatasync", "fsync", "msync", "ftruncate"),
    "sink": ("openat", "mkdirat", "write", "pwrite64", "ftruncate", "fdatasync", "fsync", "renameat", "renameat2",
             "unlinkat"),
}
OFTEN = 60  # more calls of a kind than one operation makes


class Trap:
    """Kills the collector before the n-th call of a kind by one of its threads."""

    def __init__(self, collector, thread, call, n):
        command = ["strace", "-p", str(collector.thread(thread)), "-o", "/dev/null", "-e", f"trace={call}",
                   "-e", f"inject={call}:signal=SIGKILL:when={n}"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        if "attached" not in line:
            rig.skip(f"strace cannot attach: {line.strip()}")

    def close(self):
        self.process.terminate()
        self.process.wait()


def is_done(thread, collector, devices):
    """The journal's part is done with the answer, the sink's with its commit."""
    if devices.process.poll() is None:
        return False
    return thread == "journal" or rig.Commits(collector.events).events() >= devices.acked()


def step(collector, devices, thread, call, n):
    """True: the collector died on the way."""
    collector.start()
    trap = Trap(collector, thread, call, n)
    devices.start(streams=4, connections=1, batches=1, pace_ms=0)
    rig.eventually(lambda: not collector.is_alive() or is_done(thread, collector, devices), "the operation ends")
    trap.close()
    died = collector.page("/healthz")[0] != 200  # after the operation's end it may still be killed
    if died:
        collector.kill()
        collector.start()
    devices.end()
    rig.settle(collector, devices)
    return died


def steps(collector, devices, args, call):
    """How often the collector died before a call of this kind."""
    n, deaths = random.Random(f"{args.seed}{call}").randint(1, args.every), 0
    while step(collector, devices, args.thread, call, n):
        deaths += 1
        n += args.every
        if n > OFTEN:
            raise rig.Failure(f"{call}: the operation does not end")
    return deaths


def main():
    args = rig.arguments(thread="journal", every=1)
    rig.needs_root("strace")
    with rig.Work() as work:
        collector, devices = work.parts(args.seed)
        deaths = {call: steps(collector, devices, args, call) for call in CALLS[args.thread]}
        print("thread", args.thread, "deaths", sum(deaths.values()), deaths, devices.total)
    if sum(deaths.values()) * args.every < len(CALLS[args.thread]):
        raise rig.Failure("hardly a call was seen")


rig.run(main)

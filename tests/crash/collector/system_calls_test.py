"""kill -9 before every system call of one journal commit, of one epoch, or of the recovery of an epoch whose intent
stands. After each: a new start, the rest of the events, and the audit. With --fs, what was not synced by then is lost.

strace counts the calls of each thread, each kind for itself, and kills the process before call n of a kind; n rises
from 1 until the operation ends without being killed."""

import random
import subprocess

import disk
import rig

# Whatever changes a file or tells another thread of it.
CALLS = {
    "journal": ("lseek", "pwrite64", "pwritev", "write", "writev", "fdatasync", "fsync", "msync", "ftruncate"),
    "sink": ("openat", "mkdirat", "write", "pwrite64", "ftruncate", "fdatasync", "fsync", "renameat", "renameat2",
             "unlinkat"),
    "recovery": ("mkdirat", "write", "writev", "pwrite64", "ftruncate", "fdatasync", "fsync", "renameat", "unlinkat"),
}
OFTEN = 60  # more calls of a kind than one operation makes


def killing(call, n):
    """strace's arguments that kill before the n-th call of a kind."""
    return ["-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={n}"]


class Trap:
    """Waits for the n-th call of a kind by one of the collector's threads."""

    def __init__(self, collector, thread, call, n):
        command = ["strace", "-p", str(collector.thread(thread)), *killing(call, n)]
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


def is_over(thread, collector, devices):
    return not collector.is_alive() or is_done(thread, collector, devices)


def operation_break(collector, devices, thread, call, n):
    """A batch is sent. True: the collector died on its way."""
    collector.start()
    trap = Trap(collector, thread, call, n)
    devices.start(streams=4, connections=1, batches=1, pace_ms=0)
    rig.eventually(lambda: is_over(thread, collector, devices), "the operation ends")
    trap.close()
    return collector.page("/healthz")[0] != 200  # after the operation's end it may still be killed


def after_death(collector, power):
    collector.kill()
    if power:
        power.cut()
        power.again()


def recovery_break(collector, devices, power, call, n):
    """The collector is killed when the intent stands and no file of the epoch. True: again in recovery."""
    if not operation_break(collector, devices, "sink", "renameat", 2):
        raise rig.Failure("not killed between intent and files")
    after_death(collector, power)
    collector.begin(under=["strace", "-D", "-f", *killing(call, n)])
    try:
        collector.listen()
    except rig.Failure:
        if collector.is_alive():
            raise
        return True
    rig.eventually(lambda: is_over("recovery", collector, devices), "the recovery ends")
    died = collector.page("/healthz")[0] != 200
    collector.kill()
    return died


def step(collector, devices, power, thread, call, n):
    if thread == "recovery":
        died = recovery_break(collector, devices, power, call, n)
    else:
        died = operation_break(collector, devices, thread, call, n)
    if died:
        after_death(collector, power)
    if not collector.is_alive():
        collector.start()
    devices.end()
    rig.settle(collector, devices)
    return died


def steps(parts, args, call):
    """How often the collector died before a call of this kind."""
    n, deaths = random.Random(f"{args.seed}{call}").randint(1, args.every), 0
    while step(*parts, args.thread, call, n):
        deaths += 1
        n += args.every
        if n > OFTEN:
            raise rig.Failure(f"{call}: the operation does not end")
    return deaths


def main():
    disk.namespace_enter("strace")
    args = rig.arguments(thread="journal", every=1, fs="")
    with rig.Work() as work:
        power = disk.Disk(work, args.fs) if args.fs else None
        parts = (*work.parts(args.seed, power and power.dir), power)
        deaths = {call: steps(parts, args, call) for call in CALLS[args.thread]}
        print("thread", args.thread, "deaths", sum(deaths.values()), deaths, parts[1].total)
    if sum(deaths.values()) * args.every < len(CALLS[args.thread]):
        raise rig.Failure("hardly a call was seen")


rig.run(main)

"""A full disk, of the files or of the journal: devices are told to come back later, /readyz and the metrics say
so, nothing acknowledged is lost, and with room again everything catches up."""

import os

import disk
import rig

PACE = {"pace_ms": 0, "batch_max": 4}


class Ballast:
    """Takes all the room there is in a directory."""

    def __init__(self, where):
        self.path = where / "ballast"
        with open(self.path, "wb", buffering=0) as out:
            try:
                while out.write(bytes(1 << 16)):
                    pass
            except OSError:
                pass

    def release(self):
        os.unlink(self.path)


def is_refusing(collector):
    return collector.metric("backpressure_responses_total") > 0


def is_unready(collector, *words):
    status, text = collector.page("/readyz")
    return status == 503 and all(word in text for word in words)


def catch_up(collector, devices):
    rig.eventually(collector.is_ready, "ready again")
    devices.finish()
    counts = rig.settle(collector, devices)
    if devices.total["retries"] == 0 or devices.total["retries_unhinted"] > 0:
        raise rig.Failure(f"devices were not told to come back later, and when: {devices.total}")
    print(counts, devices.total)


def files_full(seed):
    """The journal holds what the sink cannot write, until it is full itself."""
    with rig.Work() as work:
        where = disk.memory(work, "room", 256)
        collector, devices = work.parts(seed, events=where / "events", max_bytes="16MiB")
        collector.start()
        devices.start(**PACE)
        rig.eventually(lambda: rig.Commits(collector.events).events() > 0, "the first epoch")
        ballast = Ballast(where)
        rig.eventually(lambda: is_unready(collector, "sink files", "No space left on device"), "/readyz says which disk is full")
        rig.eventually(lambda: collector.metric("sink_errors_total", "no_space") > 0, "the error is counted")
        acked = devices.acked()
        rig.eventually(lambda: devices.acked() > acked, "the journal still takes events")
        rig.eventually(lambda: is_refusing(collector), "503 when the journal is full")
        ballast.release()
        catch_up(collector, devices)


def journal_full(seed):
    with rig.Work() as work:
        where = disk.memory(work, "room", 256)
        collector, devices = work.parts(seed, journal=where / "journal")
        collector.start()
        devices.start(**PACE)
        rig.eventually(lambda: devices.acked() > 0, "the first ack")
        ballast = Ballast(where)
        rig.eventually(lambda: is_refusing(collector), "503 when the journal's disk is full")
        rig.eventually(lambda: is_unready(collector, "journal", "full"), "/readyz says that the journal is full")
        ballast.release()
        catch_up(collector, devices)


def main():
    disk.namespace_enter()
    args = rig.arguments()
    files_full(args.seed)
    journal_full(args.seed)


rig.run(main)

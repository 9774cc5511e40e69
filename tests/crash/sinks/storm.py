"""A storm: devices send, while the collector is killed and the servers that it writes to come and go. What the
outputs hold in the end is audited by readers that are not ours."""

import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "collector"), str(HERE.parents[1] / "integration"),
                str(HERE.parents[1] / "integration/kafka"), str(HERE.parents[1] / "integration/s3")]
import rig

START_S = 0.1  # a collector that is killed while it starts lives at most so long
TAIL = 0.2  # so many of the troubles come when the devices are done and the sinks are not
CATCH_UP_S = 120
EVENTS_PER_SECOND = 4000  # about: with more, all is over before the servers are back


class Collector(rig.Collector):
    """The rig's, with its file sink, and a sink for each output."""

    def __init__(self, work, **settings):
        self.outputs = []
        super().__init__(work, work, **settings)

    def configure(self, **settings):
        super().configure(**settings)
        with open(self.config, "a", encoding="utf-8") as file:
            file.writelines(output.yaml() for output in self.outputs)

    def output_add(self, output):
        self.outputs.append(output)
        self.configure()

    def crash(self, chance):
        """kill -9, sometimes twice, or now and then a clean stop; and up again."""
        is_alive(self)
        if chance.random() < 0.1:
            self.stop()
        else:
            self.kill()
        if chance.random() < 0.2:
            self.begin()
            time.sleep(chance.uniform(0, START_S))
            self.kill()
        self.start()


def parts(work, seed, **settings):
    collector = Collector(work.dir, **settings)
    devices = rig.Devices(collector, seed)
    work.at_end(collector.kill)
    work.at_end(devices.kill)
    return collector, devices


def troubles_place(chance, events, troubles):
    """[(after so many events, what)], ascending; None in place of a number: in the tail. `troubles` are lists of
    functions, the functions of one list in this order."""
    placed = []
    for steps in troubles:
        if len(steps) == 1 and chance.random() < TAIL:
            placed.append((None, steps[0]))
            continue
        moments = sorted(chance.randrange(events) for _ in steps)
        placed += list(zip(moments, steps))
    during = sorted((p for p in placed if p[0] is not None), key=lambda p: p[0])
    return during, [what for moment, what in placed if moment is None]


def run(collector, devices, chance, events, troubles):
    """Sends at least so many events, with the troubles in between, and waits until every output has them."""
    during, tail = troubles_place(chance, events, troubles)
    devices.start(pace_ms=8 * 20 * 1000 // EVENTS_PER_SECOND)
    for moment, what in during:
        acked_wait(collector, devices, moment)
        what()
    acked_wait(collector, devices, events)
    devices.finish()
    if devices.total["batches"] == 0:
        raise rig.Failure("the load came to nothing")
    for what in tail:
        time.sleep(chance.uniform(0, START_S))
        what()


def settle(collector, devices, outputs):
    """Waits until every output has every event, stops the collector, and audits them."""
    acked = devices.acked()
    for output in outputs:
        rig.eventually(lambda: has_all(collector, output, acked), f"{output.name} has all {acked} events", CATCH_UP_S)
    collector.stop()
    for output in outputs:
        print(output.name, output.check(devices.notes), flush=True)
    return acked


def is_alive(collector):
    if not collector.is_alive():
        raise rig.Failure(f"the collector died by itself: {collector.process.returncode}\n{collector.log_end()}")
    return True


def acked_wait(collector, devices, events):
    rig.eventually(lambda: is_alive(collector) and devices.acked() >= events, f"{events} events acknowledged", CATCH_UP_S)


def has_all(collector, output, acked):
    return is_alive(collector) and output.committed() >= acked

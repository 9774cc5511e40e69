"""A sink whose server is down for the whole run holds back no other. Once the server is there, the sink catches
up to exactly what the sink wrote that was never held back: the same lines, in the same order but for late ones."""

import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import storm
import real
import rig

real.needs("kafka", "s3", "readers")

from outputs import FileOutput, KafkaOutput, S3Output  # noqa: E402


def not_ready_names(collector, *sinks):
    """/readyz says which sinks are in trouble."""
    def told():
        status, text = collector.page("/readyz")
        return status == 503 and all(sink in text for sink in sinks)
    rig.eventually(told, f"/readyz names {sinks}: {collector.page('/readyz')}")


def same_lines(first, other):
    """Epochs are cut differently, and each sorts its late events by time."""
    expected, found = first.lines(), other.lines()
    for late in (False, True):
        a, b = (sorted(lines[late]) if late else lines[late] for lines in (expected, found))
        if a != b:
            raise rig.Failure(f"{other.name} differs from {first.name} (late: {late}): {len(set(a) - set(b))} lines are "
                              f"missing, {len(set(b) - set(a))} are its own, of {len(a)} and {len(b)}")


def main():
    args = rig.arguments(events=20000, kills=1)
    chance = random.Random(args.seed)
    with rig.Work() as work:
        kafka, s3 = real.Kafka(work.dir / "kafka"), real.S3(work.dir / "s3")
        work.at_end(kafka.kill)
        work.at_end(s3.kill)
        collector, devices = storm.parts(work, args.seed)
        files = FileOutput(collector)
        others = [S3Output(s3, "lake", work.dir), KafkaOutput(kafka)]
        for output in others:
            collector.output_add(output)
        collector.start()
        troubles = [[lambda: collector.crash(chance)] for _ in range(args.kills)]
        storm.run(collector, devices, chance, args.events, troubles)
        rig.eventually(lambda: storm.has_all(collector, files, devices.acked()), "the sink that is well has all events")
        not_ready_names(collector, *(output.name for output in others))
        s3.start()
        kafka.start()
        acked = storm.settle(collector, devices, [files, *others])
        for output in others:
            same_lines(files, output)
    print(f"{acked} events, {devices.total}")


rig.run(main)

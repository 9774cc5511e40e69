"""Events on their way into objects, while the collector is killed, and the server is killed, answers 500 and 503,
and cuts connections half-way: pyarrow and duckdb find every event once, in order; the listing holds no object
that no commit names, and no unfinished multipart upload."""

import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import storm
import real
import rig

real.needs("s3", "readers")

from fault_proxy import FaultProxy  # noqa: E402
from outputs import PART_BYTES, FileOutput, S3Output  # noqa: E402


def main():
    args = rig.arguments(events=50000, kills=4, restarts=2, faults=4)
    chance = random.Random(args.seed)
    with rig.Work() as work:
        s3 = real.S3(work.dir / "s3")
        work.at_end(s3.kill)
        s3.start()
        proxy = FaultProxy(s3.port, seed=args.seed)
        work.at_end(proxy.close)
        collector, devices = storm.parts(work, args.seed)
        outputs = [FileOutput(collector)]
        for name, settings in SINKS.items():
            outputs.append(S3Output(s3, name, work.dir, endpoint=proxy.endpoint, **settings))
            collector.output_add(outputs[-1])
        collector.start()
        troubles = [[lambda: collector.crash(chance)] for _ in range(args.kills)]
        troubles += [[s3.kill, s3.begin] for _ in range(args.restarts)]
        troubles += [[lambda: proxy.fault(chance)] for _ in range(args.faults)]  # others from then on
        proxy.fault(chance)
        storm.run(collector, devices, chance, args.events, troubles)
        s3.start()
        acked = storm.settle(collector, devices, outputs)
        if max(outputs[-1].client.list("dt=").values()) <= PART_BYTES:
            raise rig.Failure("no object was large enough for a multipart upload")
    print(f"{acked} events, {args.kills} kills, {args.restarts} restarts, faults: {dict(proxy.counts)}")


# The last one's objects are large enough for multipart uploads.
SINKS = {"lines": {}, "columns": {"format": "parquet"},
         "large": {"compression": "none", "roll_interval": "4s", "roll_bytes": "16MiB"}}

rig.run(main)

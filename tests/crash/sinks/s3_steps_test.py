"""The collector is killed, or its connection cut, at each step of an epoch: before the server has the request,
and after it, when nobody has heard the answer. pyarrow and duckdb find every event once, and nothing else lies
in the bucket."""

import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import storm
import real
import rig

real.needs("s3", "readers")

import fault_proxy  # noqa: E402
import steps  # noqa: E402
from outputs import FileOutput, S3Output  # noqa: E402


class Handler(fault_proxy.Handler):
    def forward(self, request):
        strike = self.server.proxy.armed.take(request.head)
        if strike and not strike.after:
            strike.do()
            raise fault_proxy.Cut
        answer = super().forward(request)
        if strike:
            strike.do()
            raise fault_proxy.Cut
        return answer


class StepProxy(fault_proxy.FaultProxy):
    """`armed` is asked with the head of each request."""

    def __init__(self, server_port, seed):
        self.armed = steps.Armed()
        super().__init__(server_port, seed)
        self._listener.RequestHandlerClass = Handler


def request(method, part, skip_most=2, at_start=False):
    def matches(head):
        line = head.split(b"\r\n", 1)[0]
        return line.startswith(method) and part in line
    return matches, skip_most, at_start


REQUESTS = {"look for a commit": request(b"HEAD", b".commit", 1, True),
            "get a commit": request(b"GET", b".commit", 0, True),
            "list uploads": request(b"GET", b"uploads", 0, True),
            "put an intent": request(b"PUT", b".intent"), "put an object": request(b"PUT", b"/dt%3D"),
            "put a commit": request(b"PUT", b".commit"), "remove an intent": request(b"DELETE", b".intent")}
PARTS = {"begin an upload": request(b"POST", b"uploads"), "put a part": request(b"PUT", b"partNumber"),
         "complete an upload": request(b"POST", b"uploadId")}


def main():
    args = rig.arguments(rounds=1, parts=0)
    chance = random.Random(args.seed)
    with rig.Work() as work:
        s3 = real.S3(work.dir / "s3")
        work.at_end(s3.kill)
        s3.start()
        proxy = StepProxy(s3.port, args.seed)
        work.at_end(proxy.close)
        collector, devices = storm.parts(work, args.seed)
        large = {"compression": "none", "roll_interval": "2s", "roll_bytes": "16MiB"}
        output = S3Output(s3, "lake", work.dir, endpoint=proxy.endpoint, **(large if args.parts else {}))
        collector.output_add(output)
        collector.start()
        devices.start(pace_ms=8 if args.parts else 60)
        rig.eventually(lambda: output.committed() > 0, "events in S3")
        strikes = steps.run(collector, proxy.armed, chance, PARTS if args.parts else REQUESTS, args.rounds)
        devices.finish()
        acked = storm.settle(collector, devices, [FileOutput(collector), output])
    print(f"{acked} events, {strikes} strikes, {devices.total}")


rig.run(main)

"""Real servers for tests and examples, on loopback and without containers: Apache Kafka and an S3 server.

    with servers.Kafka("/some/dir") as kafka: … kafka.bootstrap …; kafka.kill(); kafka.start()
    python3 servers.py kafka|s3 DIR [--brokers N] [--port N]      until it is ended; prints how to reach it

Each keeps its data in its directory, its ports for all its life, and its log beside its data. What they run
comes from the cache that kafka.sh and s3.sh fill. Only Python's own library is used here."""

import argparse
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
READY_S = 60
STOP_S = 30


class Unavailable(Exception):
    """What a server needs is neither in the cache nor within reach."""


def fetched(name):
    """What kafka.sh, s3.sh or readers.sh prints: the place of it in the cache."""
    done = subprocess.run([HERE / f"{name}.sh"], capture_output=True, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise Unavailable(lines[-1].removeprefix("error: "))
    return done.stdout.strip()


def port_free():
    """A port of 127.0.0.1 that nobody has, outside of the range that the kernel gives to clients: it must
    still be free when a killed server starts again."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Process:
    """A server's process: it ends with whoever started it, at the latest."""

    def __init__(self, command, log):
        self.command, self.log, self.process = command, log, None

    def begin(self, **env):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self.command], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={**os.environ, **env})

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def wait_for(self, condition, what):
        until = time.monotonic() + READY_S
        while not condition():
            if not self.is_alive() or time.monotonic() > until:
                raise RuntimeError(f"{what}: {self.log_end()}")
            time.sleep(0.02)

    def log_end(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self):
        """In good order."""
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


# ---- Kafka ---------------------------------------------------------------------------------------

JAVA = ["java", "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
LOGGING = """\
<Configuration status="error"><Appenders><Console name="out"><PatternLayout pattern="%d %p %m (%c{1})%n"/>
</Console></Appenders><Loggers><Root level="info"><AppenderRef ref="out"/></Root></Loggers></Configuration>
"""
CLUSTER = "d2FkaS10ZXN0cy1rYWZrYQ"


def kafka_settings(node, nodes):
    """What a broker of a small cluster for tests runs with. `nodes`: {id: (port, controller port)}."""
    copies = min(3, len(nodes))
    in_sync = max(1, copies - 1)
    return {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, (_, port) in nodes.items()),
        "listeners": "PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}".format(*nodes[node]),
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{nodes[node][0]}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": 4,
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
        "group.initial.rebalance.delay.ms": 0,
        # A killed broker is missed, and may come back, soon.
        "broker.heartbeat.interval.ms": 500,
        "broker.session.timeout.ms": 2000,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 4 << 20,
        "log.segment.bytes": 64 << 20,
        "log.retention.ms": -1,  # events may be older than any retention
    }


def kafka_brokers(port):
    """How many brokers the one at this port knows to be alive: a Metadata request of no topic."""
    request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
            s.sendall(struct.pack(">i", len(request)) + request)
            answer = s.recv(12, socket.MSG_WAITALL)
    except OSError:
        return 0
    return struct.unpack(">i", answer[8:])[0] if len(answer) == 12 else 0


class Kafka:
    """A cluster of 1 or more brokers, each a controller too. `settings`: of server.properties, for all of them;
    `port`: of the first, where it must be a certain one."""

    def __init__(self, directory, brokers=1, settings=None, port=None):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.jars = fetched("kafka")
        self.settings = dict(settings or {})
        self.nodes = {n: (port_free(), port_free()) for n in range(1, brokers + 1)}
        if port:
            self.nodes[1] = port, self.nodes[1][1]
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port, _ in self.nodes.values())
        (self.dir / "log4j2.xml").write_text(LOGGING)
        self.processes = {n: self._process(n) for n in self.nodes}
        self._format()

    def _process(self, node):
        own = self.dir / f"broker-{node}"
        values = {**kafka_settings(node, self.nodes), "log.dirs": own, **self.settings}
        properties = self.dir / f"broker-{node}.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        return Process([*self._java("kafka.Kafka"), properties], self.dir / f"broker-{node}.log")

    def _java(self, main):
        return [*JAVA, f"-Dlog4j2.configurationFile={self.dir}/log4j2.xml", "-cp", f"{self.jars}/*", main]

    def _format(self):
        tool = self._java("kafka.tools.StorageTool")
        running = [subprocess.Popen([*tool, "format", "-t", CLUSTER, "-c", self.dir / f"broker-{node}.properties"],
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                   for node in self.nodes if not (self.dir / f"broker-{node}").exists()]
        for process in running:
            out, _ = process.communicate()
            if process.returncode != 0:
                raise RuntimeError(f"cannot format Kafka's storage: {out}")

    def begin(self, *nodes):
        """Starts those that do not run, of `nodes` or all."""
        for node in nodes or self.nodes:
            if not self.processes[node].is_alive():
                self.processes[node].begin()

    def start(self, *nodes):
        """Does so, and waits until the cluster has them."""
        self.begin(*nodes)
        for node in nodes or self.nodes:
            self.processes[node].wait_for(lambda: self._knows(node), f"Kafka's broker {node} did not start")
        return self

    def _knows(self, node):
        alive = sum(process.is_alive() for process in self.processes.values())
        return kafka_brokers(self.nodes[node][0]) >= alive

    def kill(self, *nodes):
        for node in nodes or self.nodes:
            self.processes[node].kill()

    def stop(self, *nodes):
        """In good order; the last of a cluster cannot leave it so, and all together are killed."""
        if len(nodes or self.nodes) > 1:
            self.kill(*nodes)
        for node in nodes or self.nodes:
            self.processes[node].stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()


# ---- S3 ------------------------------------------------------------------------------------------


class S3:
    """versitygw over a directory. The bucket is there from the start."""

    region, bucket, access_key, secret_key = "us-east-1", "lake", "wadi-tests", "wadi-tests-secret"

    def __init__(self, directory, bucket=bucket, port=None):
        self.dir, self.bucket = pathlib.Path(directory), bucket
        (self.dir / "data" / bucket).mkdir(parents=True, exist_ok=True)
        self.port = port or port_free()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        command = [fetched("s3"), "--port", f"127.0.0.1:{self.port}", "--region", self.region, "--quiet",
                   "--keep-alive", "posix", *self._metadata(), self.dir / "data"]
        self.process = Process(command, self.dir / "s3.log")

    def _metadata(self):
        """Beside the data where the file system has no extended attributes."""
        try:
            os.setxattr(self.dir / "data", "user.wadi", b"1")
            return []
        except OSError:
            (self.dir / "metadata").mkdir(exist_ok=True)
            return ["--sidecar", self.dir / "metadata"]

    def begin(self):
        if not self.process.is_alive():
            self.process.begin(ROOT_ACCESS_KEY=self.access_key, ROOT_SECRET_KEY=self.secret_key)

    def start(self):
        """Does so, and waits until it listens."""
        self.begin()
        self.process.wait_for(self._listens, "the S3 server did not start")
        return self

    def _listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        self.process.kill()

    def stop(self):
        self.process.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()


# ---- from the command line ------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description="Runs a server in DIR until it is ended by a signal.")
    parser.add_argument("server", choices=["kafka", "s3"])
    parser.add_argument("dir", metavar="DIR")
    parser.add_argument("--brokers", type=int, default=1, help="of kafka")
    parser.add_argument("--port", type=int, help="to listen on; of kafka's first broker (default: any that is free)")
    args = parser.parse_args()
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        server = Kafka(args.dir, args.brokers, port=args.port) if args.server == "kafka" else S3(args.dir, port=args.port)
    except Unavailable as why:
        sys.exit(f"cannot start: {why}")
    with server:
        names = ("bootstrap",) if args.server == "kafka" else ("endpoint", "region", "bucket", "access_key", "secret_key")
        print(json.dumps({name: getattr(server, name) for name in names}), flush=True)
        signal.sigwait(signals)


if __name__ == "__main__":
    main()

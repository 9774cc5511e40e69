"""The collector's process: its configuration, its life and deaths, and what it tells of itself."""

import asyncio
import json
import random
import signal
import socket
import time
import urllib.error
import urllib.request

from processes import Process

HOST = "127.0.0.1"
SINK = "files"
START_S, SETTLE_S, POLL_S = 20, 40, 0.05
DRAIN_S, DRAIN_SPARE_S = 10, 5  # what the configuration allows for a stop, and what we add before we complain

CONFIG = """\
# Made by quickstart.sh for one run; collector/packaging/wadi-collector.yaml explains the settings.
id: quickstart
listen: "{host}:{port}"
tls:
  cert_file: {tls_cert}
  key_file: {tls_key}
journal:
  dir: {journal}
  max_bytes: 512MiB
  keep_bytes: 128MiB
order:
  window: {window}
sinks:
  - name: {sink}
    type: file
    format: jsonl
    path: {events}
    compression: zstd
    roll_interval: {roll_interval}
    late_roll_interval: {roll_interval}
admin:
  listen: "{host}:{admin_port}"
timeouts:
  drain: {drain}s
"""


class CollectorError(Exception):
    pass


def _ephemeral_first():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return int(file.read().split()[0])
    except (OSError, ValueError):
        return 32768


def _free_ports(n):
    """Outside the range of which clients' ports are taken: while the collector is down, nobody gets them."""
    chance, ports = random.Random(), []
    while len(ports) < n:
        port = chance.randrange(min(10000, _ephemeral_first() // 2), _ephemeral_first())
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


class Collector:
    def __init__(self, program, place, window, roll_interval):
        self.program, self.place = program, place
        self.port, self.admin_port = _free_ports(2)
        self.kills = 0
        self._process = self._died = None
        self._is_down = True  # and we know
        self._committed = {}  # epoch -> events
        paths = {"tls_cert": place.tls / "server.pem", "tls_key": place.tls / "server.key",
                 "journal": place.journal, "events": place.events}
        config = CONFIG.format(
            host=HOST, port=self.port, admin_port=self.admin_port, sink=SINK, window=window,
            roll_interval=roll_interval, drain=DRAIN_S,
            **{name: json.dumps(str(path), ensure_ascii=False) for name, path in paths.items()})
        place.config.write_text(config, encoding="utf-8")

    # ---- life

    async def start(self):
        self._process = Process([self.program, "--config", self.place.config], self.place.collector_log)
        died = asyncio.create_task(self._process.wait())
        deadline = time.monotonic() + START_S
        while not await self._get("/readyz"):
            if died.done() or time.monotonic() > deadline:
                raise CollectorError(f"the collector does not get ready; {self.log_end()}")
            await asyncio.sleep(POLL_S)
        self._died, self._is_down = died, False

    def signal(self, number):
        self._process.signal(number)

    async def crash(self):
        """kill -9."""
        self.kills += 1
        self._is_down = True
        self._process.kill()
        await self._died

    async def stop(self):
        """SIGTERM; raises CollectorError unless it ends well and in time."""
        self._process.signal(signal.SIGTERM)
        try:
            status = await asyncio.wait_for(self._died, DRAIN_S + DRAIN_SPARE_S)
        except asyncio.TimeoutError:
            raise CollectorError(f"the collector did not stop within {DRAIN_S + DRAIN_SPARE_S} s of SIGTERM") from None
        if status != 0:
            raise CollectorError(f"the collector ended with status {status}; {self.log_end()}")

    def check(self):
        """Raises CollectorError when it ended by itself."""
        if not self._is_down and self._died.done():
            raise CollectorError(f"the collector ended by itself, status {self._died.result()}; {self.log_end()}")

    def log_end(self):
        lines = self.place.collector_log.read_text(errors="replace").splitlines()[-5:]
        return "\n  ".join([f"the end of {self.place.collector_log}:", *lines])

    # ---- what it tells

    async def _get(self, path):
        """The page; None when it is down or says no."""
        def fetch():
            with urllib.request.urlopen(f"http://{HOST}:{self.admin_port}{path}", timeout=2) as answer:
                return answer.read()
        try:
            return await asyncio.to_thread(fetch)
        except (OSError, urllib.error.HTTPError):
            return None

    async def ledger(self):
        """The total ledger; None while it is down."""
        page = await self._get("/ledger?limit=1")
        return json.loads(page)["total"] if page else None

    async def _held_back(self):
        """Events that the sink has read and not committed; None while it is down."""
        page = await self._get("/metrics")
        name = f'wadi_order_pending_events{{sink="{SINK}"}} '
        found = [line for line in (page or b"").decode().splitlines() if line.startswith(name)]
        return float(found[0].removeprefix(name)) if found else None

    def committed(self):
        """Events in the sink's commits so far."""
        for path in self.place.events.glob(f"_wadi/*/{SINK}/*.commit"):
            if path.name not in self._committed:
                self._committed[path.name] = json.loads(path.read_bytes())["events"]
        return sum(self._committed.values())

    async def settle(self):
        """Waits until the sink has what the journal has."""
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            self.check()
            ledger, held_back = await self.ledger(), await self._held_back()
            if ledger and held_back == 0 and self.committed() >= ledger["delivered"]:
                return
            await asyncio.sleep(POLL_S)
        raise CollectorError(f"after {SETTLE_S} s the sink has not got all events; {self.log_end()}")

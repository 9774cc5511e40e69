"""A collector that follows a script: it takes batches apart by hand, keeps what it agreed to, and can
misbehave in every way that the network knows. And what runs wadi-send against it."""

import collections
import contextlib
import datetime
import gzip
import hashlib
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import waiting

SOURCE = os.environ["WADI_SOURCE_DIR"]
WADI_SEND = os.environ["WADI_SEND"]
DEADLINE_S = 30  # for anything that is going to happen; sanitizers are slow

OK, REWIND, FORK, UNVERIFIED, RETRY, REFUSED, TOO_LARGE, UNAUTHORIZED = range(1, 9)


def eventually(condition, what):
    return waiting.eventually(condition, what, DEADLINE_S)


# ---- protobuf -----------------------------------------------------------------------------------


def varint_read(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def zigzag(n):
    return n << 1 if n >= 0 else (-n << 1) - 1


def unzigzag(n):
    return n >> 1 ^ -(n & 1)


def number(tag, n):
    return varint(tag << 3) + varint(n)


def field(tag, data):
    return varint(tag << 3 | 2) + varint(len(data)) + data


def message(data):
    """{tag: [values]}; numbers as unsigned, fixed ones and everything with a length as bytes."""
    fields, at = collections.defaultdict(list), 0
    while at < len(data):
        key, at = varint_read(data, at)
        if key & 7 == 0:
            value, at = varint_read(data, at)
        else:
            size = {1: 8, 5: 4}.get(key & 7)
            if size is None:
                size, at = varint_read(data, at)
            value, at = data[at:at + size], at + size
        fields[key >> 3].append(value)
    return fields


def packed(fields, tag):
    out, at, data = [], 0, b"".join(fields[tag])
    while at < len(data):
        value, at = varint_read(data, at)
        out.append(value)
    return out


# ---- CRC and chain ------------------------------------------------------------------------------


def crc_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    return table


CRC_TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def chain_after(chain, crc):
    x = (chain ^ crc + 1) * 0x9E3779B97F4A7C15 % 2**64
    x = (x ^ x >> 32) * 0xD6E8FEB86659FD93 % 2**64
    return x ^ x >> 32


# ---- a batch ------------------------------------------------------------------------------------


class Event:
    """One event: name, time_us or None, and properties with their types."""

    def __init__(self, data, definitions, context):
        fields = message(data)
        inlined = iter(fields[9])
        lists = {0: iter(fields[5]), 1: iter(packed(fields, 6)), 5: iter(fields[8])}
        doubles = struct.iter_unpack("<d", b"".join(fields[7]))
        name = fields[1][0] if fields[1] else 0
        self.name = (definitions[name] if name else next(inlined)).decode()
        self.time_us = unzigzag(fields[10][0]) if fields[10] else None
        self.context = context.get(fields[3][0]) if fields[3] else {}
        self.properties = {}
        for key in packed(fields, 4):
            text = definitions[key >> 3] if key >> 3 else next(inlined)
            kind = key & 7
            if kind in (3, 4):
                value = kind == 4
            elif kind == 2:
                value = next(doubles)[0]
            else:
                value = next(lists[kind])
                value = value.decode() if kind == 0 else unzigzag(value) if kind == 1 else value
            self.properties[text.decode()] = value


def context_read(data):
    fields = message(data)
    attributes = [message(a) for a in fields[4]]
    return fields[1][0], {a[1][0].decode(): a[2][0].decode() if a[2] else "" for a in attributes}


class Batch:
    """numbers: [(seq, crc, Event or None, drop reason or None)]"""

    def __init__(self, body):
        fields = message(body)
        self.stream = fields[3][0]
        self.first_seq = fields[4][0]
        self.chain = struct.unpack("<Q", fields[5][0])[0] if fields[5] else 0
        self.low = fields[6][0]
        run, self.clock = message(fields[8][0]), message(fields[9][0])
        nonce = run[2][0] if run[2] else bytes(4)
        definitions = {d[1][0]: d[2][0] for d in map(message, fields[10])}
        contexts = dict(map(context_read, fields[11]))
        dropped = {}
        for d in map(message, fields[12]):
            crcs = [c[0] for c in struct.iter_unpack("<I", b"".join(d[3]))]
            dropped.update({d[1][0] + i: (crc, d[2][0]) for i, crc in enumerate(crcs)})
        self.numbers, seq, events = [], self.first_seq, collections.deque(fields[15])
        while events or seq in dropped:
            if seq in dropped:
                self.numbers.append((seq, dropped[seq][0], None, dropped[seq][1]))
            else:
                data = events.popleft()
                self.numbers.append((seq, crc32c(nonce + data), Event(data, definitions, contexts), None))
            seq += 1
        self.last_seq = seq - 1


# ---- answers ------------------------------------------------------------------------------------


def http(status, body=b"", *headers):
    head = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def ack(status, code, *headers, through=0, next_seq=0, chain=0, wait_ms=0, refused_seq=0, collector=b"fake"):
    now = zigzag(time.time_ns() // 1000)
    body = number(1, status) + number(2, through) + number(3, next_seq) + varint(4 << 3 | 1)
    body += struct.pack("<Q", chain) + field(5, collector) + number(6, now) + number(7, now)
    body += number(8, wait_ms) + field(9, b"as the script says") + number(10, refused_seq)
    return http(code, body, *headers)


def close(_collector, _batch, _link):
    """Hangs up without a word."""
    return None


def take(collector, batch, _link):
    """What a good collector answers."""
    return collector.take(batch)


def cut(data, n):
    """Answers with the first n bytes only, and hangs up."""

    def act(_collector, _batch, link):
        link.sendall(data[:n])

    return act


def slowly(collector, batch, link):
    for byte in collector.take(batch):
        link.sendall(bytes([byte]))
        time.sleep(0.002)
    return b""


def silent(_collector, _batch, _link):
    """Longer than any test has patience."""
    time.sleep(3600)


Request = collections.namedtuple("Request", "at connection resumed headers batch")


class FakeCollector:
    """Each entry of `script` answers one request: bytes, or a function of (collector, batch, link) that returns
    bytes, or None to hang up. After the script it agrees to everything that fits."""

    def __init__(self, script=(), certs=None, client_auth=False):
        self.script = collections.deque(script)
        self.requests, self.delivered, self.dropped = [], [], {}
        self.next_seq, self.chains = {}, {}  # by stream; (stream, seq): the chain before seq
        self.connections = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.tls = self.tls_context(certs, client_auth) if certs else None
        self.endpoint = f"{'https' if certs else 'http'}://localhost:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    @staticmethod
    def tls_context(certs, client_auth):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{certs}/server.pem", f"{certs}/server.key")
        if client_auth:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(f"{certs}/ca.pem")
        return context

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                link, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.serve, args=(link, self.connections), daemon=True).start()

    def serve(self, link, connection):
        with contextlib.suppress(OSError, ssl.SSLError), contextlib.closing(link):
            if self.tls:
                link = self.tls.wrap_socket(link, server_side=True)
            with contextlib.closing(link), link.makefile("rb") as stream:
                while self.exchange(link, stream, connection):
                    pass

    def exchange(self, link, stream, connection):
        head = [line.decode() for line in iter(lambda: stream.readline().strip(), b"")]
        if not head:
            return False
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:])}
        headers[":request"] = head[0]
        body = self.unpack(stream.read(int(headers["content-length"])), headers.get("content-encoding"))
        if body == number(1, 1):  # the question who is there
            link.sendall(ack(REFUSED, 400))
            return True
        batch = Batch(body)
        resumed = bool(self.tls) and link.session_reused
        with self.lock:
            self.requests.append(Request(time.monotonic(), connection, resumed, headers, batch))
            answer = self.script.popleft() if self.script else take
        if callable(answer):
            answer = answer(self, batch, link)
        if answer is not None:
            link.sendall(answer)
        return answer is not None

    @staticmethod
    def unpack(body, encoding):
        if encoding == "zstd":
            return subprocess.run(["zstd", "-dcq"], input=body, stdout=subprocess.PIPE, check=True).stdout
        return gzip.decompress(body) if encoding == "gzip" else body

    def take(self, batch):
        """The rows of the dedup table that a well-behaved device meets; every chain is checked."""
        with self.lock:
            expected = self.next_seq.get(batch.stream, batch.low)
            if batch.first_seq > expected:
                return ack(REWIND, 409, next_seq=expected)
            chain = batch.chain
            assert self.chains.get((batch.stream, batch.first_seq), chain) == chain, "the chain broke"
            for seq, crc, event, reason in batch.numbers:
                if seq == expected:
                    expected += 1
                    self.dropped.update({seq: reason} if event is None else {})
                    self.delivered.extend([] if event is None else [event])
                chain = chain_after(chain, crc)
                assert self.chains.setdefault((batch.stream, seq + 1), chain) == chain, "twice, and not the same"
            self.next_seq[batch.stream] = expected
            return ack(OK, 200, through=batch.last_seq)

    def wait_requests(self, n):
        eventually(lambda: len(self.requests) >= n, f"{n} requests")


def derived_stream(stream, seq, chain):
    """The stream that a fork before `seq` goes on in; `chain` is the one after seq."""
    return hashlib.sha256(stream + struct.pack("<QQ", seq, chain)).digest()[:16]


# ---- wadi-send ----------------------------------------------------------------------------------


def unix_us(text):
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


class SendTest(unittest.TestCase):
    """A store of its own for each test; certificates for all."""

    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.TemporaryDirectory()
        cls.certs = f"{cls.work.name}/certs"
        subprocess.run(["bash", f"{SOURCE}/tests/unit/sdk/base/make_certs.sh", cls.certs], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.work.cleanup()

    def setUp(self):
        self.dir = tempfile.mkdtemp(dir=self.work.name)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("WADI_")}

    def command(self, collector, *args):
        endpoint = ["--endpoint", collector.endpoint] if collector else []
        trust = ["--ca-file", f"{self.certs}/ca.pem"] if collector and collector.tls else []
        return [WADI_SEND, "--dir", f"{self.dir}/store", *endpoint, *trust, *args]

    def start(self, collector, *args, **options):
        return subprocess.Popen(self.command(collector, *args), env=self.environment, stdin=subprocess.PIPE,
                                stderr=subprocess.PIPE, **options)

    def send(self, collector, *args, expect=0, stdin=b""):
        """Runs wadi-send to its end; its standard error."""
        done = subprocess.run(self.command(collector, *args), env=self.environment, input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=2 * DEADLINE_S, check=False)
        self.assertEqual(done.returncode, expect, done.stderr.decode())
        return done.stderr.decode()

    def acked(self, collector, *args, **options):
        return self.send(collector, "--wait", "acked", "--timeout-ms", str(DEADLINE_S * 1000), *args, **options)

    def many(self, n):
        return "".join(f'{{"name":"e","i":{i}}}\n' for i in range(n)).encode()

    def assert_delivered(self, collector, n, without=()):
        """Each once, in order, all but what was given up."""
        numbers = [e.properties["i"] for e in collector.delivered]
        self.assertEqual(numbers, [i for i in range(n) if i not in without])

"""What the tests of ingress share: the rig, a client that sends any bytes, batches and Acks by hand."""

import contextlib
import os
import queue
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import waiting

SOURCE = os.environ.get("WADI_SOURCE_DIR", os.path.join(os.path.dirname(__file__), "../../.."))
DEADLINE_S = 20  # for anything that is going to happen; sanitizers are slow

OK, RETRY, REFUSED, TOO_LARGE, UNAUTHORIZED = 1, 5, 6, 7, 8


def eventually(condition, what):
    return waiting.eventually(condition, what, DEADLINE_S)


# ---- protobuf -----------------------------------------------------------------------------------


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def number(tag, n):
    return varint(tag << 3) + varint(n)


def field(tag, data):
    return varint(tag << 3 | 2) + varint(len(data)) + data


def event(i, text="x"):
    return number(1, 1) + number(2, 1000 + i) + field(4, varint(2 << 3)) + field(5, text.encode())


def batch(events=3, first_seq=1, encoded=None, text="x", version=1):
    """A Batch as a device sends it; `encoded` replaces its events."""
    run = number(1, 1) + varint(2 << 3 | 5) + struct.pack("<I", 7) + field(3, bytes(16)) + number(4, 1)
    clock = field(1, bytes(16)) + number(2, 5_000_000)
    head = number(1, version) + field(2, b"i" * 16) + field(3, b"s" * 16) + number(4, first_seq)
    head += varint(5 << 3 | 1) + struct.pack("<Q", 0) + number(6, first_seq)
    head += field(8, run) + field(9, clock)
    for i, name in ((1, "tapped"), (2, "where")):
        head += field(10, number(1, i) + field(2, name.encode()))
    if encoded is None:
        encoded = [event(i, text) for i in range(events)]
    return head + b"".join(field(15, e) for e in encoded)


def varint_read(data, at):
    value, shift = 0, 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


class Ack:
    """An Ack's fields that the tests look at."""

    def __init__(self, data):
        fields, at = {}, 0
        while at < len(data):
            key, at = varint_read(data, at)
            if key & 7 == 0:
                fields[key >> 3], at = varint_read(data, at)
            elif key & 7 == 1:
                fields[key >> 3], at = struct.unpack_from("<Q", data, at)[0], at + 8
            else:
                n, at = varint_read(data, at)
                fields[key >> 3], at = data[at : at + n], at + n
        self.status = fields.get(1, 0)
        self.agreed_through = fields.get(2, 0)
        self.next_seq = fields.get(3, 0)
        self.chain = fields.get(4, 0)
        self.collector = fields.get(5, b"").decode()
        self.received_us = fields.get(6, 0) >> 1
        self.sent_us = fields.get(7, 0) >> 1
        self.retry_after_ms = fields.get(8, 0)
        self.message = fields.get(9, b"").decode()
        self.refused_seq = fields.get(10, 0)


def zstd(data, *arguments):
    return subprocess.run(["zstd", "-q", "-c", *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


# ---- client -------------------------------------------------------------------------------------


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.ack = Ack(body) if headers.get("content-type") == "application/x-protobuf" else None


class Client:
    """A TLS connection that sends whatever it is told to."""

    def __init__(self, port, certs, client=None, plain=False, version=None, receive_bytes=None,
                 host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.settimeout(DEADLINE_S)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        try:
            self.socket.connect((host, port))
        except OSError:
            self.socket.close()
            raise
        self.buffer = b""
        self.context = ssl.create_default_context(cafile=f"{certs}/ca.pem")
        if client:
            self.context.load_cert_chain(f"{certs}/{client}.pem", f"{certs}/{client}.key")
        if version:
            self.context.minimum_version = self.context.maximum_version = version
        if not plain:
            self.start_tls()

    def start_tls(self, wait=True):
        """Without `wait` only our first message is sent; socket.do_handshake() goes on."""
        self.socket = self.context.wrap_socket(self.socket, server_hostname="localhost",
                                               do_handshake_on_connect=wait)
        if not wait:
            self.socket.settimeout(0)
            with contextlib.suppress(ssl.SSLWantReadError):
                self.socket.do_handshake()
            self.socket.settimeout(DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def end(self):
        """Ends our side: the server sees the end of the stream, and may still answer."""
        socket.socket.shutdown(self.socket, socket.SHUT_WR)  # SSLSocket's own would forget TLS

    def post(self, body, **how):
        self.send(request(body, **how))
        return self.response()

    def _more(self):
        try:
            got = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            got = b""
        self.buffer += got
        return got

    def response(self, body=True):
        """The next answer. None: the connection ended instead."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        n = int(headers.get("content-length", 0)) if body else 0
        while len(self.buffer) < n:
            if not self._more():
                return None
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return Response(int(lines[0].split()[1]), headers, data)

    def ended(self):
        """Whether the server ends the connection, with nothing more to say."""
        while self._more():
            pass
        return self.buffer == b""


def request(body=b"", method="POST", path="/v1/batches", version="1.1", headers=(), drop=()):
    """A good request, with `headers` in place of or besides the usual ones, without those of `drop`."""
    fields = {"Host": "localhost", "Content-Type": "application/x-protobuf", "Content-Length": str(len(body))}
    fields.update(dict(headers))
    lines = [f"{k}: {v}" for k, v in fields.items() if k not in drop]
    return "\r\n".join([f"{method} {path} HTTP/{version}", *lines, "", ""]).encode() + body


# ---- rig ----------------------------------------------------------------------------------------


class Rig:
    """The process. Ends it with a check that it ended well: a leak or a race is a failure."""

    def __init__(self, certs, **options):
        options = {"cert_file": f"{certs}/server.pem", "key_file": f"{certs}/server.key", **options}
        self.certs = certs
        self.lines, self.renderings = queue.Queue(), queue.Queue()
        self.process = subprocess.Popen(
            [os.environ["INGRESS_RIG"], *(f"{k}={v}" for k, v in options.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.port = int(self.process.stdout.readline().removeprefix("port="))
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        metrics = {}
        for line in self.process.stdout:
            if line.startswith("tenant="):
                self.lines.put(dict(pair.split("=") for pair in line.split()))
            elif line == "\n":
                self.renderings.put(metrics)
                metrics = {}
            elif not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                metrics[name.removeprefix("wadi_")] = float(value)

    def submission(self):
        """The next batch that the journal was given."""
        return self.lines.get(timeout=DEADLINE_S)

    def metrics(self):
        """Every metric, without its prefix, by name and labels as they are shown."""
        self.tell("metrics")
        return self.renderings.get(timeout=DEADLINE_S)

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def client(self, **how):
        return Client(self.port, self.certs, **how)

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(timeout=DEADLINE_S)
        self.reader.join()
        self.process.stdout.close()
        assert status == 0, f"the rig ended with {status}"


class RigTest(unittest.TestCase):
    """Tests against one rig a class, with the class's `options`."""

    options = {}

    @classmethod
    def setUpClass(cls):
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        make_certs = f"{SOURCE}/tests/unit/sdk/base/make_certs.sh"
        subprocess.run(["bash", make_certs, cls.directory], check=True, stderr=subprocess.DEVNULL)
        cls.rig = cls.enterClassContext(contextlib.closing(Rig(cls.directory, **cls.rig_options())))

    @classmethod
    def rig_options(cls):
        return cls.options

    def setUp(self):
        self.rig.tell("go")

    def client(self, **how):
        return self.enterContext(self.rig.client(**how))

    def assert_served(self, client=None):
        """The next good request is served: on this connection, or on a new one."""
        answer = (client or self.client()).post(batch())
        self.assertIsNotNone(answer, "the connection ended")
        self.assertEqual((answer.status, answer.ack.status, answer.ack.agreed_through), (200, OK, 3), answer.body)

    def assert_refused(self, answer, status, ack_status, words):
        self.assertIsNotNone(answer, "the connection ended without an answer")
        self.assertEqual(answer.status, status, answer.body)
        self.assertIsNotNone(answer.ack, answer.headers)
        self.assertEqual(answer.ack.status, ack_status)
        self.assertIn(words, answer.ack.message)


def main():
    unittest.main(module=sys.modules["__main__"], verbosity=2)

"""A proxy before an S3 server that behaves as a network and a busy server do: some requests it answers itself
(500, 503 with Retry-After), some connections it cuts, before the server has the request or after, and some
it delays. Which ones, a seed decides.

    with FaultProxy(server.port, seed, rate=0.1) as proxy: … proxy.endpoint … print(proxy.counts)"""

import collections
import http.client
import random
import socket
import socketserver
import threading
import time

DELAY_S = 0.3
LATE_S = 1.0
TIMEOUT_S = 30

ERRORS = {"internal": (500, "InternalError", ""), "slow_down": (503, "SlowDown", "Retry-After: 1\r\n"),
          "no_answer_yet": (503, "ServiceUnavailable", "")}
CUTS = ("cut_request", "cut_before", "cut_after", "cut_answer")
KINDS = (*ERRORS, *CUTS, "delay")  # and, only if asked for: "late"


class Cut(Exception):
    """The connection ends here."""


class Request:
    """What a client sent, as bytes and as far as it matters here."""

    def __init__(self, head, body):
        self.head, self.body = head, body
        self.method = head.split(b" ", 1)[0]


class Handler(socketserver.StreamRequestHandler):
    timeout = TIMEOUT_S

    def handle(self):
        try:
            while True:
                head = self.head_read()
                fault = self.server.proxy.fault_choose()
                self.one(Request(head, self.body_read(head, fault)), fault)
        except (Cut, OSError, http.client.HTTPException):
            pass

    def head_read(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(1 << 16)
            if not line:
                raise Cut
            head += line
        return head

    def body_read(self, head, fault):
        headers = {name.strip().lower(): value.strip() for name, _, value in
                   (line.partition(b":") for line in head.split(b"\r\n")[1:])}
        length = int(headers.get(b"content-length", 0))
        if headers.get(b"expect", b"").lower() == b"100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault == "cut_request" and length > 0:
            self.rfile.read(length // 2)
            raise Cut
        body = self.rfile.read(length)
        if len(body) < length:
            raise Cut
        return body

    def one(self, request, fault):
        if fault in ERRORS:
            self.error(request, *ERRORS[fault])
            return
        self.server.proxy.gate_pass(request)
        if fault in ("cut_request", "cut_before"):
            raise Cut
        if fault == "late":  # the server carries it out when the client has given up
            threading.Thread(target=self.forward_late, args=[request], name="late", daemon=True).start()
            raise Cut
        if fault == "delay":
            time.sleep(self.server.proxy.uniform(DELAY_S))
        answer = self.forward(request)
        if fault == "cut_after":
            raise Cut
        if fault == "cut_answer":
            self.wfile.write(answer[:len(answer) // 2])
            raise Cut
        self.wfile.write(answer)

    def error(self, request, status, code, header):
        body = f"<Error><Code>{code}</Code><Message>of the fault proxy</Message></Error>".encode()
        head = f"HTTP/1.1 {status} {code}\r\n{header}Content-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + (b"" if request.method == b"HEAD" else body))

    def forward_late(self, request):
        try:
            time.sleep(self.server.proxy.uniform(LATE_S))
            self.forward(request)
        except (OSError, http.client.HTTPException):
            pass

    def forward(self, request):
        """The server's whole answer, with a length."""
        head = b"".join(line + b"\r\n" for line in request.head.split(b"\r\n")
                        if line and not line.lower().startswith((b"expect:", b"connection:")))
        with socket.create_connection(("127.0.0.1", self.server.proxy.server_port), timeout=TIMEOUT_S) as server:
            server.sendall(head + b"Connection: close\r\n\r\n" + request.body)
            answer = http.client.HTTPResponse(server, method=request.method.decode())
            answer.begin()
            body = answer.read()
        dropped = ("connection", "transfer-encoding", "keep-alive") + (() if request.method == b"HEAD" else ("content-length",))
        lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
        lines += [f"{name}: {value}" for name, value in answer.getheaders() if name.lower() not in dropped]
        if request.method != b"HEAD" and answer.status not in (204, 304):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """A connection that broke is what a proxy like this has all day."""


class FaultProxy:
    """Listens at once. `rate` and `kinds` may be changed while it runs. counts: how often each fault was done, and
    `none`."""

    def __init__(self, server_port, seed, rate=0.0, kinds=KINDS):
        self.server_port, self.rate, self.kinds = server_port, rate, kinds
        self.gate, self.held, self.opened = None, threading.Event(), threading.Event()
        self.counts, self._random, self._lock = collections.Counter(), random.Random(seed), threading.Lock()
        self._listener = Listener(("127.0.0.1", 0), Handler)
        self._listener.proxy = self
        self.port = self._listener.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def fault(self, chance):
        """From now on some faults, of some kinds."""
        self.rate, self.kinds = chance.uniform(0.05, 0.4), chance.sample(KINDS, 4)

    def heal(self):
        self.rate = 0.0

    def close(self):
        self._listener.shutdown()
        self._listener.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def fault_choose(self):
        with self._lock:
            fault = self._random.choice(self.kinds) if self._random.random() < self.rate else "none"
            self.counts[fault] += 1
            return fault

    def gate_pass(self, request):
        """The first request for a key with `gate` in it is `held`, as a slow network would, until it is `opened`."""
        with self._lock:
            waits = self.gate and request.method == b"PUT" and self.gate in request.head.split(b" ", 2)[1]
            self.gate = None if waits else self.gate
        if waits:
            self.held.set()
            self.opened.wait(TIMEOUT_S)

    def uniform(self, most):
        with self._lock:
            return self._random.uniform(0, most)

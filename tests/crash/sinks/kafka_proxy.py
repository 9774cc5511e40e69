"""A proxy before a Kafka broker that knows one request from another, to strike at a chosen one."""

import socket
import socketserver
import struct
import threading

from steps import Armed

PRODUCE, FETCH, LIST_OFFSETS, INIT_PRODUCER_ID, ADD_PARTITIONS, END_TXN = 0, 1, 2, 22, 24, 26


def read_exactly(connection, n):
    data = connection.recv(n, socket.MSG_WAITALL) if n else b""
    if len(data) < n:
        raise ConnectionError
    return data


def message_read(connection):
    size = read_exactly(connection, 4)
    return read_exactly(connection, struct.unpack(">i", size)[0])


def message_write(connection, body):
    connection.sendall(struct.pack(">i", len(body)) + body)


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.awaited = None  # a strike, and the correlation id of the answer that it comes at
        try:
            with socket.create_connection(("127.0.0.1", self.server.proxy.broker_port)) as self.broker:
                threading.Thread(target=self.answers, daemon=True).start()
                self.requests()
        except OSError:
            pass

    def requests(self):
        while True:
            body = message_read(self.request)
            strike = self.server.proxy.armed.take(struct.unpack(">h", body[:2])[0])
            if strike and not strike.after:
                self.strike(strike)
                return
            if strike:
                self.awaited = strike, body[4:8]
            message_write(self.broker, body)

    def answers(self):
        try:
            while True:
                body = message_read(self.broker)
                if self.awaited and body[:4] == self.awaited[1]:
                    self.strike(self.awaited[0])
                    return
                message_write(self.request, body)
        except OSError:
            pass
        finally:
            self.cut()

    def strike(self, strike):
        strike.do()
        self.cut()

    def cut(self):
        for connection in (self.request, self.broker):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Listener(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True

    def handle_error(self, request, client_address):
        """A connection that broke is nothing special here."""


class KafkaProxy:
    """`armed` is asked with the number of each request's kind."""

    def __init__(self, port, broker_port):
        self.broker_port, self.armed = broker_port, Armed()
        self.listener = Listener(("127.0.0.1", port), Handler)
        self.listener.proxy = self
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def close(self):
        self.listener.shutdown()
        self.listener.server_close()

"""Stands between devices and a collector, and loses answers."""

import contextlib
import random
import socket
import threading


class Relay:
    """Passes bytes on, and now and then hangs up on both in place of passing on what the collector says."""

    def __init__(self, port, seed, lost_per_mille):
        self.port, self.random, self.lost = port, random.Random(seed), lost_per_mille
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"https://localhost:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.port))
                for source, to, loses in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._pass, args=(source, to, loses), daemon=True).start()

    def _pass(self, source, to, loses):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if loses and self.random.randrange(1000) < self.lost:
                    self.cuts += 1
                    break
                to.sendall(data)
        for link in (source, to):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

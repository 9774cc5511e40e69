"""The network path between devices and collector: a TCP relay that can be cut in two ways."""

import asyncio
import socket
import struct

CHUNK_BYTES = 1 << 16
LINGER_RESET = struct.pack("ii", 1, 0)  # close() sends a reset


def _abort(writer):
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    writer.transport.abort()


class Relay:
    def __init__(self, host, target_port):
        self.host, self.target_port = host, target_port
        self.port = None
        self._server = None
        self._writers, self._serving = set(), set()
        self._refusing = False
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def start(self):
        self._server = await asyncio.start_server(self._serve, self.host, 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def reset(self):
        """Every connection is reset, and every new one, until restore()."""
        self._refusing = True
        for writer in list(self._writers):
            _abort(writer)

    def stall(self):
        """No byte passes, and nobody is told, until restore()."""
        self._flowing.clear()

    def restore(self):
        self._refusing = False
        self._flowing.set()

    async def stop(self):
        self._server.close()
        self.restore()
        self.reset()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, reader, writer):
        self._serving.add(asyncio.current_task())
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            if not self._refusing:
                await self._join(reader, writer)
        except OSError:
            pass  # the collector is down
        finally:
            self._writers.discard(writer)
            self._serving.discard(asyncio.current_task())
            _abort(writer)

    async def _join(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection(self.host, self.target_port)
        self._writers.add(far_writer)
        try:
            pumps = [asyncio.create_task(self._pump(*ends)) for ends in ((reader, far_writer), (far_reader, writer))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            self._writers.discard(far_writer)
            far_writer.close()

    async def _pump(self, reader, writer):
        while data := await reader.read(CHUNK_BYTES):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()

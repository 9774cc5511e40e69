"""A device written from schemas/README.md and nothing else: its numbers, CRCs, chains and batches."""

import asyncio
import hashlib
import http.client
import os
import ssl
import struct
import time

import region
from rig import Ack, field, number, varint  # protobuf by hand

OK, REWIND, FORK, UNVERIFIED, REFUSED = 1, 2, 3, 4, 6
DISK_QUOTA = 1
M64 = (1 << 64) - 1


def _crc_table():
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)  # 0x1EDC6F41, reflected
        yield i


CRC_TABLE = list(_crc_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def event_crc(nonce, event):
    return crc32c(struct.pack("<I", nonce) + event)


def chain_after(chain, crc):
    x = chain ^ (crc + 1)
    for factor in (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93):
        x = x * factor & M64
        x ^= x >> 32
    return x


def stream_after_fork(stream, agreed_through, chain):
    """`chain`: at agreed_through + 1."""
    return hashlib.sha256(stream + struct.pack("<QQ", agreed_through + 1, chain)).digest()[:16]


def fixed64(tag, n):
    return varint(tag << 3 | 1) + struct.pack("<Q", n)


def fixed32(tag, n):
    return varint(tag << 3 | 5) + struct.pack("<I", n)


def sint64(tag, n):
    return number(tag, (n << 1 ^ n >> 63) & M64)


def event(audit, at_us):
    """Name 1 and one string with key 2, of the definitions below."""
    return number(1, 1) + number(2, at_us) + field(4, varint(2 << 3)) + field(5, audit.encode())


DEFINITIONS = b"".join(field(10, number(1, i) + field(2, text)) for i, text in ((1, b"noted"), (2, b"audit")))


class Device:
    """Numbers 1 … with what stands behind each: an event, or a tombstone. Copies of it share their past."""

    def __init__(self, audits=()):
        self.installation, self.stream, self.boot = os.urandom(16), os.urandom(16), os.urandom(16)
        self.nonce = struct.unpack("<I", os.urandom(4))[0]
        self.audits, self.encoded, self.chains, self.dropped = [], [], [0], {}
        self.record(*audits)

    def copy(self):
        twin = object.__new__(Device)
        twin.__dict__ = {k: v.copy() if isinstance(v, (list, dict)) else v for k, v in self.__dict__.items()}
        return twin

    def record(self, *audits):
        for audit in audits:
            self.audits.append(audit)
            self.encoded.append(event(audit, 1000 * len(self.audits)))
            self.chains.append(chain_after(self.chains[-1], event_crc(self.nonce, self.encoded[-1])))

    def drop(self, seq):
        self.dropped[seq] = DISK_QUOTA

    def fork(self, agreed_through):
        """As on FORK: all after it moves to the derived stream."""
        self.stream = stream_after_fork(self.stream, agreed_through, self.chains[agreed_through + 1])

    def _run(self):
        return number(1, 1) + fixed32(2, self.nonce) + field(3, self.boot) + number(4, 1) + sint64(5, 1)

    def _clock(self):
        return field(1, self.boot) + number(2, 5_000_000) + sint64(3, 5_000_000)

    def _dropped(self, seq):
        crc = event_crc(self.nonce, self.encoded[seq - 1])
        return number(1, seq) + number(2, self.dropped[seq]) + field(3, struct.pack("<I", crc))

    def batch(self, first, last, low=1, resent_through=0, chain=None):
        chain = self.chains[first - 1] if chain is None else chain
        body = number(1, 1) + field(2, self.installation) + field(3, self.stream) + number(4, first)
        body += fixed64(5, chain) + number(6, low)
        body += number(7, resent_through) if resent_through else b""
        body += field(8, self._run()) + field(9, self._clock()) + DEFINITIONS
        numbers = range(first, last + 1)
        body += b"".join(field(12, self._dropped(seq)) for seq in numbers if seq in self.dropped)
        return body + b"".join(field(15, self.encoded[seq - 1]) for seq in numbers if seq not in self.dropped)


def post(region, body):
    """One exchange; (HTTP status, Ack)."""
    context = ssl.create_default_context(cafile=region.place.tls / "ca.pem")
    connection = http.client.HTTPSConnection(region.host, region.port, timeout=20, context=context)
    try:
        connection.request("POST", "/v1/batches", body, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        return answer.status, Ack(answer.read())
    finally:
        connection.close()


async def let_go(of):
    """Waits until the journal holds nothing any more of what the region has had until now. It trims from its beginning,
    and keeps its last entry: so it is seen by the second of three entries of a stream of our own, which tells the chain
    after the first."""
    probe = Device([region.PROBE] * 3)
    for seq in (1, 2, 3):
        assert (await asyncio.to_thread(post, of, probe.batch(seq, seq)))[1].status == OK
    deadline = time.monotonic() + region.DEADLINE_S
    while (await asyncio.to_thread(post, of, probe.batch(1, 1)))[1].status != UNVERIFIED:
        if time.monotonic() > deadline:
            raise AssertionError("never happened: the journal lets its entries go")
        await asyncio.sleep(0.05)

"""What devices send when they send everything that an Event can hold, to a collector with a sink of JSON lines
and a second one."""

import asyncio
import math
import os
import pathlib
import random
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "identity"))

import client  # noqa: E402
import region  # noqa: E402 (knows where the next ones are)
import outputs  # noqa: E402
from client import OK, field, number, sint64, varint  # noqa: E402
from region import RegionTest, eventually  # noqa: E402

SECOND_SINK = """
  - {{name: second, type: file, path: "{path}", roll_interval: {roll}, late_roll_interval: {roll}, {settings}}}
admin:"""
NAMES = ["buy", "größe", 'a "quoted" name', "n" * 255]
KEYS = ["path", "price", "k" * 200, "\U0001F327", "new\nline"]
TEXTS = [b"", b"/pricing", "Wolkenbruch \U0001F327 €".encode(), b'"\\\n\t\x00\x1f', b"\xff\xc3\x28 no UTF-8", b"x" * 3000]
INTS = [0, 1, -1, 127, 128, 2**63 - 1, -2**63, 2**53 + 1]
DOUBLES = [0.0, -0.0, 0.1, 1e300, 5e-324, math.nan, math.inf, -math.inf, 1 / 3, 123456789.25]
CONTEXTS = [(1, b"", b"", []), (2, b"ann", b"s-1", [(b"app", b"shop"), (b"empty", b"")]),
            (3, "jürgen \xff".encode("latin-1"), b"", [("größe".encode(), b"\xfe")])]
EVENTS, STREAMS = 1500, 12


def lists_of(props):
    """The columns of an Event, fields 4 to 9."""
    strings, ints, doubles, blobs, inlined, keys = b"", b"", b"", b"", b"", b""
    for key_id, key, kind, value in props:
        keys += varint(key_id << 3 | kind)
        inlined += field(9, key.encode()) if key_id == 0 else b""
        if kind == 0:
            strings += field(5, value)
        elif kind == 1:
            ints += varint((value << 1 ^ value >> 63) & client.M64)
        elif kind == 2:
            doubles += struct.pack("<d", value)
        elif kind == 5:
            blobs += field(8, value)
    packed = ((4, keys), (6, ints), (7, doubles))
    lists = {tag: field(tag, data) for tag, data in packed if data}
    return lists.get(4, b"") + strings + lists.get(6, b"") + lists.get(7, b"") + blobs, inlined


class Device(client.Device):
    """One that records whatever an Event can hold."""

    def __init__(self, chance):
        self.chance = chance
        super().__init__()

    def _prop(self, key_id):
        chance, kind = self.chance, self.chance.randrange(6)
        value = {0: TEXTS, 1: INTS, 2: DOUBLES, 5: TEXTS}.get(kind, [None])
        return (0 if chance.random() < 0.3 else key_id), KEYS[key_id - 1], kind, chance.choice(value)

    def record_random(self, count):
        for _ in range(count):
            chance, at_us = self.chance, 1000 * (len(self.encoded) + 1)
            name = chance.randrange(len(NAMES) + 1)
            body, inlined = lists_of(self._prop(k + 1) for k in chance.sample(range(len(KEYS)), chance.randrange(6)))
            event = number(1, 100 + name) if name else b""
            event += number(2, at_us) + (number(3, c) if (c := chance.randrange(4)) else b"") + body
            event += (b"" if name else field(9, b"inline")) + inlined
            if chance.random() < 0.1:
                event += sint64(10, int((time.time() - chance.random() * 1e5) * 1e6))
            self.encoded.append(event)
            self.chains.append(client.chain_after(self.chains[-1], client.event_crc(self.nonce, event)))
            if chance.random() < 0.1:
                self.drop(len(self.encoded))

    def batch(self, first, last, low=1, **more):
        """With definitions and contexts of our own."""
        definitions = [(100 + i, name) for i, name in enumerate(NAMES, 1)] + list(enumerate(KEYS, 1))
        ours = b"".join(field(10, number(1, i) + field(2, text.encode())) for i, text in definitions)
        for i, user, session, attributes in CONTEXTS:
            context = number(1, i) + (field(2, user) if user else b"") + (field(3, session) if session else b"")
            context += b"".join(field(4, field(1, k) + (field(2, v) if v else b"")) for k, v in attributes)
            ours += field(11, context)
        return super().batch(first, last, low, **more).replace(client.DEFINITIONS, ours, 1)


class TwoFormatsTest(RegionTest):
    """A subclass names the settings of the second sink."""

    async def asyncSetUp(self):
        seed = int(os.environ.get("WADI_TEST_SEED", time.time_ns() & 0xFFFFFF))
        print("WADI_TEST_SEED", seed, flush=True)
        self.chance = random.Random(seed)
        self.second = None
        await super().asyncSetUp()

    @property
    def SETTINGS(self):
        self.second = self.root / "second"
        return {"\nadmin:": SECOND_SINK.format(path=self.second, roll=region.ROLL, settings=self.SECOND)}

    async def post(self, device, first, last, **more):
        status, ack = await asyncio.to_thread(client.post, self.region, device.batch(first, last, **more))
        self.assertEqual((status, ack.status, ack.agreed_through), (200, OK, last))

    async def traffic(self):
        for _ in range(STREAMS):
            device = Device(self.chance)
            device.record_random(EVENTS // STREAMS)
            middle, last = self.chance.randrange(20, 50), len(device.encoded)
            await self.post(device, 1, middle, resent_through=self.chance.randrange(middle))
            gap = self.chance.randrange(1, 5)  # numbers that another collector has settled
            await self.post(device, middle + 1 + gap, last, low=middle + 1 + gap)

    def _numbers(self):
        """How many numbers of the streams the JSON lines account for."""
        return sum(line["properties"]["count"] if line["name"].startswith("_wadi.") else 1 for line in self.region.lines())

    async def settled(self):
        """Both sinks have all that was sent."""
        await eventually(lambda: self._numbers() == STREAMS * (EVENTS // STREAMS), "every number is put out")
        count = sum(m["events"] for _, _, m in outputs.commits(self.region.events))
        await eventually(lambda: sum(m["events"] for _, _, m in outputs.commits(self.second)) >= count,
                         "the other sink has them too")

"""Every row of the table in schemas/README.md, with batches made by hand from that page."""

import asyncio
import re
import sys
import unittest

from client import (FORK, OK, REFUSED, REWIND, UNVERIFIED, Device, chain_after, crc32c, event_crc, let_go, number, post,
                    stream_after_fork)
from region import SOURCE, TRIMMED, RegionTest, eventually


class HandMadeTest(RegionTest):
    def setUp(self):
        self.device = Device(["1", "2", "3", "4", "5", "6", "7", "8", "9"])

    async def post(self, device, first, last, low=1, **more):
        return await asyncio.to_thread(post, self.region, device.batch(first, last, low, **more))

    async def assert_ok(self, through, device, first, last, low=1, **more):
        status, ack = await self.post(device, first, last, low, **more)
        self.assertEqual((status, ack.status, ack.agreed_through), (200, OK, through))

    async def assert_rewind(self, next_seq, device, first, last, low=1, **more):
        status, ack = await self.post(device, first, last, low, **more)
        self.assertEqual((status, ack.status, ack.next_seq), (409, REWIND, next_seq))

    async def assert_fork(self, through, device, first, last, low=1):
        status, ack = await self.post(device, first, last, low)
        self.assertEqual((status, ack.status, ack.agreed_through), (409, FORK, through))

    async def assert_unverified(self, next_seq, chain, device, first, last, low=1):
        status, ack = await self.post(device, first, last, low)
        self.assertEqual((status, ack.status, ack.next_seq, ack.chain), (409, UNVERIFIED, next_seq, chain))

    async def assert_files_hold(self, *audits):
        """Exactly these, each once. Waits for them."""
        await eventually(lambda: len(self.region.delivered()) >= len(audits), "the events are put out")
        await self.settle()
        found = sorted(a for a, lines in self.region.delivered().items() for _ in lines)
        self.assertEqual(found, sorted(audits))

    def said(self, name):
        """What the system itself says."""
        return [line for line in self.region.lines() if line["name"] == name]


class TableTest(HandMadeTest):
    # ---- first_seq > max(next_seq, low)

    async def test_rewind_of_an_unknown_stream_is_to_low(self):
        await self.assert_rewind(3, self.device, 5, 6, low=3)

    async def test_rewind_of_a_known_stream_is_to_the_greater(self):
        await self.assert_ok(3, self.device, 1, 3)
        await self.assert_rewind(4, self.device, 6, 7, low=2)
        await self.assert_rewind(6, self.device, 7, 8, low=6)
        self.assertEqual(self.region.conflicts("rewind"), 2)

    # ---- first_seq == low > next_seq

    async def test_unknown_stream_starts_at_low(self):
        await self.assert_ok(6, self.device, 5, 6, low=5)
        await self.assert_files_hold("5", "6")
        self.assertEqual(self.said("_wadi.gap"), [])
        self.assertEqual((await self.ledger())["gap"], 0)

    async def test_known_stream_goes_on_at_low_and_records_the_gap(self):
        await self.assert_ok(3, self.device, 1, 3)
        await self.assert_ok(9, self.device, 7, 9, low=7)
        await self.assert_files_hold("1", "2", "3", "7", "8", "9")
        gap = self.said("_wadi.gap")[0]["properties"]
        self.assertEqual(gap, {"first_seq": 4, "last_seq": 6, "count": 3, "reason": "settled_elsewhere"})
        ledger = await self.ledger()
        self.assertEqual((ledger["delivered"], ledger["gap"], ledger["numbers"]), (6, 3, 9))

    # ---- the chain before the batch disagrees, or is unknown

    async def test_chain_before_disagrees_above_low(self):
        twin = self.device.copy()
        twin.record("theirs")
        self.device.record("mine", "mine too")
        twin.record("theirs too")
        await self.assert_ok(11, self.device, 1, 11)
        await self.assert_rewind(8, twin, 11, 11, low=8)
        await self.assert_fork(9, twin, 8, 11, low=8)

    async def test_chain_before_disagrees_at_low(self):
        twin = Device(["a", "b", "c"])
        twin.stream = self.device.stream
        await self.assert_ok(2, self.device, 1, 2)
        await self.assert_fork(1, twin, 2, 3, low=2)

    async def test_chain_before_is_unknown(self):
        """It lies in a gap."""
        await self.assert_ok(3, self.device, 1, 3)
        await self.assert_ok(9, self.device, 7, 9, low=7)
        await self.assert_rewind(4, self.device, 5, 5, low=4)
        await self.assert_unverified(10, self.device.chains[9], self.device, 4, 5, low=4)
        await self.assert_ok(6, self.device, 4, 6, low=4)  # its end can be compared
        await self.assert_files_hold("1", "2", "3", "7", "8", "9")

    # ---- all agree

    async def test_duplicates_exact_partial_and_extending(self):
        await self.assert_ok(5, self.device, 1, 5)
        for first, last in ((1, 5), (2, 3), (5, 5), (1, 4)):
            await self.assert_ok(last, self.device, first, last)
        self.assertEqual((await self.ledger())["duplicates"], 12)
        await self.assert_ok(8, self.device, 4, 8)
        await self.assert_ok(9, self.device, 1, 9)
        await self.assert_files_hold(*self.device.audits)
        ledger = await self.ledger()
        self.assertEqual((ledger["delivered"], ledger["duplicates"], ledger["resent"]), (9, 22, 0))

    async def test_tombstone_of_what_was_delivered_counts_as_delivered(self):
        await self.assert_ok(3, self.device, 1, 3)
        twin = self.device.copy()
        twin.drop(2)
        twin.drop(5)
        await self.assert_ok(6, twin, 1, 6)
        await self.assert_ok(6, self.device, 4, 6)
        await self.assert_files_hold("1", "2", "3", "4", "6")
        dropped = [line["properties"]["first_seq"] for line in self.said("_wadi.dropped")]
        ledger = await self.ledger()
        self.assertEqual((dropped, ledger["delivered"], ledger["dropped"]["disk_quota"]), ([5], 5, 1))

    # ---- one disagrees

    async def test_fork_goes_on_in_the_derived_stream(self):
        twin, again = self.device.copy(), self.device.copy()
        self.device.record("mine")
        twin.record("theirs", "and more")
        again.record("theirs", "and more")
        await self.assert_ok(10, self.device, 1, 10)
        await self.assert_fork(9, twin, 3, 11, low=3)
        for forked in (twin, again):  # the second: a twin of the twin, or the same answer once more
            forked.fork(9)
            await self.assert_ok(11, forked, 10, 11, low=10)
        await self.assert_files_hold(*self.device.audits, "theirs", "and more")
        self.assertEqual({line["stream"] for line in self.region.delivered()["theirs"]}, {twin.stream.hex()})

    async def test_fork_at_the_first_event(self):
        twin = Device(["other"])
        twin.stream = self.device.stream
        await self.assert_ok(9, self.device, 1, 9)
        await self.assert_fork(0, twin, 1, 1)

    # ---- cannot be compared any more

    async def test_unverified_numbers_are_marked_when_they_come_again(self):
        await self.assert_ok(3, self.device, 1, 3)
        await self.assert_ok(9, self.device, 7, 9, low=7)
        await self.assert_unverified(10, self.device.chains[9], self.device, 4, 5, low=4)
        self.device.fork(3)
        await self.assert_ok(5, self.device, 4, 5, low=4, resent_through=5)
        await self.assert_files_hold("1", "2", "3", "4", "5", "7", "8", "9")
        marked = sorted(a for a, lines in self.region.delivered().items() if lines[0].get("resent"))
        self.assertEqual((marked, (await self.ledger())["resent"]), (["4", "5"], 2))

    # ---- whose numbers

    async def test_batch_of_a_version_only_is_answered_with_the_collectors_name(self):
        status, ack = await asyncio.to_thread(post, self.region, number(1, 1))
        self.assertEqual((status, ack.status, ack.refused_seq, ack.collector), (400, REFUSED, 0, "quickstart"))

    async def test_same_numbers_of_another_stream_are_others(self):
        other = self.device.copy()
        other.stream = Device().stream
        await self.assert_ok(9, self.device, 1, 9)
        await self.assert_ok(9, other, 1, 9)
        await eventually(lambda: len(self.region.lines()) == 18, "both are put out")


class TrimmedTableTest(HandMadeTest):
    """UNVERIFIED because the journal has let go what could be compared."""

    SETTINGS = TRIMMED

    async def test_unverified_once_the_journal_let_go(self):
        twin, parted = self.device.copy(), self.device.copy()
        self.device.record("mine", "mine too")
        parted.record("parted", "parted too", "parted three")
        for first, last in ((1, 5), (6, 9), (10, 11)):
            await self.assert_ok(last, self.device, first, last)
        await let_go(self.region)
        chain = self.device.chains[11]
        await self.assert_unverified(12, chain, twin, 1, 9)
        await self.assert_rewind(1, twin, 3, 9)
        await self.assert_unverified(12, chain, parted, 1, 12)  # they differ at 11, and where they part is gone
        await self.assert_ok(11, self.device, 1, 11)  # the end is the stream's, and that is kept for good
        await self.assert_ok(11, self.device, 11, 11)


class VectorsTest(unittest.TestCase):
    """The numbers that the page gives."""

    PAGE = (SOURCE / "schemas/README.md").read_text(encoding="utf-8")

    def test_crc(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)
        self.assertEqual(crc32c(bytes(32)), 0x8A9136AA)
        for nonce, crc in re.findall(r"\| nonce `(\w+)`, no event \| `(\w+)` \|", self.PAGE):
            self.assertEqual(event_crc(int(nonce, 0), b""), int(crc, 16))

    def test_chain(self):
        rows = re.findall(r"\| `(0|0x\w{16})` \| `(0x\w{8})` \| `(0x\w{16})` \|", self.PAGE)
        self.assertEqual(len(rows), 4)
        for before, crc, after in rows:
            self.assertEqual(chain_after(int(before, 0), int(crc, 16)), int(after, 16))

    def test_three_events_and_the_stream_after_a_fork(self):
        rows = re.findall(r"\| [123] \| `(\w+)` \| `(0x\w{8})` \| `(0x\w{16})` \|", self.PAGE)
        self.assertEqual(len(rows), 3)
        chains = [0]
        for encoded, crc, chain in rows:
            self.assertEqual(event_crc(0x12345678, bytes.fromhex(encoded)), int(crc, 16))
            chains.append(chain_after(chains[-1], int(crc, 16)))
            self.assertEqual(chains[-1], int(chain, 16))
        derived = re.search(r"the new stream is `(\w{32})`", self.PAGE).group(1)
        self.assertEqual(stream_after_fork(bytes(range(16)), 1, chains[2]).hex(), derived)


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

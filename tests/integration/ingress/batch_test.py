"""Bodies that are no batch, or too much of one: a status and a message, and the next batch is served."""

import gzip
import os

import rig
from rig import OK, REFUSED, RETRY, TOO_LARGE, batch, event, field, number, request, zstd

ZSTD, GZIP = ({"Content-Encoding": name}.items() for name in ("zstd", "gzip"))


class Bodies(rig.RigTest):
    options = {"decompressed_bytes": 262144, "body_bytes": 65536, "batch_numbers": 1000}

    def refused_each(self, bodies, words, ack_status=REFUSED, **how):
        client = self.client()
        for body in bodies:
            with self.subTest(body[:40]):
                self.assert_refused(client.post(body, **how), 400, ack_status, words)
        self.assert_served(client)

    def test_not_protobuf_then_400(self):
        self.refused_each([b"{\"event\": 1}", b"\0", b"\xff" * 400, b"hello, world", os.urandom(512)], "not a batch")

    def test_truncated_then_400(self):
        whole = batch()
        self.refused_each([whole[:n] for n in range(1, len(whole) - 60, 7)], "")

    def test_mistyped_then_400(self):
        wrong = [field(1, b"x") + batch()[2:], batch() + number(15, 3), batch(encoded=[field(2, b"soon")])]
        self.refused_each(wrong, "")

    def test_unknown_version_then_501_and_the_device_keeps_it(self):
        self.assert_refused(self.client().post(batch(version=77)), 501, RETRY, "version")

    def test_bad_event_then_its_number_is_named(self):
        answer = self.client().post(batch(first_seq=10, encoded=[event(0), event(1), b"\xff", event(3)]))
        self.assert_refused(answer, 400, REFUSED, "event 12")
        self.assertEqual(answer.ack.refused_seq, 12)

    def test_compressed_and_broken_then_400_and_the_device_keeps_it(self):
        raw = batch(100)
        z, g = zstd(raw), gzip.compress(raw)
        self.refused_each([z[:-3], z[:10], b"x", raw, g, z[:20] + b"!!!!" + z[24:], z + b"tail"], "zstd", RETRY,
                          headers=ZSTD)
        self.refused_each([g[:-3], g[:10], b"x", raw, z, g[:20] + b"!!!!" + g[24:], g + b"tail"], "gzip", RETRY,
                          headers=GZIP)

    def test_compressed_nonsense_then_400(self):
        self.refused_each([zstd(b"nonsense"), zstd(os.urandom(1000))], "not a batch", headers=ZSTD)
        self.refused_each([gzip.compress(b"nonsense")], "not a batch", headers=GZIP)

    def test_bomb_then_413_and_memory_stays_small(self):
        client = self.client()
        bombs = [(ZSTD, zstd(bytes(200 << 20))), (GZIP, gzip.compress(bytes(50 << 20))),
                 (ZSTD, zstd(bytes(262145))), (ZSTD, zstd(b"")[:0] + zstd(bytes(200000)) * 300)]
        for headers, bomb in bombs:
            self.assertLess(len(bomb), 65536)
            self.assert_refused(client.post(bomb, headers=headers), 413, TOO_LARGE, "262144")
        self.assert_served(client)
        with open(f"/proc/{self.rig.process.pid}/status") as status:
            anonymous = next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
        if not os.environ.get("WADI_SANITIZE"):
            self.assertLess(anonymous, 40_000, "KB")

    def test_more_numbers_than_allowed_then_413(self):
        client = self.client()
        self.assert_refused(client.post(batch(1001)), 413, TOO_LARGE, "more than is allowed")
        answer = client.post(batch(1000))
        self.assertEqual((answer.status, answer.ack.agreed_through), (200, 1000))

    def test_large_but_allowed_then_taken(self):
        client, raw = self.client(), batch(900, text="t" * 250)
        self.assertGreater(len(raw), 200_000)
        answer = client.post(zstd(raw), headers=ZSTD)
        self.assertEqual((answer.status, answer.ack.status), (200, OK))


class Length(rig.RigTest):
    options = {"body_bytes": 65536}

    def test_oversized_by_its_length_then_413_at_once(self):
        client = self.client()
        client.send(request(headers={"Content-Length": "65537"}.items()))
        self.assert_refused(client.response(), 413, TOO_LARGE, "65536")
        self.assertTrue(client.ended())
        self.assert_served()

    def test_oversized_and_sent_all_the_same_then_413_is_read(self):
        client = self.client()
        client.send(request(bytes(3 << 20)))
        self.assert_refused(client.response(), 413, TOO_LARGE, "65536")
        self.assert_served()

    def test_oversized_in_chunks_then_413(self):
        chunk = b"1000\r\n" + bytes(4096) + b"\r\n"
        head = request(headers={"Transfer-Encoding": "chunked"}.items(), drop=["Content-Length"])
        tiny = head + b"1;" + b"e" * 3000 + b"\r\nx\r\n"
        for data in (head + chunk * 17, tiny + (b"1;" + b"e" * 3000 + b"\r\nx\r\n") * 40):
            client = self.client()
            client.send(data)
            self.assert_refused(client.response(), 413, TOO_LARGE, "65536")
            self.assertTrue(client.ended())
        self.assert_served()

    def test_ended_within_the_body_then_400(self):
        client = self.client()
        client.send(request(batch(), headers={"Content-Length": "5000"}.items()))
        client.end()
        self.assert_refused(client.response(), 400, RETRY, "ended within the request")
        self.assert_served()

    def test_gone_within_the_body_then_nothing_else_is_disturbed(self):
        other = self.client()
        for n in (10, 100, 200):
            with self.rig.client() as client:
                client.send(request(batch(50))[:n])
        self.assert_served(other)

    def test_empty_chunked_body_then_400(self):
        client = self.client()
        client.send(request(headers={"Transfer-Encoding": "chunked"}.items(), drop=["Content-Length"]) + b"0\r\n\r\n")
        self.assert_refused(client.response(), 400, REFUSED, "not a batch")
        self.assert_served(client)


if __name__ == "__main__":
    rig.main()

"""HTTP as the collector speaks it: every way to ask properly, and every way not to."""

import gzip
import hashlib

import rig
from rig import OK, REFUSED, RETRY, UNAUTHORIZED, batch, request, zstd


def chunks(body, sizes, extension=b"", trailers=b""):
    """`body` cut into chunks of these sizes; the last takes the rest."""
    out, at = b"", 0
    for n in [*sizes, len(body) - sum(sizes)]:
        out += b"%x%s\r\n%s\r\n" % (n, extension, body[at : at + n])
        at += n
    return out + b"0\r\n" + trailers + b"\r\n"


def chunked(framed, version="1.1", **headers):
    headers = {"Transfer-Encoding": "chunked", **headers}
    return request(version=version, headers=headers.items(), drop=["Content-Length"]) + framed


class Good(rig.RigTest):
    def assert_taken(self, client, data):
        client.send(data)
        answer = client.response()
        self.assertIsNotNone(answer)
        self.assertEqual((answer.status, answer.ack.status), (200, OK), answer.body)

    def test_post_then_ack_on_the_collectors_clock(self):
        answer = self.client().post(batch(5))
        self.assertEqual((answer.status, answer.ack.status, answer.ack.agreed_through), (200, OK, 5))
        self.assertEqual(answer.ack.collector, "rig")
        self.assertGreater(answer.ack.received_us, 0)
        self.assertGreaterEqual(answer.ack.sent_us, answer.ack.received_us)
        self.assertLess(answer.ack.sent_us - answer.ack.received_us, 10_000_000)
        self.assertRegex(answer.headers["date"], r"^\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d GMT$")

    def test_every_encoding_then_kept_as_received(self):
        raw, client = batch(200, text="the same again"), self.client()
        for encoding, name, body in ((0, None, raw), (0, "identity", raw), (1, "gzip", gzip.compress(raw)),
                                     (2, "zstd", zstd(raw)), (2, "ZSTD", zstd(raw))):
            answer = client.post(body, headers={"Content-Encoding": name}.items() if name else ())
            self.assertEqual((answer.status, answer.ack.agreed_through), (200, 200), answer.body)
            seen = self.rig.submission()
            while seen["events"] != "200":
                seen = self.rig.submission()
            self.assertEqual((seen["encoding"], seen["bytes"], seen["raw"]),
                             (str(encoding), str(len(body)), str(len(raw))))

    def test_keep_alive_then_many_requests_on_one_connection(self):
        client = self.client()
        for _ in range(100):
            self.assert_served(client)

    def test_pipelined_then_answered_in_order(self):
        client = self.client()
        client.send(b"".join(request(batch(n)) for n in range(1, 60)))
        for n in range(1, 60):
            answer = client.response()
            self.assertEqual((answer.status, answer.ack.agreed_through), (200, n))

    def test_pipelined_with_refused_ones_then_in_order(self):
        client = self.client()
        client.send((request(method="GET") + request(batch(2)) + request(path="/other") + request(b"junk")) * 30)
        for _ in range(30):
            self.assertEqual([client.response().status for _ in range(4)], [405, 200, 404, 400])
        self.assert_served(client)

    def test_byte_by_byte_then_taken(self):
        client = self.client()
        for data in (request(batch()), chunked(chunks(batch(), [7]))):
            for i in range(len(data)):
                client.send(data[i : i + 1])
            self.assertEqual(client.response().status, 200)

    def test_chunked_then_taken(self):
        client, body = self.client(), batch(40)
        self.assert_taken(client, chunked(chunks(body, [1, 2, 300])))
        self.assert_taken(client, chunked(chunks(body, [10] * 30, extension=b";a=b")))
        self.assert_taken(client, chunked(chunks(body, [9], trailers=b"X-Sum: 1\r\nHost: other\r\n")))
        self.assert_served(client)

    def test_expect_continue_then_told_to_go_on(self):
        client, body = self.client(), batch()
        head, _, _ = request(body, headers={"Expect": "100-continue"}.items()).partition(b"\r\n\r\n")
        client.send(head + b"\r\n\r\n")
        self.assertEqual(client.response(body=False).status, 100)
        self.assert_taken(client, body)
        self.assert_served(client)

    def test_expect_continue_of_what_is_refused_then_told_at_once(self):
        client = self.client()
        client.send(request(headers={"Expect": "100-continue", "Content-Length": "500", "Content-Type": "text/html"}
                            .items()))
        self.assert_refused(client.response(), 415, REFUSED, "content-type")
        self.assertTrue(client.ended())
        self.assert_served()

    def test_connection_close_then_closed_after_the_answer(self):
        client = self.client()
        answer = client.post(batch(), headers={"Connection": "close"}.items())
        self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
        self.assertTrue(client.ended())

    def test_http_1_0_then_its_own_keep_alive(self):
        client = self.client()
        answer = client.post(batch(), version="1.0", headers={"Connection": "keep-alive"}.items())
        self.assertEqual((answer.status, answer.headers["connection"]), (200, "keep-alive"))
        answer = client.post(batch(), version="1.0", drop=["Host"])
        self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
        self.assertTrue(client.ended())

    def test_unusual_but_right_then_taken(self):
        client, body = self.client(), batch()
        for path in ("http://localhost/v1/batches", "https://localhost:8443/v1/batches?x=1", "/v1/batches?y"):
            self.assert_taken(client, request(body, path=path))
        self.assert_taken(client, b"\r\n" + request(body, headers={
            "Content-Type": "Application/X-Protobuf; x=y", "Host": "[::1]:8443", "Upgrade": "h2c",
            "Connection": "Upgrade, keep-alive", "X-Long": "v" * 2000}.items()))


class Refused(rig.RigTest):
    """Sound requests that are refused; the connection serves the next one."""

    def test_other_paths_and_methods_then_said_so(self):
        client = self.client()
        for path in ("/", "/v1/batch", "/v1/batches/", "/metrics", "/v1/batches%00", "/" + "a" * 200):
            answer = client.post(batch(), path=path)
            self.assertEqual((answer.status, answer.headers["content-type"]), (404, "text/plain; charset=utf-8"))
            self.assertIn(b"/v1/batches", answer.body)
        for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
            answer = client.post(b"", method=method)
            self.assert_refused(answer, 405, REFUSED, "POST")
            self.assertEqual(answer.headers["allow"], "POST")
        self.assert_served(client)

    def test_head_then_no_body_follows(self):
        client = self.client()
        client.send(request(method="HEAD"))
        self.assertEqual(client.response(body=False).status, 405)
        self.assert_served(client)

    def test_content_type_then_415(self):
        client = self.client()
        for content_type in ("application/json", "text/plain", "application/x-protobuff", ""):
            answer = client.post(batch(), headers={"Content-Type": content_type}.items())
            self.assert_refused(answer, 415, REFUSED, "application/x-protobuf")
            self.assertEqual(answer.headers["accept"], "application/x-protobuf")
        self.assert_refused(client.post(batch(), drop=["Content-Type"]), 415, REFUSED, "application/x-protobuf")
        self.assert_served(client)

    def test_content_encoding_then_415_with_the_list(self):
        client = self.client()
        for encoding in ("br", "deflate", "gzip, zstd", "snappy"):
            answer = client.post(batch(), headers={"Content-Encoding": encoding}.items())
            self.assert_refused(answer, 415, REFUSED, "zstd, gzip")
            self.assertEqual(answer.headers["accept-encoding"], "zstd, gzip, identity")
        self.assert_served(client)

    def test_no_body_then_411(self):
        client = self.client()
        self.assert_refused(client.post(b"", drop=["Content-Length"]), 411, REFUSED, "content-length")
        self.assert_refused(client.post(b""), 411, REFUSED, "content-length")
        self.assert_served(client)

    def test_connect_then_no_tunnel(self):
        client = self.client()
        client.send(request(method="CONNECT", path="example.org:443", drop=["Content-Length", "Content-Type"]))
        self.assertEqual(client.response().status, 404)


# Each is an attempt at making two readers see two different requests, or is simply broken.
POST = b"POST /v1/batches HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
TYPE = b"Content-Type: application/x-protobuf\r\n"
MALFORMED = {
    "no host": POST + TYPE + b"Content-Length: 0\r\n\r\n",
    "host twice": POST + HOST + HOST + b"Content-Length: 0\r\n\r\n",
    "empty host": POST + b"Host: \r\nContent-Length: 0\r\n\r\n",
    "host with a path": POST + b"Host: a/b\r\nContent-Length: 0\r\n\r\n",
    "two hosts in one": POST + b"Host: a, b\r\nContent-Length: 0\r\n\r\n",
    "two content-lengths": POST + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "the same content-length twice": POST + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "content-lengths in one": POST + HOST + b"Content-Length: 5, 5\r\n\r\nhello",
    "negative content-length": POST + HOST + b"Content-Length: -5\r\n\r\nhello",
    "signed content-length": POST + HOST + b"Content-Length: +5\r\n\r\nhello",
    "hex content-length": POST + HOST + b"Content-Length: 0x5\r\n\r\nhello",
    "content-length over 64 bits": POST + HOST + b"Content-Length: 18446744073709551621\r\n\r\nhello",
    "space in content-length": POST + HOST + b"Content-Length: 5 5\r\n\r\nhello",
    "content-length and chunked": POST + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and content-length": POST + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "space before the colon": POST + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "tab before the colon": POST + HOST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked is not the last": POST + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "vertical tab before chunked": POST + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST /v1/batches HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded header": POST + HOST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "folded other header": POST + HOST + b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": POST.replace(b"\r", b"") + HOST.replace(b"\r", b"") + b"Content-Length: 0\n\n",
    "bare line feed after one header": POST + HOST + b"X-A: b\nContent-Length: 0\r\n\r\n",
    "bare carriage return": POST + HOST + b"X-A: b\rContent-Length: 0\r\n\r\n",
    "NUL in a value": POST + HOST + b"X-A: b\0c\r\nContent-Length: 0\r\n\r\n",
    "NUL in a name": POST + HOST + b"X-\0A: b\r\nContent-Length: 0\r\n\r\n",
    "no colon": POST + HOST + b"X-A b\r\nContent-Length: 0\r\n\r\n",
    "empty name": POST + HOST + b": b\r\nContent-Length: 0\r\n\r\n",
    "space in the method": b"PO ST /v1/batches HTTP/1.1\r\n" + HOST + b"\r\n",
    "method in lower case": b"post /v1/batches HTTP/1.1\r\n" + HOST + b"\r\n",
    "no target": b"POST HTTP/1.1\r\n" + HOST + b"\r\n",
    "space in the target": b"POST /v1/batches /x HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment in the target": b"POST /v1/batches#x HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
    "space before the first header": POST + b" " + HOST + b"Content-Length: 0\r\n\r\n",
    "bad chunk size": POST + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n",
    "signed chunk size": POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    "chunk longer than its size": POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
    "chunk size over 64 bits": POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n1" + b"0" * 16 + b"\r\nhello\r\n",
    "bare line feed after a chunk size": POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "not HTTP at all": b"\x00\x01\x02\x03 nothing of the kind\r\n\r\n",
    "authorization twice": POST + HOST + b"Authorization: a\r\nAuthorization: b\r\nContent-Length: 0\r\n\r\n",
}
OTHERWISE = {
    "HTTP/2.0": (505, b"POST /v1/batches HTTP/2.0\r\n" + HOST + b"\r\n"),
    "HTTP/1.2": (505, b"POST /v1/batches HTTP/1.2\r\n" + HOST + b"\r\n"),
    "HTTP/0.9": (505, b"POST /v1/batches HTTP/0.9\r\n" + HOST + b"\r\n"),
    "nearly chunked": (501, POST + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "no version": (505, b"POST /v1/batches\r\n" + HOST + b"\r\n"),
    "HTTP/2's preface": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "gzip as transfer-encoding": (501, POST + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "another expectation": (417, POST + HOST + b"Expect: a-miracle\r\nContent-Length: 0\r\n\r\n"),
}


class Malformed(rig.RigTest):
    def assert_ends_with(self, status, data):
        smuggled = request(batch(), path="/smuggled")
        client = self.client()
        client.send(data + smuggled)
        answer = client.response()
        self.assertIsNotNone(answer, "no answer")
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.headers["connection"], "close")
        if answer.ack and status in (400, 501, 505):
            self.assertEqual(answer.ack.status, RETRY, "a device gives events up for what is refused")
        self.assertTrue(client.ended(), "something was read behind it")

    def test_malformed_then_400_and_closed(self):
        for name, data in MALFORMED.items():
            with self.subTest(name):
                self.assert_ends_with(400, data)
        self.assert_served()

    def test_otherwise_unacceptable_then_its_own_status_and_closed(self):
        for name, (status, data) in OTHERWISE.items():
            with self.subTest(name):
                self.assert_ends_with(status, data)
        self.assert_served()


class Keys(rig.RigTest):
    """API keys: `tea` is acme's."""

    options = {"api_key": "acme:" + hashlib.sha256(b"tea").hexdigest()}

    def test_key_then_its_tenant(self):
        client = self.client()
        for value in ("Bearer tea", "bearer tea"):
            self.assertEqual(client.post(batch(), headers={"Authorization": value}.items()).status, 200)
            self.assertEqual(self.rig.submission()["tenant"], "acme")

    def test_no_key_or_a_wrong_one_then_401(self):
        client = self.client()
        for value in ("Bearer coffee", "Bearer tea2", "Bearer te", "Bearer", "Basic tea", "tea", ""):
            answer = client.post(batch(), headers={"Authorization": value}.items())
            self.assert_refused(answer, 401, UNAUTHORIZED, "not known")
            self.assertIn("Bearer", answer.headers["www-authenticate"])
        self.assert_refused(client.post(batch()), 401, UNAUTHORIZED, "needed")
        self.assertEqual(client.post(batch(), headers={"Authorization": "Bearer tea"}.items()).status, 200)


if __name__ == "__main__":
    rig.main()

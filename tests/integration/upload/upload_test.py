"""The uploader, in a real process with a real store, against a collector that misbehaves."""

import email.utils
import os
import pathlib
import signal
import socket
import struct
import time
import unittest

from fake_collector import (DEADLINE_S, FORK, REFUSED, RETRY, REWIND, SOURCE, TOO_LARGE, UNAUTHORIZED, FakeCollector, SendTest,
                            ack, close, cut, derived_stream, eventually, http, silent, slowly, take)

TOO_MANY = 30
CLOCK_SEAM = pathlib.Path(os.environ.get("WADI_BUILD_DIR", "build")) / "tests/integration/clocks/clock_seam.so"


def too_large(collector, batch, _link):
    return ack(TOO_LARGE, 413) if len(batch.numbers) > TOO_MANY else collector.take(batch)


def refuse_number_37(named):
    def act(collector, batch, _link):
        bad = any(seq == 37 and event for seq, _, event, _ in batch.numbers)
        return ack(REFUSED, 400, refused_seq=37 if named else 0) if bad else collector.take(batch)

    return act


class Transport(SendTest):
    def test_tls(self):
        with FakeCollector(certs=self.certs) as collector:
            self.environment["WADI_API_KEY"] = "secret"
            self.acked(collector, "--json", stdin=self.many(3))
            self.assert_delivered(collector, 3)
            headers = collector.requests[0].headers
            self.assertEqual(headers[":request"], "POST /v1/batches HTTP/1.1")
            self.assertEqual(headers["host"], f"localhost:{collector.port}")
            self.assertEqual(headers["content-type"], "application/x-protobuf")
            self.assertEqual(headers["content-encoding"], "zstd")
            self.assertEqual(headers["authorization"], "Bearer secret")

    def test_a_days_bytes_are_spent_over_restarts_too(self):
        budget = ["--upload-bytes-per-day-max", "100"]
        with FakeCollector() as collector:
            self.acked(collector, *budget, "e")  # more than a day's, but its first
            sent = len(collector.requests)
            for _ in range(2):
                said = self.send(collector, *budget, "--wait", "acked", "--timeout-ms", "500", "e", expect=75)
                self.assertIn("upload_bytes_per_day_max", said)
            self.assertEqual(len(collector.requests), sent)
            self.acked(collector, "e")  # without the limit all goes
            self.assertEqual(len(collector.delivered), 4)

    def test_batches_get_smaller_to_fit_into_a_day(self):
        budget = ["--upload-bytes-per-day-max", "400"]
        with FakeCollector() as collector:
            self.send(collector, *budget, "--json", "--wait", "acked", "--timeout-ms", "3000", stdin=self.many(500),
                      expect=75)
            self.assertGreater(len(collector.delivered), 0)
            self.acked(collector, "e")  # without the limit all goes
            self.assertEqual(len(collector.delivered), 501)

    def test_every_day_brings_some_through(self):
        """Its first connection of a day asks for the time, which is no part of the day's bytes."""
        if not CLOCK_SEAM.exists() or os.environ.get("WADI_SANITIZE"):
            self.skipTest("no clocks that can be set")
        clocks = pathlib.Path(self.dir) / "clocks"
        self.environment |= {"LD_PRELOAD": str(CLOCK_SEAM), "WADI_TEST_CLOCKS": str(clocks)}
        budget = ["--upload-bytes-per-day-max", "300", "--wait", "acked", "--timeout-ms", str(DEADLINE_S * 1000), "--json"]
        with FakeCollector() as collector:
            for day in range(4):
                before = len(collector.delivered)
                clocks.write_bytes(struct.pack("<qqq", 0, day * 25 * 3600 * 1_000_000, 0))  # of the boot clock alone
                sender = self.start(collector, *budget)
                sender.stdin.write(self.many(1000 if day == 0 else 1))
                sender.stdin.close()
                said = sender.stderr.readline()  # once what went out is acknowledged
                sender.kill()
                sender.wait()
                sender.stderr.close()
                self.assertIn(b"upload_bytes_per_day_max", said)
                self.assertGreater(len(collector.delivered), before, f"day {day + 1}")

    def test_a_session_is_resumed(self):
        with FakeCollector([ack(RETRY, 503, "Connection: close")], certs=self.certs) as collector:
            self.acked(collector, "--json", stdin=self.many(3))
            self.assertEqual([r.resumed for r in collector.requests], [False, True])

    def test_an_unknown_ca(self):
        with FakeCollector(certs=self.certs) as collector:
            said = self.send(collector, "--ca-file", f"{self.certs}/other-ca.pem", "--wait", "acked", "--timeout-ms",
                             "1000", "e", expect=75)
            self.assertIn("not correctly signed", said)
            self.assertEqual(collector.requests, [])
            self.acked(collector, "e")
            self.assertEqual(len(collector.delivered), 2)

    def test_a_client_certificate(self):
        with FakeCollector(certs=self.certs, client_auth=True) as collector:
            self.send(collector, "--wait", "acked", "--timeout-ms", "1000", "e", expect=75)
            self.acked(collector, "--cert-file", f"{self.certs}/client.pem", "--key-file", f"{self.certs}/client.key", "e")
            self.assertEqual(len(collector.delivered), 2)

    def test_a_kept_connection_that_dies(self):
        """A new one takes its place at once: no back-off."""
        with FakeCollector([take, close]) as collector:
            process = self.start(collector, "--json", "--flush-ms", "10", "--wait", "acked", "--timeout-ms", "30000")
            process.stdin.write(self.many(1))
            process.stdin.flush()
            collector.wait_requests(1)
            eventually(lambda: collector.delivered, "the first event")
            process.communicate(b'{"name":"e","i":1}\n')
            self.assertEqual(process.returncode, 0)
            self.assert_delivered(collector, 2)
            self.assertEqual([r.connection for r in collector.requests], [1, 1, 2])
            self.assertLess(collector.requests[2].at - collector.requests[1].at, 0.4)

    def test_answers_cut_anywhere(self):
        whole = ack(RETRY, 503)
        for n in (1, 20, len(whole) // 2, len(whole) - 1):
            with FakeCollector([cut(whole, n)]) as collector:
                self.acked(collector, "--json", stdin=self.many(5))
                self.assert_delivered(collector, 5)
                self.assertEqual(len(collector.requests), 2)

    def test_a_slow_answer(self):
        with FakeCollector([slowly]) as collector:
            self.acked(collector, "--json", stdin=self.many(5))
            self.assert_delivered(collector, 5)
            self.assertEqual(len(collector.requests), 1)

    def test_no_answer_at_all(self):
        with FakeCollector([silent]) as collector:
            started = time.monotonic()
            self.send(collector, "--wait", "acked", "--timeout-ms", "500", "--json", stdin=self.many(5), expect=75)
            self.assertLess(time.monotonic() - started, 10)
            self.acked(collector, "--json", stdin=b'{"name":"e","i":5}\n')
            self.assert_delivered(collector, 6)

    def test_nobody_there(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # and never listens
            started = time.monotonic()
            endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            said = self.send(None, "--endpoint", endpoint, "--timeout-ms", "20000", "e")
            self.assertLess(time.monotonic() - started, 5, "offline, closing does not wait")
            self.assertIn("refused", said)


class Answers(SendTest):
    def run_script(self, script, n=100, without=()):
        with FakeCollector(script) as collector:
            self.acked(collector, "--json", stdin=self.many(n))
            self.assert_delivered(collector, n, without)
            return collector

    def test_retry_after_in_seconds(self):
        requests = self.run_script([http(503, b"", "Retry-After: 1")]).requests
        self.assertGreaterEqual(requests[1].at - requests[0].at, 1)

    def test_retry_after_as_a_date(self):
        """Relative to the answer's own Date, whatever the device believes."""
        date, later = (email.utils.formatdate(784111777 + s, usegmt=True) for s in (0, 1))
        requests = self.run_script([http(503, b"", f"Date: {date}", f"Retry-After: {later}")]).requests
        self.assertGreaterEqual(requests[1].at - requests[0].at, 1)

    def test_retry_after_in_the_ack(self):
        requests = self.run_script([ack(RETRY, 503, wait_ms=1000)]).requests
        self.assertGreaterEqual(requests[1].at - requests[0].at, 1)

    def test_retry_after_outlives_a_restart(self):
        with FakeCollector([ack(RETRY, 503, wait_ms=3600_000)]) as collector:
            self.send(collector, "--json", stdin=self.many(1))
            self.send(collector, "--json", stdin=self.many(1))
            self.assertEqual(len(collector.requests), 1)

    def test_statuses_without_an_ack(self):
        for answer in (*map(http, (500, 502, 408, 429, 404)), http(302, b"", "Location: http://x/")):
            self.assertEqual(len(self.run_script([answer]).requests), 2)

    def test_a_captive_portal(self):
        self.run_script([http(200, b"<html>" + b"Log in to the hotel. " * 1000, "Content-Type: text/html")])

    def test_too_large(self):
        sizes = [len(r.batch.numbers) for r in self.run_script([too_large] * 50).requests]
        self.assertEqual(sizes[0], 100)
        self.assertLessEqual(min(sizes), TOO_MANY)

    def test_refused_by_number(self):
        collector = self.run_script([refuse_number_37(True)] * 50, without=[36])
        self.assertEqual(collector.dropped, {37: 3})
        self.assertEqual(len(collector.requests), 2)

    def test_refused_without_saying_which(self):
        collector = self.run_script([refuse_number_37(False)] * 100, without=[36])
        self.assertEqual(collector.dropped, {37: 3})

    def test_encodings_fall_back(self):
        requests = self.run_script([http(415), http(415)]).requests
        self.assertEqual([r.headers.get("content-encoding") for r in requests], ["zstd", "gzip", None])

    def test_rewind(self):
        requests = self.run_script([ack(REWIND, 409, next_seq=1)]).requests
        self.assertEqual([r.batch.first_seq for r in requests], [1, 1])

    def test_fork(self):
        def fork(collector, batch, _link):
            """Somebody else's number 41 came first: the numbers through 40 are known, and agree."""
            collector.take(batch)
            collector.delivered[40:] = []
            return ack(FORK, 409, through=40)

        with FakeCollector([fork]) as collector:
            self.acked(collector, "--json", stdin=self.many(100))
            self.assert_delivered(collector, 100)
            first, second = (r.batch for r in collector.requests)
            before, at = (collector.chains[first.stream, seq] for seq in (41, 42))
            self.assertEqual((second.first_seq, second.low, second.chain), (41, 41, before))
            self.assertEqual(second.stream, derived_stream(first.stream, 41, at))

    def test_derived_stream_is_as_the_page_says(self):
        with open(f"{SOURCE}/schemas/README.md", encoding="utf-8") as page:
            derived = derived_stream(bytes(range(16)), 2, 0x6C5AFF5430D7D65B)  # of its three events
            self.assertIn(f"the new stream is `{derived.hex()}`", page.read())

    def test_unauthorized_keeps_everything(self):
        with FakeCollector([ack(UNAUTHORIZED, 401)]) as collector:
            said = self.send(collector, "--wait", "acked", "--timeout-ms", "1500", "--json", stdin=self.many(5), expect=75)
            self.assertIn("401", said)
            self.assertEqual(len(collector.requests), 1)
            self.acked(collector, "--json", stdin=b'{"name":"e","i":5}\n')
            self.assert_delivered(collector, 6)


class Crashes(SendTest):
    def test_killed_between_request_and_answer(self):
        with FakeCollector([silent]) as collector:
            process = self.start(collector, "--json")
            process.stdin.write(self.many(20))
            process.stdin.close()
            collector.wait_requests(1)
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stderr.close()
            self.acked(collector, "--json", stdin=b'{"name":"e","i":20}\n')
            self.assert_delivered(collector, 21)
            first, second = collector.requests[0].batch, collector.requests[1].batch
            self.assertEqual((first.stream, first.first_seq), (second.stream, second.first_seq))

    def test_the_clock_offset_is_known_before_anything_is_sent(self):
        with FakeCollector() as collector:
            self.acked(collector, "e")
            self.acked(collector, "e")
            for clock in (r.batch.clock for r in collector.requests):
                self.assertEqual(len(clock[4]), 1)
                boot_us, wall_us = clock[2][0], clock[3][0] >> 1
                self.assertAlmostEqual((clock[4][0] >> 1) / 1e6, (wall_us - boot_us) / 1e6, delta=1)


if __name__ == "__main__":
    unittest.main()

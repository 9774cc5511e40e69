"""Between devices and the journal: when it is behind, when a device leaves, when the collector stops."""

import rig
from rig import OK, RETRY, batch, request


class Journal(rig.RigTest):
    def test_journal_refuses_then_503_with_retry_after(self):
        client = self.client()
        self.rig.tell("refuse")
        answer = rig.eventually(lambda: self.unless(client.post(batch()), 200), "a refusal")
        self.assertEqual((answer.status, answer.ack.status), (503, RETRY))
        self.assertEqual((answer.headers["retry-after"], answer.ack.retry_after_ms), ("1", 1500))
        self.rig.tell("go")
        rig.eventually(lambda: client.post(batch()).status == 200, "it is served again")

    @staticmethod
    def unless(answer, status):
        return answer if answer.status != status else None

    def test_journal_is_behind_then_503_and_what_waits_is_answered_later(self):
        """The queue holds a bounded number of batches; the rest is told to come back."""
        self.rig.tell("hold")
        clients = [self.client() for _ in range(20)]
        for client in clients:
            client.send(request(batch()))
        self.rig.tell("go")
        for client in clients:
            answer = client.response()
            self.assertIn((answer.status, answer.ack.status), ((200, OK), (503, RETRY)))
            if answer.status == 503:
                self.assertIn("behind", answer.ack.message)
                self.assertIn(answer.headers["retry-after"], ("1", "2"))
                self.assertTrue(1000 <= answer.ack.retry_after_ms < 2000)
        self.assert_served()

    def test_device_leaves_before_its_answer_then_nobody_gets_it(self):
        self.rig.tell("mute")
        for _ in range(20):
            with self.rig.client() as client:
                client.send(request(batch(7)))
                while self.rig.submission()["events"] != "7":
                    pass
        others = [self.client() for _ in range(20)]
        self.rig.tell("go")
        for other in others:
            self.assert_served(other)

    def test_next_request_while_the_journal_thinks_then_answered_after(self):
        self.rig.tell("mute")
        client = self.client()
        client.send(request(batch(1)))
        while self.rig.submission()["events"] != "1":
            pass
        for n in range(2, 50):
            client.send(request(batch(n)))
        self.rig.tell("go")
        for n in range(1, 50):
            self.assertEqual(client.response().ack.agreed_through, n)

    def test_device_ends_its_side_before_the_answer_then_gets_it(self):
        self.rig.tell("mute")
        client = self.client()
        client.send(request(batch(4)))
        while self.rig.submission()["events"] != "4":
            pass
        client.end()
        self.rig.tell("go")
        answer = client.response()
        self.assertEqual((answer.status, answer.ack.agreed_through), (200, 4))
        self.assertTrue(client.ended())


class Metrics(rig.RigTest):
    def test_everything_that_happens_then_counted(self):
        client = self.client()
        client.post(batch(5))
        client.post(batch(7))
        client.post(b"junk")
        client.post(batch(), path="/")
        refused = client.post(batch(encoded=[b"\xff"]))
        self.rig.tell("refuse")
        rig.eventually(lambda: client.post(batch(1)).status == 503, "a refusal")
        self.client(plain=True).send(b"GET / HTTP/1.1\r\n\r\n")
        rig.eventually(lambda: self.rig.metrics()["ingest_handshakes_failed_total"] == 1, "it is noticed")
        metrics = self.rig.metrics()
        self.assertEqual(refused.ack.refused_seq, 1)
        for name, value in {'ingest_requests_total{protocol="batches",code="400"}': 2,
                            'ingest_requests_total{protocol="batches",code="503"}': 1,
                            'ingest_requests_total{protocol="other",code="404"}': 1,
                            'ingest_requests_total{protocol="other",code="400"}': 1,
                            'backpressure_responses_total{code="503"}': 1,
                            "ingest_events_refused_total": 1,
                            "ingest_connections_accepted_total": 2}.items():
            self.assertEqual(metrics[name], value, name)
        taken = metrics['ingest_requests_total{protocol="batches",code="200"}']
        self.assertGreaterEqual(taken, 2)
        self.assertEqual(metrics["ingest_events_received_total"], 12 + (taken - 2) + 1)
        self.assertEqual(metrics["ingest_request_duration_seconds_count"], taken + 4)
        client.socket.close()
        rig.eventually(lambda: self.rig.metrics()["ingest_connections"] == 0, "all connections are gone")


class Stop(rig.RigTest):
    def test_drain_then_idle_ones_end_and_the_others_are_answered_first(self):
        self.rig.tell("mute")
        idle, waiting, sending = self.client(), self.client(), self.client()
        waiting.send(request(batch(9)))
        while self.rig.submission()["events"] != "9":
            pass
        sending.send(request(headers={"Expect": "100-continue", "Content-Length": str(len(batch(2)))}.items()))
        self.assertEqual(sending.response(body=False).status, 100)
        self.rig.tell("drain")
        self.assertTrue(idle.ended())
        rig.eventually(self.is_refused, "nobody is accepted")
        sending.send(batch(2))
        while self.rig.submission()["events"] != "2":
            pass
        self.rig.tell("go")
        for client in (waiting, sending):
            answer = client.response()
            self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
            self.assertTrue(client.ended())

    def is_refused(self):
        try:
            with self.rig.client(plain=True):
                return False
        except OSError:
            return True


class StopUnderLoad(rig.RigTest):
    def test_stop_with_answers_outstanding_then_it_ends_well(self):
        """The check is the rig's exit: no leak, no race, in time."""
        self.rig.tell("mute")
        for _ in range(30):
            self.client().send(request(batch()))
        for _ in range(30):
            self.rig.submission()


if __name__ == "__main__":
    rig.main()

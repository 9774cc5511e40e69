"""Limits and deadlines: who is slow, large or too many is told so, and nobody else notices."""

import os
import resource
import socket

import rig
from rig import OK, RETRY, batch, request


class SlowHandshake(rig.RigTest):
    options = {"handshake_us": 1_500_000}

    def test_no_handshake_then_closed(self):
        clients = [self.client(plain=True) for _ in range(3)]
        for client, first in zip(clients, (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01")):
            client.send(first)
        for client in clients:
            client.ended()
        self.assert_served()


class Slow(rig.RigTest):
    options = {"header_us": 400_000, "body_us": 400_000, "idle_us": 2_000_000}

    def test_idle_then_closed_without_a_word(self):
        fresh, used = self.client(), self.client()
        self.assert_served(used)
        self.assertTrue(fresh.ended())
        self.assertTrue(used.ended())

    def test_slow_header_then_408(self):
        for part in (b"P", request(batch())[:20], b"\r\n"):
            client = self.client()
            client.send(part)
            answer = client.response()
            self.assertEqual((answer.status, answer.headers["connection"]), (408, "close"))
            self.assertTrue(client.ended())
        self.assert_served()

    def test_slow_body_then_408(self):
        client = self.client()
        client.send(request(batch())[:-1])
        self.assert_refused(client.response(), 408, RETRY, "slowly")
        self.assertTrue(client.ended())
        self.assert_served()

    def test_dripping_header_then_408_all_the_same(self):
        client, data = self.client(), request(headers={"X-Long": "x" * 3000}.items())
        client.socket.settimeout(0.02)
        for i in range(len(data)):
            client.send(data[i : i + 1])
            try:
                client.buffer += client.socket.recv(65536)
                break
            except TimeoutError:
                pass
        self.assertEqual(client.response().status, 408)

    def test_answers_not_read_then_closed(self):
        client = self.client(receive_bytes=4096)
        client.socket.settimeout(0.3)
        try:
            for _ in range(100):
                client.send(request(batch(), path="/other") * 200)
        except (TimeoutError, OSError):
            pass
        rig.eventually(lambda: self.is_reset(client), "the connection ends")
        self.assert_served()

    @staticmethod
    def is_reset(client):
        """Without reading: what is sent fails."""
        try:
            client.send(b"x")
            return False
        except TimeoutError:
            return False
        except OSError:
            return True


class Large(rig.RigTest):
    options = {"header_bytes": 2048}

    def test_head_over_its_limit_then_431(self):
        for headers in ({"X-Long": "x" * 2048}, {f"X-{i}": "v" for i in range(400)}, {"Authorization": "x" * 1500}):
            client = self.client()
            client.send(request(batch(), headers=headers.items()))
            answer = client.response()
            self.assertEqual(answer.status, 431, answer.body)
            self.assertTrue(client.ended())
        self.assert_served()

    def test_head_up_to_its_limit_then_taken(self):
        empty = len(request(batch(), headers={"X-Long": ""}.items())) - len(batch())
        answer = self.client().post(batch(), headers={"X-Long": "x" * (2048 - empty)}.items())
        self.assertEqual(answer.status, 200)
        client = self.client()
        client.send(request(batch(), headers={"X-Long": "x" * (2049 - empty)}.items()))
        self.assertEqual(client.response().status, 431)

    def test_long_target_then_414(self):
        client = self.client()
        client.send(request(batch(), path="/" + "a" * 300))
        self.assertEqual(client.response().status, 414)
        self.assert_served()


class Many(rig.RigTest):
    options = {"connections": 50}

    def test_one_connection_too_many_then_closed_and_the_others_served(self):
        clients = [self.client() for _ in range(50)]
        extra = self.client(plain=True)
        self.assertTrue(extra.ended())
        for client in clients:
            self.assert_served(client)
        clients.pop().socket.close()
        rig.eventually(self.is_open, "a place is free again")

    def is_open(self):
        try:
            with self.rig.client() as client:
                return client.post(batch()).status == 200
        except OSError:
            return False

    def test_batches_of_many_connections_at_once_then_all_answered(self):
        clients = [self.client() for _ in range(50)]
        for _ in range(20):
            for n, client in enumerate(clients, 1):
                client.send(request(batch(n)))
            for n, client in enumerate(clients, 1):
                answer = client.response()
                self.assertEqual((answer.status, answer.ack.agreed_through), (200, n))


class Dealt(rig.RigTest):
    """With a rig of its own: it takes every batch that the journal is given."""

    def test_connections_then_dealt_out_evenly(self):
        clients = [self.client() for _ in range(10)]
        for client in clients:
            self.assert_served(client)
        loops = sorted(self.rig.submission()["loop"] for _ in clients)
        self.assertEqual(loops, ["0"] * 5 + ["1"] * 5)


class Descriptors(rig.RigTest):
    def test_no_descriptor_left_then_accepted_when_there_is_one(self):
        pid = self.rig.process.pid
        clients = [self.client() for _ in range(10)]
        used = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, used))
        waiting = self.client(plain=True)
        for client in clients:
            self.assert_served(client)
        clients.pop().socket.close()
        waiting.start_tls()
        self.assert_served(waiting)


class Buffered(rig.RigTest):
    options = {"buffered_bytes": 2, "body_bytes": 65536, "connections": 100}

    def test_bodies_beyond_the_memory_for_them_then_503_and_later_served(self):
        clients = [self.client() for _ in range(12)]
        for client in clients:
            client.send(request(bytes(60000))[:-1])
        answers = [client for client in clients if self.answered(client)]
        self.assertTrue(answers)
        self.assertLess(len(answers), 12)
        for client in answers:
            self.assert_refused(client.response(), 503, RETRY, "at once")
        for client in clients:
            client.socket.close()
        rig.eventually(lambda: self.client().post(batch()).status == 200, "memory is free again")

    @staticmethod
    def answered(client):
        client.socket.settimeout(1)
        try:
            return client._more() != b""
        except (TimeoutError, socket.timeout):
            return False
        finally:
            client.socket.settimeout(rig.DEADLINE_S)


if __name__ == "__main__":
    rig.main()

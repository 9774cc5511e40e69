"""The TLS port: who may in, and what those hear who may not."""

import os
import ssl
import unittest

import rig
from rig import UNAUTHORIZED, batch, request


class Server(rig.RigTest):
    def test_plain_http_then_told_in_plain_http(self):
        for data in (request(batch()), b"GET / HTTP/1.0\r\n\r\n", b"G", request(bytes(1 << 20))):
            client = self.client(plain=True)
            client.send(data)
            answer = client.response()
            self.assertIsNotNone(answer)
            self.assertEqual(answer.status, 400)
            self.assertIn(b"TLS", answer.body)
            self.assertTrue(client.ended())
        self.assert_served()

    def test_no_tls_at_all_then_closed(self):
        for data in (b"\0" * 100, b"\x16\x03\x01\x00\x05\x02\x00\x00\x01x", b"\x80\x2e\x01\x00\x02" * 20, b"ssh-2.0-x\r\n"):
            client = self.client(plain=True)
            client.send(data)
            client.ended()
        self.assert_served()

    def test_versions_then_1_2_and_1_3(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = self.client(version=version)
            self.assert_served(client)
            self.assertEqual(client.socket.version(), version.name.replace("_", "."))

    def test_many_handshakes_at_once_then_all_served(self):
        clients = [self.client(plain=True) for _ in range(300)]
        for client in clients:
            client.start_tls(wait=False)
        for client in clients:
            client.socket.do_handshake()
        for client in clients:
            self.assert_served(client)

    def test_closed_by_notify_then_notified_too(self):
        client = self.client()
        self.assert_served(client)
        client.socket.unwrap().close()


@unittest.skipUnless(os.path.exists("/proc/net/if_inet6"), "this machine has no IPv6")
class BothProtocols(rig.RigTest):
    options = {"listen": "[::]:0"}

    def test_all_addresses_then_ipv4_and_ipv6(self):
        for host in ("127.0.0.1", "::1"):
            self.assert_served(self.client(host=host))


class ClientCertificates(rig.RigTest):
    @classmethod
    def rig_options(cls):
        return {"client_ca_file": f"{cls.directory}/ca.pem"}

    def test_certificate_then_its_name_is_the_tenant(self):
        self.assert_served(self.client(client="client"))
        self.assertEqual(self.rig.submission()["tenant"], "device-7")

    def assert_served(self, client=None):
        super().assert_served(client or self.client(client="client"))

    def assert_shut_out(self, **how):
        """In TLS 1.3 a client learns of it with its first read."""
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            with self.rig.client(**how) as client:
                client.send(request(batch()))
                client.socket.recv(1)
        self.assert_served()

    def test_no_certificate_then_shut_out(self):
        self.assert_shut_out()
        self.assert_shut_out(version=ssl.TLSVersion.TLSv1_2)

    def test_certificate_of_a_stranger_then_shut_out(self):
        self.assert_shut_out(client="stranger")
        self.assert_shut_out(client="stranger", version=ssl.TLSVersion.TLSv1_2)

    def test_certificate_that_expired_then_shut_out(self):
        self.assert_shut_out(client="expired")


if __name__ == "__main__":
    rig.main()

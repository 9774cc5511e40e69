"""The S3 sink's store (s3_store_test, a C program) against a real server: by path, by virtual host, and over
TLS. With `large`, one object of 512 MB."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "crash/collector")]
import real
import rig

PROGRAM = sys.argv.pop(1)
LARGE = sys.argv[1:] == ["large"] and sys.argv.pop()


class StoreTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="wadi-s3-")
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)
        self.server = real.S3(self.place / "s3")
        self.addCleanup(self.server.kill)

    def run_at(self, endpoint, *how, arguments=()):
        self.server.process.command[1:1] = arguments
        self.server.start()
        done = subprocess.run([PROGRAM, endpoint, self.server.bucket, self.server.access_key, self.server.secret_key, *how],
                              timeout=150)
        self.assertEqual(done.returncode, 0)

    @unittest.skipIf(LARGE, "only one large object")
    def test_path(self):
        self.run_at(self.server.endpoint, "path")

    @unittest.skipIf(LARGE, "only one large object")
    def test_virtual_host(self):
        host = f"localhost:{self.server.port}"  # curl knows that whatever ends in .localhost is this machine
        self.run_at(f"http://{host}", "virtual", arguments=["--virtual-domain", host])

    @unittest.skipIf(LARGE, "only one large object")
    def test_tls(self):
        rig.certificate_make(self.place)
        certificate = self.place / "server.pem"
        self.run_at(f"https://localhost:{self.server.port}", "path", certificate,
                    arguments=["--cert", certificate, "--key", self.place / "server.key"])

    @unittest.skipUnless(LARGE, "only with `large`")
    def test_large(self):
        self.run_at(self.server.endpoint, "large")


real.needs("s3")
unittest.main()

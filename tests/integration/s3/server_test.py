"""That the S3 server of the tests proves what we use it for: it checks signatures, also of keys with `=` in
them, honours `If-None-Match: *`, and keeps what it answered through a kill."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import real
from s3_client import Client

KEY = "events/dt=2026-01-02/hr=03/a b+ü.jsonl"
PART = bytes(5 << 20)


class ServerTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="wadi-s3-")
        self.addCleanup(place.cleanup)
        self.server = real.S3(place.name).start()
        self.addCleanup(self.server.kill)
        self.client = Client(self.server)

    def complete(self, upload, etag):
        body = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
        return self.client.request("POST", KEY, {"uploadId": upload}, body.encode(), {"if-none-match": "*"})

    def upload_begin(self):
        upload = self.client.request("POST", KEY, {"uploads": ""}).tree().findtext("UploadId")
        part = self.client.request("PUT", KEY, {"partNumber": "1", "uploadId": upload}, PART)
        return upload, part.headers["ETag"]

    def test_put_with_a_wrong_secret_is_refused(self):
        self.assertEqual(self.client.put(KEY, b"1").status, 200)
        answer = Client(self.server, secret_key="wrong").put(KEY, b"2")
        self.assertEqual((answer.status, answer.code()), (403, "SignatureDoesNotMatch"))
        self.assertEqual(self.client.get(KEY), b"1")
        self.assertEqual(self.client.list(), {KEY: 1})

    def test_put_if_none_match_keeps_what_is_there(self):
        self.assertEqual(self.client.put(KEY, b"1", **{"if-none-match": "*"}).status, 200)
        answer = self.client.put(KEY, b"2", **{"if-none-match": "*"})
        self.assertEqual((answer.status, answer.code()), (412, "PreconditionFailed"))
        self.assertEqual(self.client.get(KEY), b"1")

    def test_complete_if_none_match_keeps_what_is_there(self):
        first, second = self.upload_begin(), self.upload_begin()
        self.assertEqual(sorted(self.client.uploads()), sorted((KEY, upload) for upload, _ in (first, second)))
        self.assertEqual(self.complete(*first).status, 200)
        self.assertEqual(self.complete(*second).status, 412)
        self.assertEqual([upload for _, upload in self.client.uploads()], [second[0]])
        self.assertEqual(self.client.list(), {KEY: len(PART)})

    def test_kill_after_an_answer_keeps_the_object(self):
        self.client.put(KEY, b"1")
        self.server.kill()
        self.server.start()
        self.assertEqual(self.client.get(KEY), b"1")


real.needs("s3")
unittest.main()

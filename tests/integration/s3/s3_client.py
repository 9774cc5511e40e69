"""A small S3 client of the tests' own, signed by hand (Signature Version 4): its answers are looked at as they
are, errors too."""

import hashlib
import hmac
import http.client
import time
import urllib.parse
import xml.etree.ElementTree as xml


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def tree(self):
        """The XML, without its namespace."""
        tree = xml.fromstring(self.body)
        for node in tree.iter():
            node.tag = node.tag.rpartition("}")[2]
        return tree

    def code(self):
        """Of an error."""
        return self.tree().findtext("Code") if self.body else None


class Client:
    """`server` has port, region, access_key and secret_key."""

    def __init__(self, server, bucket=None, port=None, secret_key=None):
        self.server, self.bucket = server, bucket or server.bucket
        self.address = f"127.0.0.1:{port or server.port}"
        self.secret_key = secret_key or server.secret_key

    def request(self, method, key="", query=None, body=b"", headers=None):
        path = "/" + urllib.parse.quote(f"{self.bucket}/{key}" if key else self.bucket, safe="/-_.~")
        query = "&".join(f"{name}={urllib.parse.quote(value, safe='-_.~')}" for name, value in sorted((query or {}).items()))
        signed = self._sign(method, path, query, body, {name.lower(): value for name, value in (headers or {}).items()})
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.request(method, path + (query and "?" + query), body, signed)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def _sign(self, method, path, query, body, headers):
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = {**headers, "host": self.address, "x-amz-date": now, "x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
        names = ";".join(sorted(headers))
        canonical = "\n".join([method, path, query, *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names,
                               headers["x-amz-content-sha256"]])
        scope = f"{now[:8]}/{self.server.region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + self.secret_key).encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.server.access_key}/{scope}, "
                                    f"SignedHeaders={names}, Signature={signature}")
        return headers

    def get(self, key):
        """The bytes of an object; None: there is none."""
        answer = self._expect(self.request("GET", key), 200, 404)
        return answer.body if answer.status == 200 else None

    def put(self, key, body, **headers):
        return self.request("PUT", key, body=body, headers=headers)

    def list(self, prefix=""):
        """{key: bytes} of all objects."""
        found, query = {}, {"list-type": "2", "prefix": prefix}
        while True:
            tree = self._expect(self.request("GET", query=query), 200).tree()
            found.update((o.findtext("Key"), int(o.findtext("Size"))) for o in tree.iter("Contents"))
            if tree.findtext("IsTruncated") != "true":
                return found
            query["continuation-token"] = tree.findtext("NextContinuationToken")

    def uploads(self):
        """[(key, id)] of the multipart uploads that nobody finished."""
        tree = self._expect(self.request("GET", query={"uploads": ""}), 200).tree()
        return [(upload.findtext("Key"), upload.findtext("UploadId")) for upload in tree.iter("Upload")]

    @staticmethod
    def _expect(answer, *statuses):
        if answer.status not in statuses:
            raise RuntimeError(f"S3 answered {answer.status}: {answer.body[:300]}")
        return answer

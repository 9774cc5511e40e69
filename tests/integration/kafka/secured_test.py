"""The Kafka sink against a broker that wants TLS, a password and rights, and with a schema registry. The registry
is a stand-in of ours: what Confluent's would be asked, and what it answers, by its documentation."""

import base64
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import real

real.needs("kafka", "readers")

from confluent_kafka.admin import (AclBinding, AclOperation, AclPermissionType, AdminClient,  # noqa: E402
                                   ResourcePatternType, ResourceType)
from kafka_client import PRODUCER, committed  # noqa: E402
from sink_rig import Collector, await_numbers, eventually, rig  # noqa: E402

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
USER, PASSWORD = "wadi", "a password"


class SecuredKafka(real.Kafka):
    """One that speaks TLS with a certificate of its own, and knows two users, of whom one may do everything."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        key, self.ca = self.directory / "key.pem", self.directory / "ca.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", self.ca],
                       check=True, capture_output=True)
        users = f'username="admin" password="admin" user_admin="admin" user_{USER}="{PASSWORD}"'
        super().__init__(directory, settings={
            "listener.security.protocol.map": "PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN", "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.plaintext.plain.sasl.jaas.config": f"{PLAIN} {users};",
            "ssl.keystore.type": "PEM", "ssl.truststore.type": "PEM",
            "ssl.keystore.key": one_line(key), "ssl.keystore.certificate.chain": one_line(self.ca),
            "ssl.truststore.certificates": one_line(self.ca), "ssl.endpoint.identification.algorithm": "",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:admin;User:ANONYMOUS", "auto.create.topics.enable": "false"})

    def client(self, user, password):
        return {"security.protocol": "sasl_ssl", "ssl.ca.location": str(self.ca), "sasl.mechanism": "PLAIN",
                "sasl.username": user, "sasl.password": password, "log_level": 2}

    def _knows(self, node):
        """A broker that answers nobody whom it does not know is asked by a client."""
        try:
            AdminClient({"bootstrap.servers": self.bootstrap, **self.client("admin", "admin")}).list_topics(timeout=2)
            return True
        except Exception:
            return False


def one_line(pem):
    return pem.read_text().replace("\n", "\\n")


class Registry(http.server.ThreadingHTTPServer):
    """Gives every subject the same id, and keeps what it was asked. `failures`: answers before the right one."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked, self.failures, self.id = [], [], 0x01020304
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        status, answer = self.server.failures.pop(0) if self.server.failures else (200, {"id": self.server.id})
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class SecuredTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        place = tempfile.TemporaryDirectory(prefix="wadi-kafka-secured-")
        cls.addClassCleanup(place.cleanup)
        cls.place = pathlib.Path(place.name)
        cls.kafka = SecuredKafka(cls.place / "kafka").start()
        cls.addClassCleanup(cls.kafka.kill)
        cls.as_admin = cls.kafka.client("admin", "admin")

    def collector(self, name, password=PASSWORD, **kafka):
        sink = {"tls": {"enabled": "true", "ca_file": str(self.kafka.ca)},
                "sasl": {"mechanism": "PLAIN", "username": USER, "password": password}, **kafka}
        format = "record" if "schema_registry" in kafka else "jsonl"
        made = Collector(self.place / name, self.kafka.bootstrap, name, kafka=sink, format=format)
        made.reader = self.as_admin
        self.addCleanup(made.kill)
        return made

    def allow(self, kind, name, *operations):
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap, **self.as_admin})
        rights = [AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{USER}", "*", operation,
                             AclPermissionType.ALLOW) for operation in operations]
        for made in admin.create_acls(rights).values():
            made.result(rig.DEADLINE_S)

    def allow_all_but(self, name, topic):
        """What a sink needs, as the documentation has it, but for its topic."""
        self.allow(ResourceType.TRANSACTIONAL_ID, f"crash-{name}", AclOperation.WRITE, AclOperation.DESCRIBE)
        self.allow(ResourceType.TOPIC, f"_wadi.checkpoint.crash-{name}", AclOperation.CREATE, AclOperation.READ,
                   AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS)
        self.allow(ResourceType.TOPIC, topic, AclOperation.CREATE)

    def test_rights_that_are_missing_are_named(self):
        c = self.collector("rights")
        c.start()
        c.numbers(0, 10)
        c.await_says("_wadi.checkpoint.crash-rights")
        self.allow(ResourceType.TOPIC, "_wadi.checkpoint.crash-rights", AclOperation.CREATE, AclOperation.READ,
                   AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS)
        c.await_says("ransactional Id")
        self.allow_all_but("rights", "rights")
        c.await_says("topic rights")
        self.allow(ResourceType.TOPIC, "rights", AclOperation.WRITE)
        await_numbers(c, range(10))
        c.await_ready()
        self.assertIn("plane=librdkafka" if PRODUCER == "librdkafka" else "plane=direct", c.log.read_text())

    def test_much_over_tls(self):
        """More than a socket takes at once, and batches of many TLS records."""
        self.allow_all_but("much", "much")
        self.allow(ResourceType.TOPIC, "much", AclOperation.WRITE)
        c = self.collector("much", compression="none")
        c.start()
        texts = [f"{n % 10}" * 30000 for n in range(250)]
        c.send([("counted", {"n": n, "text": text}) for n, text in enumerate(texts)])
        await_numbers(c, range(250))
        found = [json.loads(message.value())["properties"] for message in self.messages("much")]
        self.assertEqual([event["text"] for event in found], [texts[event["n"]] for event in found])

    def test_a_wrong_password_is_said(self):
        c = self.collector("intruder", password="wrong")
        c.start()
        c.numbers(0, 1)
        c.await_says("_wadi.checkpoint.crash-intruder")
        eventually(lambda: "SASL" in c.log.read_text(), "the log says why", c)
        self.assertNotIn("wrong", c.log.read_text().replace("sink failed", ""))

    def test_records_with_a_schema_registry(self):
        registry = Registry()
        self.addCleanup(registry.end)
        registry.failures = [(503, {}), (409, {"error_code": 409, "message": "not compatible"})]
        self.allow_all_but("framed", "framed")
        self.allow(ResourceType.TOPIC, "framed", AclOperation.WRITE)
        c = self.collector("framed", schema_registry={"url": registry.url + "/", "username": "me", "password": "pw"})
        c.start()
        c.numbers(0, 5)
        eventually(lambda: len(list(self.messages("framed"))) == 5, "the records", c)
        for message in self.messages("framed"):
            self.assertEqual(message.value()[:6], b"\0\1\2\3\4\0")
            self.assertIn(b"counted", message.value()[6:])
        self.assertIn("not compatible", c.log.read_text())
        path, authorization, body = registry.asked[-1]
        self.assertEqual(path, "/subjects/framed-value/versions")
        self.assertEqual(authorization, "Basic " + base64.b64encode(b"me:pw").decode())
        self.assertEqual(body, {"schemaType": "PROTOBUF",
                                "schema": (real.SOURCE / "schemas/wadi/v1/record.proto").read_text()})
        self.assertEqual(len(registry.asked), 3)

    def messages(self, topic):
        return committed(self.kafka.bootstrap, topic, **self.as_admin)


unittest.main()

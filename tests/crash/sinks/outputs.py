"""The sinks of a storm: how each is configured, how far it is, and what stands in it in the end."""

import json
import pathlib
import subprocess

import confluent_kafka
import rig
from audit import Audit, Row
from kafka_client import PRODUCER, Follower, committed
from readers import READERS, time_us
from s3_client import Client

PART_BYTES = 5 << 20  # the least that S3 takes
MANIFESTS = "_wadi/crash"  # and /<sink>/


def wrong_is_failure(what, audit):
    if audit.wrong():
        raise rig.Failure(f"{what}: {audit.wrong()} of {audit.counts()}")


def epoch_and_part(name):
    """Where an object's name puts it: by epoch, partition and part."""
    stem = name.rpartition("/")[2].partition(".")[0]
    *_, epoch, part = stem.split("-")
    return int(epoch), name.rpartition("/")[0], int(part)


# ---- objects -------------------------------------------------------------------------------------


class ObjectOutput:
    """What file and s3 share. Backends tell `names()`: {name: bytes} of everything there, `bytes_of(name)`, and
    `local(name)`: a path to read it at."""

    def __init__(self, name):
        self.name, self.commits = name, {}

    def manifests(self):
        """The commits so far, each read once, by epoch."""
        for epoch in range(len(self.commits) + 1, 1 << 30):
            data = self.bytes_of(f"{MANIFESTS}/{self.name}/{epoch:012}.commit")
            if data is None:
                return self.commits
            self.commits[epoch] = json.loads(data)

    def committed(self):
        return sum(commit["events"] for commit in self.manifests().values())

    def objects(self):
        """The names of the committed objects, in the order of the output."""
        named = [o["name"] for commit in self.manifests().values() for o in commit["objects"]]
        return sorted(named, key=epoch_and_part)

    def check(self, notes):
        self.listing_check()
        for reader, rows_of in READERS.items():
            audit = Audit(notes)
            for name in self.objects():
                audit.object(name.rpartition("/")[0], rows_of(self.local(name)))
            wrong_is_failure(f"{self.name}, read by {reader}", audit)
        return audit.counts()

    def listing_check(self):
        """Every object is named by one commit, with its size; nothing else lies around."""
        named = {}
        for commit in self.manifests().values():
            for o in commit["objects"]:
                if o["name"] in named:
                    raise rig.Failure(f"two commits name {o['name']}")
                named[o["name"]] = o["bytes"]
        there = {name: size for name, size in self.names().items() if not name.startswith("_wadi/")}
        mine = {name: size for name, size in there.items() if f"-{self.name}-" in name}
        if named != mine:
            raise rig.Failure(f"{self.name}: the commits say {sorted(named.items() - mine.items())}, "
                              f"there is {sorted(mine.items() - named.items())}")
        prefix = f"{MANIFESTS}/{self.name}/"
        left = [name for name in self.names() if name.startswith(prefix) and not name.endswith(".commit")]
        if left:
            raise rig.Failure(f"{self.name}: left behind: {left}")

    def lines(self):
        """{late: the lines in the order of the output} of JSON Lines."""
        found = {False: [], True: []}
        for name in self.objects():
            command = ["zstd", "-dcq"] if name.endswith(".zst") else ["cat"]
            data = subprocess.run([*command, self.local(name)], stdout=subprocess.PIPE, check=True).stdout
            lines = data.splitlines()
            found[b'"late":true' in (lines or [b""])[0]] += lines
        return found


class FileOutput(ObjectOutput):
    """The sink that rig.Collector always has."""

    def __init__(self, collector):
        super().__init__("files")
        self.root = collector.events

    def yaml(self):
        return ""

    def names(self):
        """Without what the collector keeps aside."""
        files = (path for path in self.root.rglob("*") if path.is_file() and path.name != "lock")
        return {str(path.relative_to(self.root)): path.stat().st_size for path in files}

    def bytes_of(self, name):
        path = self.root / name
        return path.read_bytes() if path.exists() else None

    def local(self, name):
        return self.root / name


class S3Output(ObjectOutput):
    """`endpoint`: of the server itself or of a proxy before it; what stands in it is read from the server."""

    def __init__(self, server, name, work, endpoint=None, **settings):
        self.settings = {"format": "jsonl", "compression": "zstd", "roll_interval": "200ms",
                         "late_roll_interval": "1500ms", **settings}
        super().__init__(name)
        self.server, self.client, self.endpoint = server, Client(server), endpoint or server.endpoint
        self.mirror = pathlib.Path(work) / f"mirror-{name}"

    def yaml(self):
        s, settings = self.server, "".join(f", {key}: {value}" for key, value in self.settings.items())
        return (f"  - {{name: {self.name}, type: s3{settings}, s3: {{endpoint: \"{self.endpoint}\", bucket: {s.bucket}, "
                f"region: {s.region}, access_key_id: {s.access_key}, secret_access_key: {s.secret_key}, "
                f"part_bytes: {PART_BYTES}B}}}}\n")

    def names(self):
        return self.client.list()

    def bytes_of(self, name):
        return self.client.get(name)

    def local(self, name):
        path = self.mirror / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.client.get(name))
        return path

    def check(self, notes):
        if self.client.uploads():
            raise rig.Failure(f"{self.name}: unfinished uploads: {self.client.uploads()}")
        counts = super().check(notes)
        if self.settings["format"] == "jsonl":
            self.checksums_check(notes)
        return counts

    def checksums_check(self, notes):
        """The commits' checksums, over what the server gives."""
        for epoch in self.commits:
            self.local(f"{MANIFESTS}/{self.name}/{epoch:012}.commit")
        listing = self.mirror.with_suffix(".objects")
        subprocess.run([rig.AUDIT, self.mirror, notes, listing], stdout=subprocess.DEVNULL, check=True)
        rig.manifests_check(self.mirror, self.name, listing)


# ---- a topic -------------------------------------------------------------------------------------


class KafkaOutput:
    def __init__(self, kafka, name="stream", topic="events"):
        self.kafka, self.name, self.topic, self.follower = kafka, name, topic, None

    def yaml(self):
        return (f"  - {{name: {self.name}, type: kafka, format: jsonl, roll_interval: 200ms, "
                f"kafka: {{brokers: \"{self.kafka.bootstrap}\", topic: {self.topic}, "
                f"producer: {PRODUCER}}}}}\n")

    def committed(self):
        self.follower = self.follower or Follower(self.kafka.bootstrap, self.topic)
        return self.follower.count()

    def check(self, notes):
        """Read anew from the start."""
        audit = Audit(notes)
        for message in committed(self.kafka.bootstrap, self.topic):
            audit.sequence(message.partition(), [message_row(message)])
        wrong_is_failure(self.name, audit)
        return audit.counts()

    def lines(self):
        found = {False: [], True: []}
        for message in committed(self.kafka.bootstrap, self.topic):
            found[message_row(message).late].append(message.value())
        return found


def message_row(message):
    """Key, timestamp and headers have to say what the value says."""
    event, headers = json.loads(message.value()), dict(message.headers())
    row = Row(time_us(event["time"]), event["stream"], event["seq"], event["late"])
    outside = {"key": message.key().hex() if len(message.key()) == 16 else message.key().decode(),
               "time_ms": message.timestamp()[1],
               **{name: value.decode() for name, value in headers.items()}}
    inside = {"key": event["installation"], "time_ms": row.time_us // 1000, "name": event["name"],
              "stream": row.stream, "seq": str(row.seq), "late": str(row.late).lower()}
    if message.timestamp()[0] != confluent_kafka.TIMESTAMP_CREATE_TIME or outside != inside:
        raise rig.Failure(f"a message says {outside}, its value {inside}")
    return row

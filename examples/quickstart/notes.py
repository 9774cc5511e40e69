"""What the devices wrote down: the audit's other half. See notes.h and replay.c for the files."""

import collections
import datetime
import json
import re

ID = re.compile(r"\d{4}-\d{4}-\d{8}|row-\d{8}")  # a killed device may leave a shorter one: it was not written
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def time_text(us):
    """As the collector writes times."""
    return (EPOCH + datetime.timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def cells_key(name, user, time, properties):
    """What stands for the content of a replayed row. `properties` as JSON: their types count too."""
    return name, user, time, json.dumps(properties, sort_keys=True)


class Device:
    """The notes of one device. Keys tell events apart: an audit id, or a row's content."""

    def __init__(self, directory):
        self.directory = directory
        self.is_replay = (directory / "rows").exists()
        self.installations, self.refused = set(), collections.Counter()
        intent, ok = set(), set()
        for line in (directory / "notes").read_text(errors="replace").split("\n"):
            what, _, rest = line.partition(" ")
            ident, _, reason = rest.partition(" ")
            if what == "installation" and len(ident) == 32:
                self.installations.add(ident)
            elif ID.fullmatch(ident):
                if what == "refused":
                    self.refused[reason] += 1
                else:
                    {"intent": intent, "ok": ok}.get(what, set()).add(ident)
        rows = self._rows() if self.is_replay else None
        self.intent, self.ok = self._keys(intent, rows), self._keys(ok, rows)

    @staticmethod
    def _keys(idents, rows):
        return collections.Counter(rows[i] if rows else i for i in idents)

    def _rows(self):
        """Row id -> key."""
        texts = (self.directory / "rows").read_bytes().decode().split("\0")
        user, event, n = texts[0] or None, texts[1], int(texts[2])
        columns, texts = texts[3 : 3 + n], texts[3 + n : -1]
        keys = {}
        for row, at in enumerate(range(0, len(texts), n + 1)):
            time, cells = time_text(int(texts[at])), texts[at + 1 : at + 1 + n]
            keys[f"row-{row:08}"] = cells_key(event, user, time, dict(zip(columns, cells)))
        return keys


def devices(directory):
    return [Device(path.parent) for path in sorted(directory.glob("devices/*/notes"))]

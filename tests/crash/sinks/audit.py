"""Holds the rows that a reader which is not ours found in a sink's output against the devices' notes."""

import array
import collections
import pathlib

Row = collections.namedtuple("Row", "time_us stream seq late")

STREAM_MARK = "02b5"  # how the ids of the load's streams begin; their number stands in the last four bytes


def stream_number(stream):
    """Of an id in hex; None: none of the load's."""
    if len(stream) != 32 or not stream.startswith(STREAM_MARK):
        return None
    return int.from_bytes(bytes.fromhex(stream[24:]), "little")


class Audit:
    """Rows are given in the order of the output: object by object, or partition by partition of a topic."""

    def __init__(self, notes):
        numbers = array.array("Q", pathlib.Path(notes).read_bytes())
        self.assigned, self.acked = numbers[0::2], numbers[1::2]
        self.seen = [bytearray(n + 1) for n in self.assigned]
        self.newest_seq = {}  # by stream and lateness
        self.newest_us = {}  # by partition, of events that are not late
        self.rows = self.late = self.duplicated = self.foreign = self.misordered = 0

    def object(self, partition, rows):
        """Within an object no time descends."""
        rows = list(rows)
        self.misordered += sum(later.time_us < row.time_us for row, later in zip(rows, rows[1:]))
        self.sequence(partition, rows)

    def sequence(self, partition, rows):
        for row in rows:
            self.rows += 1
            if row.late:
                self.late += 1
            else:
                self.misordered += row.time_us < self.newest_us.get(partition, 0)
                self.newest_us[partition] = row.time_us
            self._number(row)

    def _number(self, row):
        stream = stream_number(row.stream)
        if stream is None or stream >= len(self.seen) or not 1 <= row.seq <= self.assigned[stream]:
            self.foreign += 1
            return
        self.duplicated += self.seen[stream][row.seq]
        self.seen[stream][row.seq] = 1
        key = stream, row.late
        self.misordered += row.seq < self.newest_seq.get(key, 0)
        self.newest_seq[key] = row.seq

    def counts(self):
        lost = sum(seen[1:acked + 1].count(0) for seen, acked in zip(self.seen, self.acked))
        return {"rows": self.rows, "lost": lost, "duplicated": self.duplicated, "foreign": self.foreign,
                "misordered": self.misordered, "late": self.late}

    def wrong(self):
        """What may not be, by name; empty when all is well."""
        return {name: n for name, n in self.counts().items() if n and name not in ("rows", "late")}

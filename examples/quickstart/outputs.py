"""What a file sink has left behind: commits, the objects that they name, and the lines in these."""

import gzip
import json
import pathlib
import re
import subprocess

OBJECT = re.compile(r"\.jsonl(\.zst|\.gz)?$")


class Object:
    """One object that a commit names."""

    def __init__(self, root, sink, epoch, described):
        self.root, self.sink, self.epoch = root, sink, epoch
        self.name = described["name"]
        self.path = root / self.name
        self.lines_committed, self.bytes_committed = described["events"], described["bytes"]

    @property
    def partition(self):
        return self.sink, self.name.rpartition("/")[0]

    def lines(self):
        """The events, parsed. Raises ValueError and OSError."""
        for line in self._text().splitlines():
            yield json.loads(line)

    def _text(self):
        if self.path.suffix == ".zst":
            done = subprocess.run(["zstd", "-dcq", self.path], capture_output=True, check=False)
            if done.returncode != 0:
                raise ValueError(done.stderr.decode(errors="replace").strip())
            return done.stdout
        return gzip.decompress(self.path.read_bytes()) if self.path.suffix == ".gz" else self.path.read_bytes()


def commits(root):
    """The commits below `root`, of one sink after the other, in epoch order: (sink, epoch, manifest)."""
    for path in sorted(root.glob("_wadi/*/*/*.commit"), key=lambda p: (p.parent, int(p.stem))):
        yield str(path.parent.relative_to(root)), int(path.stem), json.loads(path.read_bytes())


def objects(root):
    """All committed objects, in epoch order and in the order that their commit gives."""
    for sink, epoch, manifest in commits(root):
        for described in manifest["objects"]:
            yield Object(root, sink, epoch, described)


def on_disk(root):
    """The names of all objects that are there, committed or not."""
    found = (p.relative_to(root) for p in pathlib.Path(root).glob("dt=*/hr=*/*") if OBJECT.search(p.name))
    return {str(p) for p in found}

"""The directory of a run. What an earlier run left there is taken away, and nothing else ever is."""

import fcntl
import pathlib
import shutil

MARKER = ".wadi-quickstart"
OURS = ("collector.log", "collector.yaml", "devices", "events", "journal")  # and MARKER, and tls/, which is kept


class PlaceError(Exception):
    """The directory cannot be used; the text says why."""


class Place:
    def __init__(self, directory):
        self.root = pathlib.Path(directory)
        self.events, self.journal = self.root / "events", self.root / "journal"
        self.devices, self.tls = self.root / "devices", self.root / "tls"
        self.config, self.collector_log = self.root / "collector.yaml", self.root / "collector.log"
        self._lock = None

    def prepare(self):
        """Makes it ours and empty. Raises PlaceError."""
        try:
            self._prepare()
        except BlockingIOError:
            raise PlaceError(f"another quickstart is running in {self.root}") from None
        except OSError as error:
            raise PlaceError(f"cannot use {error.filename}: {error.strerror}") from error

    def _prepare(self):
        self.root.mkdir(parents=True, exist_ok=True)
        marker = self.root / MARKER
        strangers = [p.name for p in self.root.iterdir() if p.name in OURS]
        if strangers and not marker.exists():
            found = ", ".join(sorted(strangers))
            raise PlaceError(f"cannot use {self.root}: it holds {found}, which no quickstart made; choose another")
        self._lock = marker.open("a")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for name in OURS:
            self._remove(self.root / name)
        for directory in (self.devices, self.events, self.journal):
            directory.mkdir()

    @staticmethod
    def _remove(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

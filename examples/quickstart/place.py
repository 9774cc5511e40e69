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
            self.root.mkdir(parents=True, exist_ok=True)
            marker = self.root / MARKER
            strangers = [p.name for p in self.root.iterdir() if p.name in OURS]
            if strangers and not marker.exists():
                raise PlaceError(f"it holds {', '.join(sorted(strangers))}, which no quickstart made; choose another")
            self._lock = marker.open("a")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in OURS:
                self._remove(self.root / name)
            for directory in (self.devices, self.events, self.journal):
                directory.mkdir()
        except BlockingIOError:
            raise PlaceError("another quickstart is running in it") from None
        except OSError as error:
            raise PlaceError(f"{error.strerror}: {error.filename}") from error

    @staticmethod
    def _remove(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

"""A collector with one sink more, and events for it, for tests that read what that sink wrote."""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "crash/collector"))
import rig  # noqa: E402

SEND = pathlib.Path(os.environ.get("WADI_BUILD_DIR", "build")) / "sdk/tools/wadi-send"
FENCED = 78


class Collector(rig.Collector):
    """The rig's, with the sink that `settings` are of."""

    def __init__(self, place, settings):
        place.mkdir()
        self.sink, self.settings, self.stores = settings["name"], settings, 0
        super().__init__(place, place)

    def configure(self, **settings):
        super().configure(**settings)
        with open(self.config, "a", encoding="utf-8") as file:
            file.write(f"  - {json.dumps(self.settings)}\n")  # JSON is YAML too

    def send(self, events):
        """[(name, properties)], from a device of their own, until they are acknowledged."""
        self.stores += 1
        lines = "".join(json.dumps({"name": name, "properties": properties}) + "\n" for name, properties in events)
        port = self.port_file.read_text()
        done = subprocess.run(
            [SEND, "--dir", self.work / f"device-{self.stores}", "--endpoint", f"https://localhost:{port}",
             "--ca-file", self.work / "server.pem", "--wait", "acked", "--timeout-ms", str(1000 * rig.DEADLINE_S),
             "--json"], input=lines, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise rig.Failure(f"wadi-send: {done.returncode}\n{done.stderr}\n{self.log_end()}")

    def numbers(self, first, last, name="counted"):
        self.send([(name, {"n": n}) for n in range(first, last)])

    def says(self, text):
        """/readyz names the sink, not ready, and why."""
        return any(self.sink in line and text in line for line in self.page("/readyz")[1].splitlines())

    def await_says(self, text):
        eventually(lambda: self.says(text), f"/readyz says {text!r}", self)

    def await_ready(self):
        eventually(self.is_ready, "it is ready", self)


def eventually(condition, what, collector):
    try:
        return rig.eventually(condition, what)
    except rig.Failure:
        raise rig.Failure(f"{what}\n{collector.page('/readyz')[1]}\n{collector.log_end(30)}") from None

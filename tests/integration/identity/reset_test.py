"""An installation that is reset while it records: a label changes, and nothing else."""

import os
import signal
import subprocess
import sys
import unittest

import live
from region import RegionTest, eventually, judge

MACHINE_ID = "/etc/machine-id"


class ResetTest(RegionTest):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.fleet = live.Fleet(self.region)
        self.device = self.fleet.device()

    def _label(self):
        return (self.device.store / "installation").read_bytes()[:16].hex()

    def _carried(self):
        return {line["installation"] for line in self._lines()}

    def _lines(self):
        return [line for line in self.region.lines() if line["name"] == "lived"]

    async def test_stream_goes_on_under_the_new_label(self):
        """What waits in the store goes out under it, too; the next open keeps it."""
        device = self.device
        await device.start()
        labels = [self._label()]
        await eventually(lambda: len(self._lines()) > 20, "events come out")
        device.signal(signal.SIGUSR1)
        await eventually(lambda: self._label() != labels[0], "the label changes")
        labels.append(self._label())
        await eventually(lambda: any(line["installation"] == labels[1] for line in self._lines()), "and comes out")
        await device.kill()
        self.assertEqual(self._label(), labels[1])
        await device.start()
        await device.finish()
        await self.settle()
        judge(self, [self.region], self.fleet)
        lines = sorted(self._lines(), key=lambda line: line["seq"])
        self.assertEqual(len({line["stream"] for line in lines}), 1)
        carried = [labels.index(line["installation"]) for line in lines]
        self.assertEqual(carried, sorted(carried))
        self.assertEqual(set(carried), {0, 1})
        self.assertEqual((await self.ledger())["gap"], 0)

    async def test_two_machines_of_one_image(self):
        """The same directory, on machines with ids of their own."""
        device = self.device
        for machines, digit in enumerate("12", 1):
            machine_id = self.root / f"machine-{digit}"
            machine_id.write_text(digit * 32 + "\n", encoding="ascii")
            around = ["unshare", "--mount", "sh", "-c", f'mount --bind "$0" {MACHINE_ID} && exec "$@"', str(machine_id)]
            if not os.path.exists(MACHINE_ID) or subprocess.run([*around, "true"], check=False).returncode != 0:
                self.skipTest("mount namespaces are not to be had")
            await device.start(around=around, more=["machine-id"])
            await eventually(lambda: len(self._carried()) == machines, "events come out under an id of the machine's")
            await device.kill()
        self.assertNotIn(self._label(), self._carried())


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv[:1])

"""Child processes: started, awaited and ended by pid, and none left behind."""

import asyncio
import os
import signal
import subprocess


class Process:
    """One child, in a process group of its own, so that Ctrl-C reaches it only through us."""

    running = set()

    def __init__(self, arguments, log):
        with open(log, "ab") as out:
            self._popen = subprocess.Popen(
                [str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out, process_group=0)
        self._pidfd = os.pidfd_open(self._popen.pid)
        Process.running.add(self)

    @property
    def pid(self):
        return self._popen.pid

    def signal(self, number):
        if self in Process.running:
            os.kill(self._popen.pid, number)  # not awaited yet, so the pid is still its own

    def kill(self):
        self.signal(signal.SIGKILL)

    async def wait(self):
        """Its exit status; negative: the signal that ended it."""
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        loop.add_reader(self._pidfd, lambda: ended.done() or ended.set_result(None))
        try:
            await ended
        finally:
            loop.remove_reader(self._pidfd)
        return self._reap()

    def _reap(self):
        status = self._popen.wait()
        if self in Process.running:
            Process.running.remove(self)
            os.close(self._pidfd)
        return status

    @classmethod
    def kill_all(cls):
        """For the end, however it came."""
        for process in list(cls.running):
            process.kill()
        for process in list(cls.running):
            process._reap()

"""File systems of our own: on a loop device that can lose its power, so that what was not synced is gone, and in
memory, to be filled up. They are mounted in a namespace of our own: nobody else can hold them over a cut, and
they end with us."""

import fcntl
import os
import struct
import subprocess
import sys

import rig

# XFS_IOC_GOINGDOWN and EXT4_IOC_SHUTDOWN are the same: _IOR('X', 125, uint32)
IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
IMAGE_BYTES = 512 << 20
MAKE = {"xfs": ["mkfs.xfs", "-q", "-f"], "ext4": ["mkfs.ext4", "-q", "-F"]}
INSIDE = "WADI_CRASH_NAMESPACE"


def sbin(*command):
    """Runs a program of the system's."""
    env = {**os.environ, "PATH": rig.PATH}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


def namespace_enter(*programs):
    """Begins this program again where its mounts are its own."""
    rig.needs_root("mount", "unshare", *programs)
    if os.environ.get(INSIDE):
        return
    into = ["unshare", "--mount", "--propagation", "private"]
    try:
        sbin(*into, "true")
    except OSError as error:
        rig.skip(f"no mount namespaces here: {error}")
    os.execvpe(into[0], [*into, sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})


def mount(work, where, *how):
    """Until the end of `work`."""
    where.mkdir()
    try:
        sbin("mount", *how, where)
    except OSError as error:
        rig.skip(f"not possible here: {error}")
    work.at_end(lambda: sbin("umount", where))
    return where


def memory(work, name, megabytes):
    return mount(work, work.dir / name, "-t", "tmpfs", "-o", f"size={megabytes}M", "wadi-crash")


class Disk:
    """A file system whose power can be cut."""

    def __init__(self, work, kind, name="disk"):
        rig.needs("mkfs." + kind)
        image = work.dir / f"{name}.image"
        with open(image, "wb") as out:
            out.truncate(IMAGE_BYTES)
        sbin(*MAKE[kind], image)
        self.how = ("-t", kind, "-o", "loop", image)
        self.dir = mount(work, work.dir / name, *self.how)

    def cut(self):
        """From here on nothing reaches the disk, and what had not is lost. Whoever still runs sees errors."""
        fd = os.open(self.dir, os.O_RDONLY)
        fcntl.ioctl(fd, IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(fd)

    def again(self):
        """The power is back. Nobody may use the file system in between."""
        sbin("umount", self.dir)
        sbin("mount", *self.how, self.dir)

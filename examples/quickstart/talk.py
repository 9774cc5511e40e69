"""How the program talks: as toolchains/common.sh does, in colour on a terminal only."""

import asyncio
import os
import shutil
import sys
import time

ON_TERMINAL = sys.stdout.isatty()
IN_COLOUR = ON_TERMINAL and not os.environ.get("NO_COLOR")
REDRAW_S, LINE_S = 0.5, 4


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if IN_COLOUR else text


def say(text):
    print(f"{paint(32, '==>')} {paint(1, text)}", flush=True)


def shown(path):
    """A path as short as it can be said here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def fail(text):
    print(f"{paint(31, 'error:')} {text}", file=sys.stderr, flush=True)


def _show(line):
    if ON_TERMINAL:
        print("\r" + line[: shutil.get_terminal_size().columns - 1], end="\033[K", flush=True)
    else:
        print(line, flush=True)


async def _progress(describe):
    began = time.monotonic()
    try:
        while True:
            await asyncio.sleep(REDRAW_S if ON_TERMINAL else LINE_S)
            _show(f"  {time.monotonic() - began:4.0f} s  {await describe()}")
    finally:
        if ON_TERMINAL:
            print(flush=True)


async def with_progress(describe, work):
    """Awaits `work`, and shows meanwhile what `describe` returns: one line, redrawn on a terminal and repeated
    every few seconds elsewhere. What `describe` raises ends the work too."""
    async with asyncio.TaskGroup() as group:
        shown = group.create_task(_progress(describe))
        await work
        shown.cancel()

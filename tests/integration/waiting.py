"""How tests of real processes wait: for a condition, never for a time."""

import time


def eventually(condition, what, deadline_s):
    """What the condition answers once that is true."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"never happened: {what}")

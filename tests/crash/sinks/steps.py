"""Strikes at chosen requests: the collector is killed, or its connection cut, before the server has the request,
or after it, when nobody has heard the answer."""

import itertools
import threading

import rig
import storm


class Strike:
    """At the request `skip` after the next one that matches, `what()` is done, and its connection is cut."""

    def __init__(self, matches, after, what, skip=0):
        self.matches, self.after, self.what, self.skip = matches, after, what, skip
        self._done = threading.Event()
        self.is_done = self._done.is_set

    def do(self):
        self.what()
        self._done.set()


class Armed:
    """What a proxy asks of each request: whether the strike that is armed is for it."""

    def __init__(self):
        self._next, self._lock = None, threading.Lock()

    def arm(self, strike):
        with self._lock:
            self._next = strike

    def take(self, request):
        with self._lock:
            strike = self._next
            if strike is None or not strike.matches(request):
                return None
            if strike.skip > 0:
                strike.skip -= 1
                return None
            self._next = None
            return strike


def collector_start(collector, strike):
    """It may be struck before it listens."""
    try:
        if not collector.is_alive():
            collector.start()
    except rig.Failure:
        rig.eventually(strike.is_done, f"a strike\n{collector.log_end()}", 1)


def run(collector, armed, chance, requests, rounds):
    """Every request of {name: (matches, most to skip, only at the start)}, before and after, with a kill and
    without, in any order. Gives how many strikes that were."""
    steps = list(itertools.product(requests.items(), (False, True), (False, True))) * rounds
    chance.shuffle(steps)
    for (name, (matches, skip_most, at_start)), after, killing in steps:
        if at_start:
            collector.kill()
        what = (lambda: collector.process.kill()) if killing else (lambda: None)
        strike = Strike(matches, after, what, chance.randint(0, skip_most))
        armed.arm(strike)
        collector_start(collector, strike)
        rig.eventually(strike.is_done, f"a request {name}\n{collector.log_end()}", storm.CATCH_UP_S)
        if killing:
            collector.kill()
    if not collector.is_alive():
        collector.start()
    return len(steps)

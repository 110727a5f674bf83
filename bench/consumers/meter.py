"""Counts events from a tenth to nine tenths of them; prints what they cost.

Peers of other environments import this file alone, so it imports the standard library only.
"""

import json
import sys
import time


class Meter:
    """CPU time of this process, all threads, for the middle eight tenths of `count` events.

    Clients fetch and unpack ahead of what they hand over. With events before and after those
    that count, as much was unpacked before the beginning as before the end, whoever reads.
    """

    def __init__(self, count: int) -> None:
        self.events = 0
        self.done = False
        self._start, self._end = count // 10, count * 9 // 10
        self._first: int | None = None
        self._cpu_s = self._begin_s = 0.0

    @property
    def left(self) -> int:
        """How many events are missing to the end of the measurement."""
        return max(0, self._end - self.events)

    def add(self, events: int = 1) -> None:
        """Add events that are done with; with the last that counts print the result."""
        self.events += events
        if self._first is None:
            if self.events >= self._start:
                self._first = self.events
                self._cpu_s, self._begin_s = time.process_time(), time.monotonic()
        elif self.events >= self._end and not self.done:
            self.done = True
            result = {
                "events": self.events - self._first,
                "cpu_s": time.process_time() - self._cpu_s,
                "wall_s": time.monotonic() - self._begin_s,
            }
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()

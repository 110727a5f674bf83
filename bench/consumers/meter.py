"""Counts events between the first and the last; prints what they cost. Standard library only.

Peers of other environments import this file alone, so it imports nothing of ours.
"""

import json
import sys
import time


class Meter:
    """CPU time of this process, all threads, until `count` events were added.

    The clock starts when the first chunk of events is done, and that chunk is not counted: what
    its arrival cost lies before. A chunk is what the framework hands over at once.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.events = 0
        self.done = False
        self._first: int | None = None
        self._cpu_s = self._begin_s = 0.0

    def add(self, events: int = 1) -> None:
        """Add events that are done with; with the last of them print the result."""
        self.events += events
        if self._first is None:
            self._first = events
            self._cpu_s, self._begin_s = time.process_time(), time.monotonic()
        elif self.events >= self.count and not self.done:
            self.done = True
            result = {
                "events": self.events - self._first,
                "cpu_s": time.process_time() - self._cpu_s,
                "wall_s": time.monotonic() - self._begin_s,
            }
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()

"""Time as an argument: whatever needs the time takes a `Clock`, so that tests can set it.

`SystemClock` is for the composition root; `segue.testing` has a clock that tests move by hand.
"""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """What time it is. Both methods are cheap, never block and never raise."""

    def now_ms(self) -> int:
        """Wall clock: milliseconds since 1970-01-01 UTC. It may step backwards."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary start; never steps backwards. For intervals only."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Wall clock: milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

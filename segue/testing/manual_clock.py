"""A clock that stands still until a test moves it."""

from __future__ import annotations

__all__ = ["ManualClock"]

START_MS = 1_700_000_000_000  # 2023-11-14T22:13:20Z


class ManualClock:
    """A `segue.clock.Clock`. Both of its times move together, except by `set_now`."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = 0

    def now_ms(self) -> int:
        """Wall clock: milliseconds since 1970-01-01 UTC."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """Seconds since this clock was made."""
        return self._monotonic_ms / 1000

    def advance(self, *, ms: int = 0, s: int = 0) -> None:
        """Let time pass. Raises ValueError for a step backwards: see `set_now`."""
        step_ms = ms + 1000 * s
        if step_ms < 0:
            raise ValueError(f"time does not pass backwards: {step_ms} ms")
        self._now_ms += step_ms
        self._monotonic_ms += step_ms

    def set_now(self, now_ms: int) -> None:
        """Set the wall clock alone, also backwards, as a time server does."""
        self._now_ms = now_ms

"""Whether a worker is alive and whether it is ready.

Alive means progress, not an open port: a component that has work waiting must get something of it
done within a limit. Ready means that nothing keeps the worker from serving: it is assigned,
restored and reaches Redis. An orchestrator restarts what is not alive, and sends nothing to (and
starts no further replacement after) what is not ready.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from segue.clock import Clock, SystemClock

__all__ = ["STUCK_AFTER_S", "Health"]

STUCK_AFTER_S: Final = 60.0
"""No progress for this long, while there is work, means stuck. Above the longest wait that is
healthy: a transaction (30 s), a pause between two tries of Redis (5 s)."""


@dataclass(slots=True)
class _Component:
    """Something that has to move: when it last did, and whether it has reason to."""

    since_s: float
    has_work: Callable[[], bool] | None = None
    pending: bool = field(default=False)


class Health:
    """Progress and readiness of one process. Used from the event loop only; nothing here blocks."""

    def __init__(self, clock: Clock | None = None, *, stuck_after_s: float = STUCK_AFTER_S) -> None:
        self._clock = clock or SystemClock()
        self._stuck_after_s = stuck_after_s
        self._components: dict[str, _Component] = {}
        self._waiting_for: dict[str, None] = {}  # a set that keeps the order

    # ---------------------------------------------------------------- liveness

    def watch(self, name: str, has_work: Callable[[], bool]) -> None:
        """Begin to expect progress of `name` whenever `has_work()` is true.

        `has_work` must be cheap and not raise: assigned, open, not paused, and records waiting.
        """
        self._components[name] = _Component(self._clock.monotonic_s(), has_work)

    def forget(self, name: str) -> None:
        """Expect nothing of `name` any more: its partition was taken away. May be called twice."""
        self._components.pop(name, None)

    def beat(self, name: str) -> None:
        """Note that `name` got something done. One that nobody watches counts for nothing."""
        component = self._components.get(name)
        if component is not None:
            component.since_s = self._clock.monotonic_s()

    def liveness(self) -> tuple[bool, list[str]]:
        """Return whether all that have work move, and the names of those that do not.

        The time without work is not held against a component: its limit starts when this first
        sees work. So it must be asked now and then, as a probe does.
        """
        now_s = self._clock.monotonic_s()
        stuck = [name for name, part in self._components.items() if self._is_stuck(part, now_s)]
        return not stuck, stuck

    def _is_stuck(self, component: _Component, now_s: float) -> bool:
        had_work, component.pending = (
            component.pending,
            bool(component.has_work and component.has_work()),
        )
        if not component.pending:
            return False
        if not had_work:
            component.since_s = max(component.since_s, now_s)
        return now_s - component.since_s >= self._stuck_after_s

    # ---------------------------------------------------------------- readiness

    def not_ready(self, reason: str) -> None:
        """Add something that the worker waits for. May be called twice."""
        self._waiting_for[reason] = None

    def ready(self, reason: str) -> None:
        """Remove it again. May be called without `not_ready`."""
        self._waiting_for.pop(reason, None)

    def readiness(self) -> tuple[bool, list[str]]:
        """Return whether nothing is waited for, and what is, the longest first."""
        return not self._waiting_for, list(self._waiting_for)

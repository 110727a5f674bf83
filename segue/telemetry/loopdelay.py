"""Measures how late the event loop wakes up: work that should not be on it shows here."""

from __future__ import annotations

import asyncio
from typing import Final

from segue.clock import Clock, SystemClock
from segue.telemetry.logs import get_logger
from segue.telemetry.metrics import LOOP_DELAY

__all__ = ["INTERVAL_S", "watch_loop_delay"]

INTERVAL_S: Final = 0.1
LOG_INTERVAL_S: Final = 1.0

logger = get_logger(__name__)


async def watch_loop_delay(stall_ms: int, *, clock: Clock | None = None) -> None:
    """Measure ten times a second until cancelled; log a stall of `stall_ms` or more.

    At most one line a second, with the worst stall since the one before.
    """
    clock = clock or SystemClock()
    logged_s = -LOG_INTERVAL_S
    worst_ms = 0
    while True:
        asked_s = clock.monotonic_s()
        await asyncio.sleep(INTERVAL_S)
        woke_s = clock.monotonic_s()
        delay_s = max(0.0, woke_s - asked_s - INTERVAL_S)
        LOOP_DELAY.observe(delay_s)
        worst_ms = max(worst_ms, round(delay_s * 1000))
        if worst_ms >= stall_ms and woke_s - logged_s >= LOG_INTERVAL_S:
            logger.warning("loop_stalled", delay_ms=worst_ms, limit_ms=stall_ms)
            logged_s, worst_ms = woke_s, 0

"""A blocked event loop shows in the metric and, above the limit, in the log."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from segue.telemetry.logs import configure_logging
from segue.telemetry.loopdelay import INTERVAL_S, watch_loop_delay
from segue.telemetry.metrics import LOOP_DELAY
from segue.testing import eventually, fresh_settings


@asynccontextmanager
async def watching(stall_ms: int) -> AsyncIterator[None]:
    task = asyncio.create_task(watch_loop_delay(stall_ms))
    try:
        await asyncio.sleep(0)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def measured() -> tuple[float, float]:
    """Count and sum of seconds of the metric."""
    (family,) = LOOP_DELAY.collect()
    values = {sample.name: sample.value for sample in family.samples}
    return values["segue_loop_delay_seconds_count"], values["segue_loop_delay_seconds_sum"]


async def test_blocking_the_loop_moves_the_metric() -> None:
    count, delays_s = measured()
    async with watching(stall_ms=10_000):
        time.sleep(INTERVAL_S + 0.3)  # noqa: ASYNC251  # the fault that is measured
        await eventually(lambda: measured()[0] > count, 5)
    assert measured()[1] - delays_s >= 0.29


async def test_stall_above_the_limit_is_logged_and_below_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(fresh_settings(log_format="json", log_level="info"))
    try:
        count, _ = measured()
        async with watching(stall_ms=60_000):
            time.sleep(INTERVAL_S + 0.2)  # noqa: ASYNC251  # the fault that is measured
            await eventually(lambda: measured()[0] > count, 5)
        assert capsys.readouterr().err == ""
        async with watching(stall_ms=150):
            time.sleep(INTERVAL_S + 0.2)  # noqa: ASYNC251  # the fault that is measured
            await eventually(lambda: measured()[0] > count + 1, 5)
        line = json.loads(capsys.readouterr().err.splitlines()[0])
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
    assert (line["event"], line["limit_ms"]) == ("loop_stalled", 150)
    assert line["delay_ms"] >= 190

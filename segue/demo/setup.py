"""Brings up the stack for the demo, or takes one that runs; tells what it is waiting for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from segue.clock import Clock
from segue.config import Settings
from segue.local.rundir import RunDirectory
from segue.local.stack import LocalStack
from segue.local.state import Endpoints, ServiceState

__all__ = ["Stack", "running_stack", "waiting_text"]

READY_TIMEOUT_S: Final = 180.0
POLL_S: Final = 0.1
LINE_INTERVAL_S: Final = 5.0
STOPPING: Final = "stopping workers, Kafka and Redis"
_FETCH_AFTER_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Stack:
    """Where everything answers; `ours` if it was started for the demo and ends with it."""

    endpoints: Endpoints
    ours: bool


@contextlib.asynccontextmanager
async def running_stack(
    settings: Settings, *, workers: int, console: Console, clock: Clock
) -> AsyncIterator[Stack]:
    """A stack with ready workers. One that runs already is used and left running.

    Raises SegueError with the remedy when it cannot start; nothing is left running then.
    """
    endpoints = RunDirectory(settings.data_dir).read_endpoints()
    if endpoints is not None:
        console.print("using the stack that runs already", highlight=False)
        yield Stack(endpoints, ours=False)
        return
    stack = LocalStack(settings, workers=workers)
    try:
        await _bring_up(stack, console, clock)
        yield Stack(stack.endpoints, ours=True)
    finally:
        if not console.is_terminal:
            _say(console, STOPPING)
        with console.status(STOPPING):
            await stack.stop()


async def _bring_up(stack: LocalStack, console: Console, clock: Clock) -> None:
    """Start it and wait until it is ready, with a line for each service that is."""
    begin_s = clock.monotonic_s()
    starting = asyncio.ensure_future(_start(stack))
    told: set[str] = set()
    line_s = begin_s
    try:
        with console.status("starting") as status:
            while not starting.done():
                rows, passed_s = stack.supervisor.rows(), clock.monotonic_s() - begin_s
                for row in rows:
                    if row.ready and row.name not in told:
                        told.add(row.name)
                        _say(console, f"{row.name} is ready, port {row.port} ({passed_s:.1f} s)")
                text = waiting_text(rows, passed_s)
                status.update(text)
                if not console.is_terminal and clock.monotonic_s() - line_s >= LINE_INTERVAL_S:
                    line_s = clock.monotonic_s()
                    _say(console, text)
                await asyncio.wait([starting], timeout=POLL_S)
        await starting
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    _say(console, f"everything is ready ({clock.monotonic_s() - begin_s:.1f} s)")


async def _start(stack: LocalStack) -> None:
    await stack.start()
    await stack.wait_ready(READY_TIMEOUT_S)


def waiting_text(rows: Sequence[ServiceState], passed_s: float) -> str:
    """What the start is waiting for, in a line."""
    waiting = [row for row in rows if not row.ready]
    if not waiting:
        slow = passed_s >= _FETCH_AFTER_S and not rows
        what = "Kafka's files (the first time Maven fetches 43 MB)" if slow else "the next service"
        return f"waiting for {what}, {passed_s:.0f} s"
    names = ", ".join(f"{row.name} ({row.detail or row.condition})" for row in waiting)
    return f"waiting for {names}, {passed_s:.0f} s"


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)

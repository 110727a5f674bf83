"""Runs the demo's minute: feeds plays, watches what becomes of them, draws it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.live import Live

from segue.clock import Clock
from segue.demo.follow import Lists, WatchedSink
from segue.demo.lines import change_line, status_line
from segue.demo.observer import Observer
from segue.demo.scrape import Latency
from segue.demo.view import Snapshot, draw
from segue.errors import Unavailable

__all__ = ["Outcome", "run_show", "wait_for_list"]

REFRESH_S: Final = 0.25
LINE_INTERVAL_S: Final = 1.0
DRAIN_TIMEOUT_S: Final = 10.0
FIRST_LIST_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the demo ended: the last snapshot, and the figures of the whole run.

    `first_list_s` is the time from the command to the first list in Redis; None without a play.
    """

    snapshot: Snapshot
    latency: Latency
    outcomes: dict[str, int]
    first_list_s: float | None


async def run_show(
    feeding: Awaitable[object],
    sink: WatchedSink,
    observer: Observer,
    *,
    console: Console,
    clock: Clock,
    first_list: Awaitable[float],
) -> Outcome:
    """Await `feeding` while drawing what happens; then wait until the last play is dealt with.

    Raises what `feeding` raises, and Unavailable if Redis or the first list does not come.
    """
    await observer.begin()
    feed = asyncio.ensure_future(feeding)
    first = asyncio.ensure_future(first_list)
    try:
        if console.is_terminal:
            await _draw_until(feed, sink, observer, console=console)
        else:
            await _print_until(feed, sink, observer, console=console, clock=clock)
        await feed
        first_list_s = await first if sink.sent else None
    finally:
        for task in (feed, first):
            task.cancel()
        await asyncio.gather(feed, first, return_exceptions=True)
    await _drain(sink, observer, clock)
    return Outcome(
        await observer.snapshot(sink.sent), observer.latency(), observer.outcomes(), first_list_s
    )


async def wait_for_list(lists: Lists, sink: WatchedSink, *, since_ms: int, clock: Clock) -> float:
    """The monotonic time at which a list of the first listener stood in Redis.

    One computed before `since_ms` is of an earlier run. Raises Unavailable after 60 s.
    """
    deadline_s = clock.monotonic_s() + FIRST_LIST_TIMEOUT_S
    while clock.monotonic_s() < deadline_s:
        if sink.first_user_id is not None:
            found = await lists.next(sink.first_user_id)
            if found is not None and found.at_ms >= since_ms:
                return clock.monotonic_s()
        await asyncio.sleep(_POLL_S)
    raise Unavailable(
        f"no list appeared in Redis within {FIRST_LIST_TIMEOUT_S:.0f} s",
        what="worker",
        remedy="see the workers' logs below .segue/logs",
    )


async def _draw_until(
    feed: asyncio.Future[object], sink: WatchedSink, observer: Observer, *, console: Console
) -> None:
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while not feed.done():
            snapshot = await observer.snapshot(sink.sent)
            # Drawing takes 20 ms: on the loop, plays would wait for it and seem to be slow.
            await asyncio.to_thread(lambda now: live.update(draw(now), refresh=True), snapshot)
            await asyncio.wait([feed], timeout=REFRESH_S)


async def _print_until(
    feed: asyncio.Future[object],
    sink: WatchedSink,
    observer: Observer,
    *,
    console: Console,
    clock: Clock,
) -> None:
    line_s, changes = clock.monotonic_s(), 0
    while not feed.done():
        snapshot = await observer.snapshot(sink.sent)
        if clock.monotonic_s() - line_s >= LINE_INTERVAL_S:
            line_s = clock.monotonic_s()
            _say(console, status_line(snapshot))
            if snapshot.listener is not None and snapshot.listener.changes > changes:
                changes = snapshot.listener.changes
                _say(console, change_line(snapshot, snapshot.listener))
        await asyncio.wait([feed], timeout=REFRESH_S)


async def _drain(sink: WatchedSink, observer: Observer, clock: Clock) -> None:
    """Wait until the workers counted every play that was sent, at most 10 s."""
    deadline_s = clock.monotonic_s() + DRAIN_TIMEOUT_S
    while clock.monotonic_s() < deadline_s:
        sample = await observer.scrape()
        if sample.plays - observer.first.plays >= sink.sent and not sample.lag:
            return
        await asyncio.sleep(REFRESH_S)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)

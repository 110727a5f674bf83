"""One demo on one running stack: plays go in, lists and metrics come out, both are shown."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final

from rich.console import Console

from segue.client import ListReader, PlayProducer
from segue.clock import Clock
from segue.demo.follow import Follower, WatchedSink
from segue.demo.observer import Observer, Plan
from segue.demo.scrape import MetricsReader
from segue.demo.show import Outcome, run_show, wait_for_list
from segue.demo.source import TREND_BEGINS_SHARE, Source
from segue.local.state import Endpoints

__all__ = ["Scene"]

PLAYS_AGENT: Final = "plays"
"""The agent that takes plays in: its outcomes are those of plays."""


class Scene:
    """What is to be shown, where, and for how long. Made before the stack is up."""

    def __init__(
        self,
        source: Source,
        *,
        rate_per_s: float | None,
        seconds: float,
        console: Console,
        clock: Clock,
    ) -> None:
        self.console = console
        self.clock = clock
        self._source = source
        self._rate_per_s = rate_per_s
        self._seconds = seconds
        self._command_s, self._command_ms = clock.monotonic_s(), clock.now_ms()

    def complaints(self) -> list[str]:
        """What could not be fed and why, in lines."""
        return self._source.complaints()

    async def play(
        self, endpoints: Endpoints, producer: AbstractAsyncContextManager[PlayProducer]
    ) -> Outcome:
        """Feed and watch until the plays are over. Raises Unavailable if something fails."""
        source, clock, console = self._source, self.clock, self.console
        rate = "full speed" if self._rate_per_s is None else f"{self._rate_per_s:,.0f} a second"
        text = f"feeding {source.describe()}, at {rate}"
        console.print(text, highlight=False, markup=False)
        trend_at_s = self._seconds * TREND_BEGINS_SHARE
        known = source.titles, source.cheats
        plan = Plan(self._seconds, source.awaited, trend_at_s, *known)
        ports = [worker.web_port for worker in endpoints.workers]
        reader = MetricsReader(ports, plays_agent=PLAYS_AGENT)
        async with ListReader(endpoints.redis_url) as lists, producer as started:
            await source.publish(started)
            follower = Follower(lists, clock, never=source.cheats)
            sink = WatchedSink(started, follower)
            return await run_show(
                source.feed(sink, self._rate_per_s, seconds=self._seconds, clock=clock),
                sink,
                Observer(reader, lists, follower, plan=plan, clock=clock),
                console=console,
                clock=clock,
                first_list=self._first_list(lists, sink),
            )

    async def _first_list(self, lists: ListReader, sink: WatchedSink) -> float:
        """Seconds from the command to the first list in Redis."""
        at_s = await wait_for_list(lists, sink, since_ms=self._command_ms, clock=self.clock)
        return at_s - self._command_s

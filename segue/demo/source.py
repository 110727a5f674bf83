"""Where the demo's plays come from: a simulator, or a log that somebody brought."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from segue.clock import Clock
from segue.config import Settings
from segue.sim.feeder import (
    Limit,
    LogFeeder,
    PlaySink,
    TrackSink,
    feed_simulated,
    feed_tracks,
)
from segue.sim.logfile import BATCH_ROWS, PlayLog, open_log
from segue.sim.logrows import BadRows
from segue.sim.pacer import Pacer
from segue.sim.position import PositionFile
from segue.sim.simulator import Simulator

__all__ = ["FileSource", "SimulatedSource", "Source", "file_source", "simulated_source"]

TREND_BEGINS_SHARE: Final = 1 / 3
"""When, as a share of the demo, the obscure track begins to trend."""
_TREND_AFTER_UNPACED: Final = 20_000
PEOPLE_PER_BOT: Final = 600
PEOPLE_PER_FARMED: Final = 150


class Source(Protocol):
    """Plays for a while, and what is known of them beforehand."""

    @property
    def awaited(self) -> str | None:
        """The track that is going to trend, if that is known."""
        ...

    @property
    def cheats(self) -> Sequence[str]:
        """Listeners who do not listen, if that is known."""
        ...

    @property
    def titles(self) -> Mapping[str, str]:
        """Titles and artists of tracks by id, where they are known."""
        ...

    async def publish(self, sink: TrackSink) -> None:
        """Put the catalogue, if there is one. Raises Unavailable."""
        ...

    def describe(self) -> str:
        """What is fed, in a line."""
        ...

    def complaints(self) -> list[str]:
        """What could not be fed so far and why, in lines; nothing if all was well."""
        ...

    async def feed(
        self, sink: PlaySink, rate_per_s: float | None, *, seconds: float, clock: Clock
    ) -> None:
        """Feed for so long or until there is no more. Raises Unavailable."""
        ...


class SimulatedSource:
    """Made-up listeners."""

    def __init__(self, simulator: Simulator, description: str) -> None:
        self._simulator = simulator
        self._description = description
        self.awaited: str | None = simulator.trending_track.track_id
        self.cheats: Sequence[str] = [cheat.user_id for cheat in simulator.cheats]
        tracks = simulator.catalogue.tracks
        self.titles = {track.track_id: f"{track.title} · {track.artist}" for track in tracks}

    async def publish(self, sink: TrackSink) -> None:
        """Put what a service would say of the tracks."""
        await feed_tracks(self._simulator.catalogue.entries(), sink)

    def describe(self) -> str:
        """How many people and tracks."""
        return self._description

    def complaints(self) -> list[str]:
        """Nothing: the simulator makes only plays."""
        return []

    async def feed(
        self, sink: PlaySink, rate_per_s: float | None, *, seconds: float, clock: Clock
    ) -> None:
        """Feed for `seconds`."""
        await feed_simulated(
            self._simulator,
            sink,
            pacer=Pacer(rate_per_s, clock),
            clock=clock,
            limit=Limit(None, clock.monotonic_s() + seconds),
            report=lambda _: None,
        )


class FileSource:
    """A log, from where the last demo left it; from its first row again once it is through."""

    awaited: str | None = None
    cheats: Sequence[str] = ()
    titles: Mapping[str, str] = {}

    def __init__(self, log: PlayLog, position: PositionFile) -> None:
        self._log = log
        self._position = position
        self._bad = BadRows()

    async def publish(self, sink: TrackSink) -> None:
        """Nothing: a log has no catalogue; `segue tracks put` does it."""

    def describe(self) -> str:
        """The file, and which row comes first."""
        position = self._position.read()
        start = 0 if position is None else position.next_row
        return f"{self._log.path.name}, {self._log.rows:,} rows, from row {start + 1:,}"

    def complaints(self) -> list[str]:
        """The rows that are no plays."""
        count, name = self._bad.count, self._log.path.name
        return [f"{count:,} rows of {name} are no plays:", *self._bad.lines()] if count else []

    async def feed(
        self, sink: PlaySink, rate_per_s: float | None, *, seconds: float, clock: Clock
    ) -> None:
        """Feed for `seconds` or to the end of the log."""
        pacer = Pacer(rate_per_s, clock)
        feeder = LogFeeder(self._log, sink, position=self._position, pacer=pacer, clock=clock)
        self._bad = feeder.bad
        batch_rows = BATCH_ROWS if rate_per_s is None else max(1, min(BATCH_ROWS, int(rate_per_s)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await feeder.feed(lambda _: None, batch_rows=batch_rows)


def simulated_source(
    people: tuple[int, int, int], *, rate: float, seconds: float, clock: Clock
) -> SimulatedSource:
    """Simulated plays; `people` are seed, listeners and tracks. A third in, a track trends."""
    seed, listeners, tracks = people
    paced = not math.isinf(rate)
    simulator = Simulator(
        seed,
        listeners=listeners,
        tracks=tracks,
        run=f"{clock.now_ms():x}",  # other plays than those of earlier demos
        trend_after=int(rate * seconds * TREND_BEGINS_SHARE) if paced else _TREND_AFTER_UNPACED,
    )
    simulator.add_cheats(bots=listeners // PEOPLE_PER_BOT, farm=listeners // PEOPLE_PER_FARMED)
    return SimulatedSource(simulator, f"{listeners:,} made-up listeners, {tracks:,} tracks")


def file_source(path: Path, settings: Settings) -> FileSource:
    """The plays of a file. Raises Misconfigured if it cannot be a play log."""
    log = open_log(path)
    target = f"demo {settings.kafka_bootstrap} {settings.topic_prefix}"
    position = PositionFile(settings.data_dir, log.digest, target)
    found = position.read()
    if found is not None and found.next_row >= log.rows:
        position.forget()
    return FileSource(log, position)

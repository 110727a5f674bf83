"""Sends plays to Kafka at a pace: a log from a file, resumable, or a simulator, bounded.

Both report after each acknowledged chunk, and both are cancelled by cancelling their task: what was
acknowledged by then stays counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.events import PlayEvent
from schemas.tracks import CatalogueEntry
from segue.clock import Clock
from segue.errors import Unavailable
from segue.sim.logfile import BATCH_ROWS, PlayLog
from segue.sim.logrows import BadRows
from segue.sim.pacer import CHUNK_MAX, Pacer
from segue.sim.position import FeedPosition, PositionFile
from segue.sim.simulator import Simulator

__all__ = ["Limit", "LogFeeder", "PlaySink", "Report", "TrackSink", "feed_simulated", "feed_tracks"]

SAVE_INTERVAL_S: Final = 0.5
STORE_TIMEOUT_S: Final = 20.0
"""How long one chunk may take: an idempotent producer itself tries for ever."""

Report = Callable[[int], None]
"""Called with the number of rows or plays done so far."""


@dataclass(frozen=True, slots=True)
class Limit:
    """When to stop: after so many plays, or at a time of the monotonic clock; None for never."""

    plays: int | None
    end_s: float | None

    def left(self, fed: int, now_s: float) -> int:
        """How many plays may still go, at most a chunk; 0 is the end."""
        if self.end_s is not None and now_s >= self.end_s:
            return 0
        return CHUNK_MAX if self.plays is None else min(CHUNK_MAX, self.plays - fed)


class PlaySink(Protocol):
    """Where plays go: `segue.client.PlayProducer`, as far as feeding needs it."""

    async def send_many(self, plays: Sequence[PlayEvent]) -> None:
        """Buffer plays, in order for each listener; waits while the buffer is full."""
        ...

    async def flush(self) -> None:
        """Return once all plays are stored; raise Unavailable if one is not."""
        ...


class TrackSink(Protocol):
    """Where a catalogue goes: `segue.client.PlayProducer`, as far as feeding needs it."""

    async def send_track(self, entry: CatalogueEntry) -> None:
        """Buffer an entry; waits while the buffer is full."""
        ...

    async def flush(self) -> None:
        """Return once all entries are stored; raise Unavailable if one is not."""
        ...


async def feed_tracks(entries: Iterable[CatalogueEntry], sink: TrackSink) -> None:
    """Feed a catalogue. Raises Unavailable if Kafka does not take it."""
    for entry in entries:
        await sink.send_track(entry)
    await sink.flush()


async def feed_simulated(
    simulator: Simulator,
    sink: PlaySink,
    *,
    pacer: Pacer,
    clock: Clock,
    limit: Limit,
    report: Report,
) -> int:
    """Feed simulated plays, each ending when it is sent, up to `limit`. Returns how many.

    Raises Unavailable if Kafka does not take them.
    """
    fed = 0
    while wanted := limit.left(fed, clock.monotonic_s()):
        count = await pacer.take(wanted)
        await _store(sink, simulator.batch(count, at_ms=clock.now_ms()))
        fed += count
        report(fed)
    return fed


class LogFeeder:
    """Feeds one log to one cluster from where it was left.

    `plays` counts what was fed by this feeder, `bad` what could not be a play. After an error or
    cancellation the position on disk is that of the last acknowledged chunk.
    """

    def __init__(
        self, log: PlayLog, sink: PlaySink, *, position: PositionFile, pacer: Pacer, clock: Clock
    ) -> None:
        self._log = log
        self._sink = sink
        self._position = position
        self._pacer = pacer
        self._clock = clock
        self._acked = position.read() or FeedPosition(log.path.name)
        self._saved_s = clock.monotonic_s()
        self.bad = BadRows()
        self.plays = 0

    @property
    def next_row(self) -> int:
        """The first row that is not known to be stored."""
        return self._acked.next_row

    async def feed(self, report: Report, *, batch_rows: int = BATCH_ROWS) -> None:
        """Feed all rows that are left; `report` gets the rows done. Raises Unavailable."""
        try:
            for batch in self._log.batches(
                self.bad, start_row=self.next_row, batch_rows=batch_rows
            ):
                await self._send(batch.plays)
                self.plays += len(batch.plays)
                self._acked = FeedPosition(
                    self._log.path.name,
                    batch.next_row,
                    self._acked.plays + len(batch.plays),
                    self._clock.now_ms(),
                )
                self._save_if_due()
                report(batch.next_row)
        finally:
            if self.next_row:
                self._position.write(self._acked)

    async def _send(self, plays: list[PlayEvent]) -> None:
        at = 0
        while at < len(plays):
            count = await self._pacer.take(len(plays) - at)
            await _store(self._sink, plays[at : at + count])
            at += count

    def _save_if_due(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._saved_s >= SAVE_INTERVAL_S:
            self._position.write(self._acked)
            self._saved_s = now_s


async def _store(sink: PlaySink, plays: Sequence[PlayEvent]) -> None:
    """Send plays and wait until they are stored. Raises Unavailable after 20 s."""
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await sink.send_many(plays)
            await sink.flush()
    except TimeoutError:
        raise Unavailable(
            f"Kafka did not store plays within {STORE_TIMEOUT_S:.0f} s",
            what="kafka",
            remedy="see whether it runs, then give the same command again",
        ) from None

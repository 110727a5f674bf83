"""Two stages with the simplest state there is: counts by listener, then counts by track.

They run on the same transport, tasks and intake as the product, so tests and benchmarks of
delivery can compare every key with counts made from the log alone.
"""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import orjson

from schemas.events import PlayEvent
from schemas.murmur2 import partition_of
from schemas.registry import (
    LISTENERS_CHANGELOG,
    NEIGHBOURS_CHANGELOG,
    PAIRS,
    PLAYS,
)
from segue.config import Settings
from streams.app import SegueApp
from streams.intake import Intake
from streams.sinks.redis import Values
from streams.stage import Output
from streams.task import PartitionTask
from streams.tasks import TaskGroup
from streams.transport import Polls

__all__ = ["CountState", "register_counting"]


class CountState:
    """Counts by key. A record of the changelog is the count as text."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.evictions = 0
        self._dirty: set[str] = set()

    def add(self, key: str, count: int = 1) -> None:
        """Count `key`."""
        self.counts[key] += count
        self._dirty.add(key)

    def change_slices(self) -> list[list[tuple[bytes, bytes | None]]]:
        """Drain the keys counted since the last call."""
        changed: list[tuple[bytes, bytes | None]] = [
            (key.encode(), b"%d" % self.counts[key]) for key in self._dirty
        ]
        self._dirty.clear()
        return [changed]

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Set one count."""
        self.counts[key.decode()] = int(value or 0)

    def __len__(self) -> int:
        return len(self.counts)


class CountStage:
    """A stage of counts; the first of the two sends its tracks on to the second."""

    publish_interval_s = 0.25
    needs: tuple[str, ...] = ()

    def __init__(self, settings: Settings, name: str, inputs: str, changelog: str) -> None:
        self.name = name
        self.inputs = (inputs,)
        self.changelog = changelog
        self.flush_interval_s = settings.flush_interval_s
        self._partitions = settings.partitions
        self._pairs = PAIRS.topic(settings.topic_prefix)

    def new_state(self, partition: int) -> CountState:
        """Return empty counts."""
        return CountState()

    def outputs(self, state: CountState) -> list[Output]:
        """Drain the tracks counted, one record for each partition they belong to."""
        frames: dict[int, dict[str, int]] = {}
        for track, count in state.sent.items():
            number = partition_of(track.encode(), self._partitions)
            frames.setdefault(number, {})[track] = count
        state.sent.clear()
        return [Output(self._pairs, n, None, orjson.dumps(f)) for n, f in frames.items()]

    async def publish(self, task: PartitionTask[CountState], *, complete: bool) -> None:
        """Nothing leaves for Redis."""

    async def everything(self, task: PartitionTask[CountState]) -> AsyncIterator[Values]:
        """Nothing is in Redis."""
        nothing: tuple[Values, ...] = ()
        for values in nothing:
            yield values


def register_counting(app: SegueApp, settings: Settings) -> None:
    """Register the two stages and their agents."""
    prefix = settings.topic_prefix
    plays, pairs = PLAYS.topic(prefix), PAIRS.topic(prefix)
    first = TaskGroup(
        CountStage(settings, "listeners", plays, LISTENERS_CHANGELOG.topic(prefix)),
        app=app,
        settings=settings,
    )
    second = TaskGroup(
        CountStage(settings, "neighbours", pairs, NEIGHBOURS_CHANGELOG.topic(prefix)),
        app=app,
        settings=settings,
    )
    app.groups += [first, second]
    intake = Intake.of(PlayEvent, settings, time_ms="started_at_ms")

    @app.agent(app.polls(plays), name="count-plays")
    async def count_plays(polls: Polls) -> AsyncIterator[Any]:
        async for poll in polls:
            async with first.units(poll) as units:
                for unit in units:
                    for play in intake.read(unit).events:
                        unit.state.add(play.user_id)
                        unit.state.sent[play.track_id] += 1
            yield len(units)

    @app.agent(app.polls(pairs), name="count-pairs")
    async def count_pairs(polls: Polls) -> AsyncIterator[Any]:
        async for poll in polls:
            async with second.units(poll) as units:
                for unit in units:
                    for record in unit.records:
                        for track, count in orjson.loads(record.value).items():
                            unit.state.add(track, count)
            yield len(units)

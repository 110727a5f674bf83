"""Stage B: neighbour rows. Adds the pairs of all listeners to the rows of this partition."""

from collections.abc import AsyncIterator, Iterable, Iterator

import numpy as np

from agents.deps import Deps
from agents.frames import apply_frames
from agents.verifying import Verifier
from agents.versions import Versions
from models.recommend.catalogue import Catalogue
from models.recommend.neighbours import NeighbourState, RowColumns
from schemas.frames import ARTIST_MARK, MARKS, decode_pairs
from schemas.outputs import encode_similar
from schemas.rediskeys import row_key
from schemas.registry import NEIGHBOURS_CHANGELOG, PAIRS
from streams.app import SegueApp
from streams.sinks.redis import Values, Write
from streams.stage import Output
from streams.task import PartitionTask
from streams.tasks import TaskGroup
from streams.transport import Polls

__all__ = ["NeighboursStage", "register"]

ROWS_AT_ONCE = 50  # half a millisecond of Redis, for which lists would wait
PUBLISH_SHARE_S = 0.004  # of each interval and partition, so that plays have the rest


class NeighboursStage:
    """Fits `streams.stage.Stage`. Rows reach Redis coalesced, and before they are committed.

    Lists made in this process read its rows from the state, those of other workers from Redis:
    there a change is seen within `row_publish_interval_s` while the machine keeps up. Under more
    load than that, rows wait longer, the longest waiting first, but never past the commit.
    """

    name = "neighbours"
    needs: tuple[str, ...] = ()

    def __init__(self, catalogue: Catalogue, deps: Deps) -> None:
        settings = deps.settings
        self.inputs = (PAIRS.topic(settings.topic_prefix),)
        self.changelog = NEIGHBOURS_CHANGELOG.topic(settings.topic_prefix)
        self.flush_interval_s = settings.sink_flush_interval_s
        self.publish_interval_s = settings.row_publish_interval_s
        self._catalogue, self._deps = catalogue, deps
        self._versions = Versions(deps)
        self._verifier = Verifier(deps)

    def new_state(self, partition: int) -> NeighbourState:
        """Return an empty state of the configured limit."""
        tracks_max = self._deps.settings.tracks_per_partition_max
        return NeighbourState(self._catalogue.vocabulary, tracks_max, self._catalogue)

    def outputs(self, state: NeighbourState) -> list[Output]:
        """Nothing goes on from here but rows."""
        return []

    async def publish(self, task: PartitionTask[NeighbourState], *, complete: bool) -> None:
        """Write rows that changed; about every second see whether Redis holds the others."""
        clock_s = self._deps.clock.monotonic_s
        started_s = clock_s()
        if not complete:
            await self._verifier.verify_if_due(task)
        withdrawn = task.state.drain_withdrawn()
        if withdrawn:
            await self._withdraw(task, withdrawn)
        for rows in _waiting(task.state):
            await self._deps.sink.write(Write(task, await self._values(task, rows)))
            if complete:
                await task.breathe()  # there may be thousands of rows
            elif clock_s() - started_s > PUBLISH_SHARE_S:
                return
            else:
                await task.give_way()

    async def everything(self, task: PartitionTask[NeighbourState]) -> AsyncIterator[Values]:
        """Return all rows."""
        task.state.mark_all_published_dirty()
        for rows in _waiting(task.state):
            yield await self._values(task, rows)

    async def _withdraw(self, task: PartitionTask[NeighbourState], names: list[str]) -> None:
        """Delete rows of which an erasure left nothing."""
        version = await self._versions.at(task, task.version_offset)
        items = [(row_key(name), None) for name in names]
        await self._deps.sink.write(Write(task, Values("similar", version, items, ttl_s=1)))

    async def _values(
        self, task: PartitionTask[NeighbourState], rows: Iterable[tuple[str, RowColumns]]
    ) -> Values:
        version = await self._versions.at(task, task.version_offset)
        at_ms = self._deps.clock.now_ms()
        items = [
            (
                row_key(name),
                encode_similar(
                    version,
                    name.lstrip(MARKS),
                    at_ms=at_ms,
                    plays=row.plays,
                    artist=row.artist.removeprefix(ARTIST_MARK),
                    columns=(
                        row.names,
                        row.weights,
                        np.maximum(row.forward, 0),  # below 0 by skips, as good as 0
                        np.maximum(row.fading, 0).astype(np.int64),
                    ),
                ),
            )
            for name, row in rows
        ]
        return Values("similar", version, items, ttl_s=self._deps.settings.row_ttl_s)


def _waiting(state: NeighbourState) -> Iterator[list[tuple[str, RowColumns]]]:
    """Drain the rows that wait now; not what is learned meanwhile, which may have no end."""
    waiting = state.unpublished
    while waiting > 0 and (rows := state.drain_published(ROWS_AT_ONCE)):
        yield rows
        waiting -= len(rows)


def register(app: SegueApp, deps: Deps, neighbours: TaskGroup[NeighbourState]) -> None:
    """Register the agent `pairs`. Exactly once by the task's transaction; rows are versioned."""

    @app.agent(app.polls(neighbours.stage.inputs[0]), name="pairs", concurrency=1)
    async def pairs(polls: Polls) -> AsyncIterator[dict[str, int]]:
        async for poll in polls:
            yield await apply_frames(neighbours, poll, decode_pairs, agent="pairs", deps=deps)

"""Listeners' lists: rows in, lists out. Used by every agent that changes what a listener gets."""

from collections.abc import Iterable, Sequence

from agents.deps import Deps
from agents.versions import Versions
from models.recommend.listeners import ListenerState
from models.recommend.neighbours import NeighbourState
from models.recommend.recommender import Recommender
from models.recommend.rowcache import RowCache
from schemas.outputs import decode_trending, encode_list
from schemas.rediskeys import discover_key, next_key, similar_key, trend_key
from segue.telemetry.logs import get_logger
from streams.sinks.redis import Values, Write
from streams.task import PartitionTask
from streams.tasks import TaskGroup
from streams.unit import Unit

__all__ = ["ListWriter"]

logger = get_logger(__name__)

NEVER_S = float("-inf")


class ListWriter:
    """Makes and writes the lists of touched listeners: one script for a whole poll.

    Idempotent by key and version: the same state at the same offset writes the same again.
    """

    def __init__(
        self,
        recommender: Recommender,
        rows: RowCache,
        neighbours: TaskGroup[NeighbourState],
        deps: Deps,
    ) -> None:
        self._recommender, self._rows, self._deps = recommender, rows, deps
        self._neighbours = neighbours
        self._versions = Versions(deps)
        self._trends_due_s = NEVER_S

    async def write(self, touched: Iterable[tuple[Unit[ListenerState], Sequence[int]]]) -> None:
        """Write both lists of each unit's slots.

        Returns when Redis holds them; waits while it is away.
        """
        writes = [
            Write(unit.task, await self.make(unit.task, slots, unit.version_offset))
            for unit, slots in touched
            if slots
        ]
        if writes:
            await self._deps.sink.write(*writes)

    async def make(
        self, task: PartitionTask[ListenerState], slots: Sequence[int], offset: int
    ) -> Values:
        """Return the lists of `slots` as keys and values, under the version of `offset`."""
        await self._fetch_rows(task, slots)
        await self._fetch_trends(task, slots)
        version = await self._versions.at(task, offset)
        at_ms = self._deps.clock.now_ms()
        items: list[tuple[str, bytes]] = []
        for served in self._recommender.recommend(task.state, slots):
            user = served.user_id
            following = encode_list(version, user, kind="next", at_ms=at_ms, columns=served.next)
            new = encode_list(version, user, kind="discover", at_ms=at_ms, columns=served.discover)
            items += ((next_key(user), following), (discover_key(user), new))
        return Values("list", version, items, ttl_s=self._deps.settings.list_ttl_s)

    async def _fetch_rows(self, task: PartitionTask[ListenerState], slots: Sequence[int]) -> None:
        """Bring the rows that these lists need into the cache, unless they are fresh there."""
        now_s = self._deps.clock.monotonic_s()
        missing = self._rows.missing(self._recommender.context_tracks(task.state, slots), now_s)
        own = self._neighbours.open_tasks()
        for held in own:
            missing = self._rows.put_own(missing, held.state.source, now_s)
        if len(own) == self._deps.settings.partitions:
            self._rows.put_none(missing)
            return
        names = [self._recommender.vocabulary.names[track] for track in missing.tolist()]
        found = await self._deps.sink.read([similar_key(name) for name in names], task)
        unreadable = 0
        for name, raw in zip(names, found, strict=True):
            try:
                self._rows.put(name, raw, now_s)
            except ValueError:  # written by another version of us: as good as absent
                unreadable += 1
                self._rows.put(name, None, now_s)
        if unreadable:
            logger.warning("rows_unreadable", count=unreadable)

    async def _fetch_trends(self, task: PartitionTask[ListenerState], slots: Sequence[int]) -> None:
        """Read the trends of the listeners' markets again about every second."""
        new = self._recommender.note_markets(task.state, slots)
        now_s = self._deps.clock.monotonic_s()
        if now_s < self._trends_due_s and not new:
            return
        markets = self._recommender.markets
        found = await self._deps.sink.read([trend_key(m, "day") for m in markets], task)
        self._trends_due_s = now_s + self._deps.settings.trend_publish_interval_s
        for market, raw in zip(markets, found, strict=True):
            if raw is not None:
                trending = decode_trending(raw)
                self._recommender.set_trending(market, trending.track_ids, trending.scores)

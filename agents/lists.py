"""Listeners' lists: rows in, lists out. Used by every agent that changes what a listener gets."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from agents.deps import Deps
from agents.list_changes import ListChanges
from agents.versions import Versions
from models.recommend.listeners import ListenerState
from models.recommend.neighbours import NeighbourState
from models.recommend.recommender import Needs, Recommender, ServedLists
from models.recommend.rowcache import RowCache
from schemas.events import Feedback, PlayEvent
from schemas.outputs import decode_trending, encode_list
from schemas.rediskeys import discover_key, listener_keys, next_key, row_key, trend_key
from segue.telemetry.logs import get_logger
from streams.sinks.redis import Values, Write
from streams.task import PartitionTask
from streams.tasks import TaskGroup
from streams.unit import Unit

__all__ = ["ListWriter"]

logger = get_logger(__name__)

NEVER_S = float("-inf")
Task = PartitionTask[ListenerState]


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
        self.recommender = recommender
        self._rows, self._deps = rows, deps
        self._neighbours = neighbours
        self._versions = Versions(deps)
        self._trends_due_s = NEVER_S
        self.changes = ListChanges() if deps.settings.recommendations_topic else None

    async def fetch(
        self, taken: Iterable[tuple[Unit[ListenerState], Sequence[PlayEvent | Feedback]]]
    ) -> None:
        """Bring into memory what learning these events and writing the lists after them needs.

        One question for all of them. Waits while Redis is away.
        """
        parts = []
        for unit, events in taken:
            found = (unit.state.slot(event.user_id) for event in events)
            slots = [slot for slot in found if slot is not None]
            plays = [event for event in events if isinstance(event, PlayEvent)]
            if events:
                said = [event for event in events if isinstance(event, Feedback)]
                needs = self.recommender.needs(unit.state, slots, plays, said)
                parts.append((unit.task, needs))
        if parts:
            await self._fetch(parts)

    async def write(self, touched: Iterable[tuple[Unit[ListenerState], Sequence[int]]]) -> None:
        """Write both lists of each unit's slots, from what was fetched before.

        Returns when Redis holds them; waits while it is away.
        """
        writes = [
            Write(unit.task, await self._lists(unit.task, slots, unit.version_offset))
            for unit, slots in touched
            if slots
        ]
        if writes:
            await self._deps.sink.write(*writes)

    async def delete(self, erased: Iterable[tuple[Unit[ListenerState], Sequence[str]]]) -> None:
        """Delete everything that Redis holds of each unit's users.

        Under a version as lists are, so that no former owner writes them again. Waits as `write`.
        """
        writes = []
        for unit, users in erased:
            version = await self._versions.at(unit.task, unit.version_offset)
            items = [(key, None) for user in users for key in listener_keys(user)]
            writes.append(Write(unit.task, Values("list", version, items, ttl_s=1)))
            if self.changes is not None:
                self.changes.erase(unit.state, users)
        await self._deps.sink.write(*writes)

    async def make(self, task: Task, slots: Sequence[int], offset: int) -> Values:
        """Return the lists of `slots` as keys and values, under the version of `offset`."""
        await self._fetch([(task, self.recommender.needs(task.state, slots))])
        return await self._lists(task, slots, offset)

    async def _lists(self, task: Task, slots: Sequence[int], offset: int) -> Values:
        version = await self._versions.at(task, offset)
        at_ms = self._deps.clock.now_ms()
        items: list[tuple[str, bytes]] = []
        lists = await self._recommend(task, slots, at_ms)
        for slot, served in zip(slots, lists, strict=True):
            user = served.user_id
            encode = partial(
                encode_list,
                version,
                user,
                arm=served.arm,
                at_ms=at_ms,
                session=served.session,
            )
            following = encode(kind="next", columns=served.next)
            new = encode(kind="discover", columns=served.discover, propensity=served.propensity)
            items += ((next_key(user), following), (discover_key(user), new))
            if self.changes is not None:
                self.changes.note(task.state, slot, served, (following, new))
        return Values("list", version, items, ttl_s=self._deps.settings.list_ttl_s)

    async def _recommend(self, task: Task, slots: Sequence[int], at_ms: int) -> list[ServedLists]:
        """Make lists without blocked artists, even those that only other workers know of.

        Of listeners who block artists, the rows of all listed tracks whose artist is not known here
        are read; lists are made again until none is left that was not asked about.
        """
        served = self.recommender.recommend(task.state, slots, at_ms=at_ms)
        asked: set[str] = set()
        while unknown := self._unasked(task, slots, served, asked):
            names = sorted(set().union(*unknown.values()))
            asked.update(names)
            await self._read_rows(names, [task])
            again = self.recommender.recommend(task.state, [slots[i] for i in unknown], at_ms=at_ms)
            for i, lists in zip(unknown, again, strict=True):
                served[i] = lists
        return served

    def _unasked(
        self, task: Task, slots: Sequence[int], served: Sequence[ServedLists], asked: set[str]
    ) -> dict[int, set[str]]:
        """By place in `slots`, the tracks to ask about."""
        if len(self._neighbours.open_tasks()) == self._deps.settings.partitions:
            return {}  # nobody knows more than this process
        unknown = self.recommender.unknown_artists(task.state, slots, served)
        return {i: tracks - asked for i, tracks in enumerate(unknown) if tracks - asked}

    async def _fetch(self, parts: Sequence[tuple[Task, Needs]]) -> None:
        # Before anything is awaited: until they are noted nothing keeps the ids of new markets.
        new = [self.recommender.note_markets(needs.markets) for _, needs in parts]
        await self._fetch_rows(parts)
        await self._fetch_trends([task for task, _ in parts], new=any(new))

    async def _fetch_rows(self, parts: Sequence[tuple[Task, Needs]]) -> None:
        """Bring the rows that are needed into the cache, unless they are fresh there."""
        now_s = self._deps.clock.monotonic_s()
        needed = np.unique(np.concatenate([needs.rows for _, needs in parts]))
        missing = self._rows.missing(needed, now_s)
        own = self._neighbours.open_tasks()
        for held in own:
            missing = self._rows.put_own(missing, held.state.source, now_s)
        if len(own) == self._deps.settings.partitions:
            self._rows.put_none(missing)
            return
        names = [self.recommender.vocabulary.names[track] for track in missing.tolist()]
        await self._read_rows(names, [task for task, _ in parts])

    async def _read_rows(self, names: Sequence[str], tasks: Sequence[Task]) -> None:
        """Read rows of other workers into the cache."""
        now_s = self._deps.clock.monotonic_s()
        found = await self._deps.sink.read([row_key(name) for name in names], *tasks)
        unreadable = 0
        for name, raw in zip(names, found, strict=True):
            try:
                self._rows.put(name, raw, now_s)
            except ValueError:  # written by another version of us: as good as absent
                unreadable += 1
                self._rows.put(name, None, now_s)
        if unreadable:
            logger.warning("rows_unreadable", count=unreadable)

    async def _fetch_trends(self, tasks: Sequence[Task], *, new: bool) -> None:
        """Read the trends of the listeners' markets again about every second, at once if `new`."""
        now_s = self._deps.clock.monotonic_s()
        if now_s < self._trends_due_s and not new:
            return
        markets = self.recommender.markets
        found = await self._deps.sink.read([trend_key(m, "day") for m in markets], *tasks)
        self._trends_due_s = now_s + self._deps.settings.trend_publish_interval_s
        for market, raw in zip(markets, found, strict=True):
            if raw is not None:
                trending = decode_trending(raw)
                self.recommender.set_trending(market, trending.track_ids, trending.scores)

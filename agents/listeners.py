"""Stage A: listeners. Reads what they do and ask for, sends pairs and trend counts on."""

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import chain

from agents.deps import Deps
from agents.lists import ListWriter
from agents.scoring import Scoring
from agents.tracks import FreshArtists
from agents.verifying import Verifier
from models.recommend.arms import Arms
from models.recommend.listener_memory import listening_to
from models.recommend.listeners import ListenerLimits, ListenerState
from models.recommend.outgoing import Outbox
from models.recommend.vocabulary import Vocabulary
from schemas.discoveries import split_discoveries
from schemas.frames import encode_trend_counts, split_pairs
from schemas.murmur2 import partition_of, partition_of_name
from schemas.registry import (
    DISCOVERIES,
    FEEDBACK,
    IMPRESSIONS,
    LISTENERS_CHANGELOG,
    PAIRS,
    PLAYS,
    PRIVACY,
    RECOMMENDATIONS,
    TREND_COUNTS,
)
from streams.sinks.redis import Values, Write
from streams.stage import Output
from streams.task import PartitionTask

__all__ = ["ListenersStage"]

DAY_MS = 86_400_000
REFRESHED_LISTENERS = 100  # of a partition, each time: a hit's next track has many who wait
REWRITE_LISTENERS = 200  # lists made at once when Redis lost its data


class ListenersStage:
    """Fits `streams.stage.Stage`. Lists reach Redis from the agents, before the commit."""

    name = "listeners"
    needs = ("neighbours", "trends")

    def __init__(
        self,
        vocabulary: Vocabulary,
        lists: ListWriter,
        deps: Deps,
        fresh: FreshArtists,
        *,
        arms: Arms,
    ) -> None:
        prefix = deps.settings.topic_prefix
        inputs = (PLAYS, FEEDBACK, IMPRESSIONS, PRIVACY)
        self.inputs = tuple(spec.topic(prefix) for spec in inputs)
        self.changelog = LISTENERS_CHANGELOG.topic(prefix)
        self.flush_interval_s = self.publish_interval_s = deps.settings.flush_interval_s
        self._discoveries = DISCOVERIES.topic(prefix)
        self._pairs, self._trends = PAIRS.topic(prefix), TREND_COUNTS.topic(prefix)
        self._recommendations = RECOMMENDATIONS.topic(prefix)
        self._vocabulary, self._lists, self._deps = vocabulary, lists, deps
        self._verifier = Verifier(deps)
        self._arms, self._scoring = arms, Scoring(arms, deps.clock)
        self._fresh = fresh

    def new_state(self, partition: int) -> ListenerState:
        """Return an empty state of the configured limits."""
        settings = self._deps.settings
        limits = ListenerLimits(
            listeners_max=settings.listeners_per_partition_max,
            dedupe_window=settings.dedupe_window,
            lateness_ms=settings.lateness_ms,
            session_gap_ms=settings.session_gap_ms,
            hold_suspicious=settings.hold_suspicious,
            erasures_max=settings.erasures_per_partition_max,
            erasure_memory_ms=settings.erasure_memory_days * DAY_MS,
            erasure_key=settings.erasure_secret.get_secret_value().encode(),
        )
        catalogue = self._lists.recommender.catalogue
        return ListenerState(self._vocabulary, limits, catalogue, arms=self._arms)

    def outputs(self, state: ListenerState) -> Iterable[Output]:
        """Drain changed lists, pairs (a frame per partition of the left track), discoveries and
        trend counts (per market)."""
        return chain([*self._changed_lists(state)], self._sent(state.outbox.take()))

    def _sent(self, outbox: Outbox) -> Iterator[Output]:
        given = outbox.drain_pairs(self._track_partition).items()
        erased = outbox.drain_erased(self._track_partition).items()
        limit = self._deps.settings.message_bytes_max // 2
        for partition, frame in (*given, *erased):
            for raw in split_pairs(frame, limit):
                yield Output(self._pairs, partition, None, raw)
        found = outbox.drain_discoveries()
        for raw in [] if found is None else split_discoveries(found, limit):
            yield Output(self._discoveries, 0, None, raw)
        for counts in outbox.drain_trend_counts():
            to = self._track_partition(counts.market)
            yield Output(self._trends, to, counts.market.encode(), encode_trend_counts(counts))

    def _changed_lists(self, state: ListenerState) -> Iterator[Output]:
        if self._lists.changes is not None:
            for user, raw in self._lists.changes.drain(state):
                key = user.encode()
                partition = partition_of(key, self._deps.settings.partitions)
                yield Output(self._recommendations, partition, key, raw)

    async def publish(self, task: PartitionTask[ListenerState], *, complete: bool) -> None:
        """Count how lists did; see about every second whether Redis still holds them; write those
        that the catalogue changes."""
        self._scoring.count(task.state.drain_scores())
        if not complete:  # else nothing waits: lists were written before their plays counted
            await self._verifier.verify_if_due(task)
            await self._refresh(task)

    async def _refresh(self, task: PartitionTask[ListenerState]) -> None:
        """Write again the lists of those whose session has an artist with a new track."""
        artists = self._fresh.take(task.partition)
        if not artists:
            return
        async with task.lock:  # else a play's lists might be overwritten by older ones
            task.ensure_open()
            state = task.state
            slots = listening_to(state.arrays, len(state), artists, REFRESHED_LISTENERS)
            if slots:
                values = await self._lists.make(task, slots, task.version_offset)
                await self._deps.sink.write(Write(task, values))

    async def everything(self, task: PartitionTask[ListenerState]) -> AsyncIterator[Values]:
        """Make all lists anew from the state."""
        slots = task.state.all_slots()
        for start in range(0, len(slots), REWRITE_LISTENERS):
            chunk = slots[start : start + REWRITE_LISTENERS]
            yield await self._lists.make(task, chunk, task.version_offset)

    def _track_partition(self, name: str) -> int:
        return partition_of_name(name, self._deps.settings.partitions)

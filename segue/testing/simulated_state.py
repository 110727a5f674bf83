"""The state of all stages by name, as it must be equal between two runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from models.recommend.listeners import ListenerSnapshot, ListenerState
from models.recommend.neighbours import NeighbourState
from models.recommend.rankers import encode_ranker
from models.recommend.trends import TrendState
from models.recommend.vectors import VectorState
from segue.testing.memory_log import MemoryLog
from streams.stage import Stage
from streams.tasks import TaskGroup

__all__ = ["State", "live_state", "restored_state"]


@dataclass(slots=True)
class State:
    """Listeners, plays, rows and artists of tracks, plays per market, and discoveries per track,
    each in one partition.

    `rows` are weights by (left, right, whether right came after left). What depends on the order
    of adding or on which plays came in one frame is kept beside, and left out of comparisons:
    `rankers` by partition as their records, `fading` weights and `trend_scores`.
    """

    listeners: dict[str, ListenerSnapshot] = field(default_factory=dict)
    plays: Counter[str] = field(default_factory=Counter)
    rows: dict[tuple[str, str, bool], int] = field(default_factory=dict)
    artists: dict[str, str] = field(default_factory=dict)
    trends: Counter[tuple[str, str]] = field(default_factory=Counter)
    discoveries: dict[str, int] = field(default_factory=dict)
    rankers: dict[int, bytes] = field(default_factory=dict, compare=False)
    fading: dict[tuple[str, str], float] = field(default_factory=dict, compare=False)
    trend_scores: dict[tuple[str, str], float] = field(default_factory=dict, compare=False)

    def add(self, state: Any, partition: int) -> None:
        """Add the state of one partition of any stage."""
        if isinstance(state, ListenerState):
            assert partition not in self.rankers, f"partition {partition} is held twice"
            self.rankers[partition] = encode_ranker(state.ranker)
            self._add_listeners(state)
        elif isinstance(state, NeighbourState):
            self._add_rows(state)
        elif isinstance(state, VectorState):
            for track in state.tracks:
                known = state.vector(track)
                assert known is not None, "it was just named"
                self.discoveries[track] = known.discoveries
        else:
            assert isinstance(state, TrendState)
            self._add_trends(state)

    def _add_listeners(self, state: ListenerState) -> None:
        for slot in state.all_slots():
            user = state.user_id(slot)
            known = state.snapshot(user)
            assert known is not None, "it has a slot"
            assert user not in self.listeners, f"{user} is in two partitions"
            # What the forest makes of a listener depends on whom it saw before.
            self.listeners[user] = replace(known, conduct=replace(known.conduct, score=0))

    def _add_rows(self, state: NeighbourState) -> None:
        state.mark_all_published_dirty()
        for track, _ in state.drain_published(len(state)):
            row = state.row(track)
            assert row is not None, "it was just drained"
            assert track not in self.plays, f"{track} is in two partitions"
            self.plays[track] = row.plays
            if row.artist:
                self.artists[track] = row.artist
            columns = row.weights.tolist(), row.forward.tolist(), row.fading.tolist()
            for name, weight, after, fading in zip(row.names, *columns, strict=True):
                self.rows |= {
                    (track, name, forward): part
                    for forward, part in ((True, after), (False, weight - after))
                    if part
                }
                self.fading[track, name] = fading

    def _add_trends(self, state: TrendState) -> None:
        for market in state.markets:
            names, scores = state.trending(market, "day", len(state))
            for name, score in zip(names, scores.tolist(), strict=True):
                assert (market, name) not in self.trends, f"{market} is in two partitions"
                self.trends[market, name] = state.plays(market, name)
                self.trend_scores[market, name] = score


def live_state(workers: Iterable[Sequence[TaskGroup[Any]]]) -> State:
    """Return what open tasks hold."""
    found = State()
    for groups in workers:
        for group in groups:
            for task in group.open_tasks():
                found.add(task.state, task.partition)
    return found


def restored_state(stages: Iterable[Stage[Any]], log: MemoryLog, partitions: int) -> State:
    """Return what a worker would restore that started now."""
    found = State()
    for stage in stages:
        for number in range(partitions):
            state = stage.new_state(number)
            for key, value in log.last_values(stage.changelog, number).items():
                state.restore(key, value)
            found.add(state, number)
    return found

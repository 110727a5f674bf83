"""A log, and how laws drive it through the stages, compiled ones and plain ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from models.recommend.catalogue import Catalogue
from models.recommend.changing import Records
from models.recommend.kernels.scene import Rates
from models.recommend.listener_memory import ListenerLimits
from models.recommend.listeners import ListenerState
from models.recommend.neighbours import NeighbourState
from models.recommend.pipeline import Pipeline
from models.recommend.plays import OUTCOMES, Learned
from models.recommend.recommender import SHIPPED_RATES, Recommender
from models.recommend.reference import ReferenceListeners
from models.recommend.reference_rows import ReferenceRows
from models.recommend.trends import TrendState
from models.recommend.vectors import VectorState
from models.recommend.vocabulary import Vocabulary
from schemas.audio import AudioNeighbours
from schemas.events import Feedback, PlayEvent, PrivacyRequest
from schemas.frames import PairsFrame
from schemas.tracks import CatalogueEntry

Event = PlayEvent | Feedback | PrivacyRequest
State = ListenerState | NeighbourState | TrendState | VectorState
LIST_LENGTH = 5


@dataclass(frozen=True, slots=True)
class Case:
    """A log in arrival order, and how it is cut up.

    `batch` is how many events are learned at once, `cut` the batch before which a state is rebuilt
    from its records; `tracks_max` and `limits` may be so small that something is always evicted.
    Lists are made at `at_ms`, on which it depends what is hidden. `entries` are the catalogue and
    `sounds` the audio neighbours, there from the beginning.
    """

    events: Sequence[Event]
    batch: int = 7
    cut: int = 0
    limits: ListenerLimits = field(default_factory=ListenerLimits)
    tracks_max: int = 1000
    vocabulary_limit: int = 1
    at_ms: int = 0
    rates: Rates = SHIPPED_RATES
    entries: Sequence[CatalogueEntry] = ()
    sounds: Sequence[AudioNeighbours] = ()


Law = Callable[[Case], None]


def new_listeners(case: Case, *, evicting: bool = True) -> ListenerState:
    """Empty stage A; without eviction its limits are the usual ones."""
    limits = case.limits if evicting else ListenerLimits()
    vocabulary = Vocabulary(case.vocabulary_limit)
    catalogue = Catalogue(vocabulary)
    catalogue.put(case.entries)
    return ListenerState(vocabulary, limits, catalogue)


def new_rows(case: Case, *, evicting: bool = True) -> NeighbourState:
    """Empty stage B."""
    return NeighbourState(Vocabulary(1), case.tracks_max if evicting else 10_000)


def new_trends(case: Case) -> TrendState:
    """Empty stage C, for two markets."""
    return TrendState(Vocabulary(1), markets_max=2, tracks_per_market_max=case.tracks_max)


def new_pipeline(case: Case) -> Pipeline:
    """Empty stages without evictions, the catalogue, and audio neighbours."""
    pipeline = Pipeline(list_length=LIST_LENGTH, rates=case.rates)
    pipeline.catalogue.put(case.entries)
    pipeline.sounds.put(case.sounds)
    return pipeline


def run_pipeline(case: Case) -> Pipeline:
    """All stages after the whole log, without evictions."""
    pipeline = new_pipeline(case)
    for batch in batches(case.events, case.batch):
        learn(pipeline.listeners, batch, pipeline.recommender)
        pipeline.propagate()
    return pipeline


def batches(events: Sequence[Event], size: int) -> list[Sequence[Event]]:
    """The log cut up."""
    return [events[at : at + size] for at in range(0, len(events), size)]


def runs_of_a_kind(events: Sequence[Event]) -> list[list[Event]]:
    """The events split where kinds of them meet: an input topic each."""
    return [[*run] for _, run in groupby(events, type)]


def learn(
    state: ListenerState, events: Sequence[Event], lists: Recommender | None = None
) -> list[Learned]:
    """Learn events in order; each kind comes in calls of its own. Requests are of erasures."""
    learned: list[Learned] = []
    for run in runs_of_a_kind(events):
        plays = [event for event in run if isinstance(event, PlayEvent)]
        feedback = [event for event in run if isinstance(event, Feedback)]
        requests = [event for event in run if isinstance(event, PrivacyRequest)]
        if plays:
            learned.append(state.learn(plays, lists=lists))
        elif feedback:
            learned.append(state.apply_feedback(feedback))
        else:
            done = [state.erase(request.user_id, request.at_ms) for request in requests]
            codes = [OUTCOMES.index("applied" if new else "duplicate") for new in done]
            learned.append(Learned(np.array(codes, np.uint8), []))
    return learned


def outcomes(learned: Sequence[Learned]) -> list[str]:
    """The outcome of each event, by name."""
    return [OUTCOMES[code] for part in learned for code in part.outcomes.tolist()]


def reference_learn(reference: ReferenceListeners, events: Sequence[Event]) -> list[str]:
    """Learn events in order, the plain way; their outcomes."""
    return [_reference_learn(reference, event) for event in events]


def _reference_learn(reference: ReferenceListeners, event: Event) -> str:
    if isinstance(event, PlayEvent):
        return reference.learn([event])[0]
    if isinstance(event, Feedback):
        return reference.feedback([event])[0]
    return reference.erase(event.user_id, event.at_ms)


def by_listener(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Each listener's events, in order."""
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.user_id, []).append(event)
    return found


def tracks(events: Sequence[Event]) -> set[str]:
    """Every track that is mentioned."""
    named = (event for event in events if not isinstance(event, PrivacyRequest))
    return {event.track_id for event in named if event.track_id is not None}


def sent_pairs(state: ListenerState) -> tuple[Counter[str], Counter[tuple[str, str, bool]]]:
    """What a state has to send to stage B, added up over three partitions: plays and weights.

    Weights by left track, right track, and whether right was played after left.
    """
    return _added_up(state.drain_pairs(partition_of))


def sent_erased(state: ListenerState) -> tuple[Counter[str], Counter[tuple[str, str, bool]]]:
    """The same of what is to be taken back."""
    return _added_up(state.drain_erased(partition_of))


def _added_up(
    frames: dict[int, PairsFrame],
) -> tuple[Counter[str], Counter[tuple[str, str, bool]]]:
    plays: Counter[str] = Counter()
    weights: Counter[tuple[str, str, bool]] = Counter()
    for partition, frame in frames.items():
        names = frame.names
        for track, count in zip(frame.play_track.tolist(), frame.play_count.tolist(), strict=True):
            plays[names[track]] += count
            assert partition_of(names[track]) == partition
        for left, right, weight, forward in pair_entries(frame):
            weights[left, right, forward] += weight
            assert partition_of(left) == partition
    return plays, weights


def pair_entries(frame: PairsFrame) -> list[tuple[str, str, int, bool]]:
    """The pairs of a frame by name: left, right, weight, and whether right came after left."""
    names = frame.names
    columns = (frame.left, frame.right, frame.weight, frame.forward)
    return [
        (names[left], names[right], weight, bool(forward))
        for left, right, weight, forward in zip(*(c.tolist() for c in columns), strict=True)
    ]


def feed_reference(reference: ReferenceRows, frame: PairsFrame) -> list[str]:
    """What a frame says, entry by entry. Returns the tracks of whose rows it left nothing."""
    if frame.erased:
        return _take_back(reference, frame)
    for track, count in zip(frame.play_track.tolist(), frame.play_count.tolist(), strict=True):
        reference.add_plays(frame.names[track], count)
    for left, right, weight, forward in pair_entries(frame):
        reference.add_weight(left, right, weight, forward=forward)
    for track, artist in zip(frame.play_track.tolist(), frame.play_artist.tolist(), strict=True):
        if artist != track:
            reference.name_artist(frame.names[track], frame.names[artist])
    return []


def _take_back(reference: ReferenceRows, frame: PairsFrame) -> list[str]:
    for track, count in zip(frame.play_track.tolist(), frame.play_count.tolist(), strict=True):
        reference.take_back_plays(frame.names[track], count)
    for left, right, weight, forward in pair_entries(frame):
        reference.take_back_weight(left, right, weight, forward=forward)
    return reference.drop_empty(frame.names)


def sent_trends(state: ListenerState) -> Counter[tuple[str, str, int]]:
    """What a state has to send to stage C, added up: (market, track, minute)."""
    counts: Counter[tuple[str, str, int]] = Counter()
    for frame in state.drain_trend_counts():
        columns = (frame.track.tolist(), frame.bucket.tolist(), frame.count.tolist())
        for track, minute, count in zip(*columns, strict=True):
            counts[frame.market, frame.names[track], minute] += count
    return counts


def partition_of(name: str) -> int:
    """A partition of three; any rule will do."""
    return sum(name.encode()) % 3


def drained(state: ListenerState) -> list[PairsFrame]:
    """What stage A has to send to stage B, in the order in which it goes."""
    given, erased = state.drain_pairs(partition_of), state.drain_erased(partition_of)
    return [*given.values(), *erased.values()]


def feed_rows(state: ListenerState, rows: NeighbourState) -> None:
    """Let stage B learn what stage A has to send."""
    for frame in drained(state):
        rows.learn(frame)


def row_of(rows: NeighbourState, track: str) -> tuple[int, list[tuple[str, int, int]]] | None:
    """A track's plays and neighbours, heaviest first: name, weight, and the part that came after.

    Without the fading weights, which depend on how plays and pairs were combined.
    """
    found = rows.row(track)
    if found is None:
        return None
    columns = (found.weights.tolist(), found.forward.tolist())
    return found.plays, [*zip(found.names, *columns, strict=True)]


def given_row(rows: NeighbourState, track: str) -> tuple[int, list[tuple[str, int, int]]]:
    """What `row_of` says, without neighbours of which nothing is left; nothing of no row."""
    plays, neighbours = row_of(rows, track) or (0, [])
    return plays, [neighbour for neighbour in neighbours if neighbour[1:] != (0, 0)]


def keep_last(changelog: dict[bytes, bytes | None], records: Records) -> None:
    """Do what compaction does: keep each key's last record, in order of writing."""
    for key, value in records:
        changelog.pop(key, None)
        changelog[key] = value


def restore(state: State, changelog: dict[bytes, bytes | None]) -> None:
    """Read a compacted changelog."""
    for key, value in changelog.items():
        state.restore(key, value)


def continued(
    case: Case,
    states: tuple[State, State],
    drain: Callable[[ListenerState], Iterable[Any]],  # Any: frames that these states learn
) -> Iterator[tuple[Records, Records]]:
    """What two states write for each batch from the cut on; there the second begins from records.

    They learn what `drain` takes from stage A.
    """
    listeners, (original, restored) = new_listeners(case, evicting=False), states
    changelog: dict[bytes, bytes | None] = {}
    for at, batch in enumerate(batches(case.events, case.batch)):
        if at == case.cut:
            restore(restored, changelog)
        learn(listeners, batch)
        for frame in drain(listeners):
            original.learn(frame)
            if at >= case.cut:
                restored.learn(frame)
        records = original.changes()
        keep_last(changelog, records)
        if at >= case.cut:
            yield records, restored.changes()

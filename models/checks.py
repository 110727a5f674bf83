"""Laws: what every run of the recommender must keep, whatever the log. Each law takes a `Case`.

`yield_checks` lists them; the tests draw logs and apply each law to each. A law raises
AssertionError where it is broken. Nothing here is random: what varies is in the case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from models.recommend.kernels.trending import DAY_HALF_LIFE, HOUR_HALF_LIFE
from models.recommend.listener_memory import ListenerLimits
from models.recommend.listeners import ListenerState
from models.recommend.neighbours import NeighbourState
from models.recommend.pipeline import Pipeline
from models.recommend.plays import OUTCOMES, Learned
from models.recommend.reference import (
    ReferenceListeners,
    ReferenceRows,
    ReferenceTrend,
    reference_lists,
)
from models.recommend.trends import TrendState
from models.recommend.vocabulary import Vocabulary, hash32
from schemas.events import Feedback, PlayEvent
from schemas.frames import PairsFrame, TrendCountsFrame
from schemas.outputs import WORLD

__all__ = ["Case", "Law", "yield_checks"]

Event = PlayEvent | Feedback
LIST_LENGTH = 5


@dataclass(frozen=True, slots=True)
class Case:
    """A log in arrival order, and how it is cut up.

    `batch` is how many events are learned at once, `cut` where a snapshot is taken, `tracks_max` and
    `limits` may be so small that something is evicted all the time.
    """

    events: Sequence[Event]
    batch: int = 7
    cut: int = 0
    limits: ListenerLimits = field(default_factory=ListenerLimits)
    tracks_max: int = 1000
    vocabulary_limit: int = 1


Law = Callable[[Case], None]


def yield_checks() -> Iterator[Law]:
    """Every law, in the order of the stages."""
    yield check_learning_equals_reference
    yield check_batches_do_not_matter
    yield check_repeated_events_change_nothing
    yield check_interleaving_of_listeners_does_not_matter
    yield check_listeners_continue_after_restore
    yield check_rows_equal_reference
    yield check_rows_continue_after_restore
    yield check_trends_equal_reference
    yield check_trends_continue_after_restore
    yield check_lists_equal_reference
    yield check_lists_keep_promises
    yield check_runs_repeat
    yield check_memory_is_bounded


def check_learning_equals_reference(case: Case) -> None:
    """Outcomes, memory of every listener, pairs, plays, trend counts and evictions are equal."""
    state, reference = _listeners(case), ReferenceListeners(case.limits)
    for batch in _batches(case.events, case.batch):
        expected = _reference_learn(reference, batch)
        assert _outcomes(_learn(state, batch)) == expected
        for user in {event.user_id for event in batch}:
            assert state.snapshot(user) == reference.snapshot(user)
    assert state.evictions == reference.evictions
    assert [state.user_id(slot) for slot in state.all_slots()] == [*reference.listeners]
    _assert_sent(state, reference)


def check_batches_do_not_matter(case: Case) -> None:
    """Learning one event at a time or all at once gives the same."""
    single, whole = _listeners(case), _listeners(case)
    outcomes = [name for event in case.events for name in _outcomes(_learn(single, [event]))]
    together = [name for run in _runs(case.events) for name in _outcomes(_learn(whole, run))]
    assert outcomes == together
    assert single.changes() == whole.changes()
    assert _pairs(single) == _pairs(whole)


def check_repeated_events_change_nothing(case: Case) -> None:
    """What arrives again within the window of its listener is a duplicate and leaves no trace."""
    state = ListenerState(Vocabulary(case.vocabulary_limit))
    plays = [event for event in case.events if isinstance(event, PlayEvent)]
    for batch in _batches(plays, min(case.batch, state.limits.dedupe_window)):
        _learn(state, batch)
    before = {user: state.snapshot(user) for user in _users(plays)}
    order = state.all_slots()
    state.changes(), state.drain_pairs(lambda _: 0), state.drain_trend_counts()
    last = [run[-1] for run in _by_listener(plays).values()]
    again = state.learn(last * 2)
    assert {*_outcomes(again)} <= {"duplicate"} and again.touched == []
    assert {user: state.snapshot(user) for user in _users(plays)} == before
    assert state.all_slots() == order
    assert state.changes() == [] and state.drain_pairs(lambda _: 0) == {}
    assert state.drain_trend_counts() == []


def check_interleaving_of_listeners_does_not_matter(case: Case) -> None:
    """Any order that keeps each listener's own gives equal counts, rows and memories."""
    as_given, by_listener = _listeners(case, evicting=False), _listeners(case, evicting=False)
    rows, other_rows = _rows(case, evicting=False), _rows(case, evicting=False)
    for batch in _batches(case.events, case.batch):
        _learn(as_given, batch)
        _feed(as_given, rows)
    for run in reversed(_by_listener(case.events).values()):
        _learn(by_listener, run)
        _feed(by_listener, other_rows)
    assert as_given.drain_trend_counts() is not None
    for user in _users(case.events):
        assert as_given.snapshot(user) == by_listener.snapshot(user)
    if rows.dropped == other_rows.dropped == 0:
        for track in _tracks(case.events):
            assert _row(rows, track) == _row(other_rows, track)


def check_listeners_continue_after_restore(case: Case) -> None:
    """A state rebuilt from its records at any place goes on as the first would have."""
    original, restored = _listeners(case), _listeners(case)
    changelog: dict[bytes, bytes | None] = {}
    for batch in _batches(case.events[: case.cut], case.batch):
        _learn(original, batch)
        _keep_last(changelog, original.changes())
    _restore(restored, changelog)
    assert restored.all_slots() is not None and len(restored) == len(original)
    original.drain_pairs(lambda _: 0), original.drain_trend_counts()
    for batch in _batches(case.events[case.cut :], case.batch):
        assert _outcomes(_learn(original, batch)) == _outcomes(_learn(restored, batch))
        assert original.changes() == restored.changes()
    assert _pairs(original) == _pairs(restored)


def check_rows_equal_reference(case: Case) -> None:
    """Plays and weights of each track, evictions included."""
    state, rows = _listeners(case, evicting=False), _rows(case)
    reference = ReferenceRows(case.tracks_max)
    for batch in _batches(case.events, case.batch):
        _learn(state, batch)
        for frame in state.drain_pairs(lambda name: hash32(name) % 3).values():
            rows.learn(frame)
            _reference_rows(reference, frame)
    assert rows.evictions == reference.evictions and len(rows) == len(reference.rows)
    for track in reference.rows:
        expected = (reference.plays[track], reference.top(track, 100))
        assert _row(rows, track) == expected


def check_rows_continue_after_restore(case: Case) -> None:
    """Rows rebuilt from their records at any place go on as the first would have."""
    state, original, restored = _listeners(case, evicting=False), _rows(case), _rows(case)
    changelog: dict[bytes, bytes | None] = {}
    for at, batch in enumerate(_batches(case.events, case.batch)):
        _learn(state, batch)
        if at * case.batch == case.cut // case.batch * case.batch:
            _restore(restored, changelog)
        late = at * case.batch >= case.cut // case.batch * case.batch
        for frame in state.drain_pairs(lambda _: 0).values():
            original.learn(frame)
            if late:
                restored.learn(frame)
        records = original.changes()
        _keep_last(changelog, records)
        if late:
            assert restored.changes() == records


def check_trends_equal_reference(case: Case) -> None:
    """Counts are exact; decayed scores and their order agree."""
    state, trends = _listeners(case, evicting=False), TrendState(Vocabulary(1))
    references: dict[str, ReferenceTrend] = {}
    for batch in _batches(case.events, case.batch):
        _learn(state, batch)
        for frame in state.drain_trend_counts():
            trends.learn(frame)
            _reference_trend(references.setdefault(frame.market, ReferenceTrend()), frame)
    for market, reference in references.items():
        for track in {track for track, _ in reference.counts}:
            counts = (n for (name, _), n in reference.counts.items() if name == track)
            assert trends.plays(market, track) == sum(counts)
        for window, half_life in (("hour", HOUR_HALF_LIFE), ("day", DAY_HALF_LIFE)):
            names, scores = trends.trending(market, window, 1000)  # type: ignore[arg-type]  # both are
            expected = reference.scores(half_life)
            assert all(abs(expected[n] - s) < 1e-9 * max(1.0, s) for n, s in zip(names, scores))
            assert len(names) == sum(score > 1e-250 for score in expected.values())
            assert all(first >= second for first, second in zip(scores, scores[1:]))


def check_trends_continue_after_restore(case: Case) -> None:
    """Trends rebuilt from their records at any place go on bit by bit as the first would have."""
    state = _listeners(case, evicting=False)
    original, restored = _trends(case), _trends(case)
    changelog: dict[bytes, bytes | None] = {}
    for at, batch in enumerate(_batches(case.events, case.batch)):
        _learn(state, batch)
        if at == case.cut // case.batch:
            _restore(restored, changelog)
        for frame in state.drain_trend_counts():
            original.learn(frame)
            if at >= case.cut // case.batch:
                restored.learn(frame)
        records = original.changes()
        _keep_last(changelog, records)
        if at >= case.cut // case.batch:
            assert dict(restored.changes()) == dict(records)
    for market in original.markets:
        first, again = (t.trending(market, "day", 50) for t in (original, restored))
        if at >= case.cut // case.batch:
            assert first[0] == again[0] and first[1].tolist() == again[1].tolist()


def check_lists_equal_reference(case: Case) -> None:
    """Both lists of every listener are what the plain rules say."""
    pipeline = _run(case)
    reference = ReferenceRows()
    whole = ReferenceListeners()
    _reference_learn(whole, case.events)
    for track, count in whole.plays.items():
        reference.add_plays(track, count)
    for (left, right), weight in whole.pairs.items():
        reference.add_weight(left, right, weight)
    if pipeline.neighbours.dropped:
        return
    for slot in pipeline.listeners.all_slots():
        served = pipeline.recommend([slot])[0]
        listener = pipeline.listeners.snapshot(served.user_id)
        assert listener is not None
        markets = [listener.market, WORLD] if listener.market else [WORLD]
        trending = [pipeline.trends.trending(market, "day", 100)[0] for market in markets]
        expected = reference_lists(listener, reference, trending, LIST_LENGTH)
        assert [*zip(served.next[0], served.next[2])] == expected["next"]
        assert [*zip(served.discover[0], served.discover[2])] == expected["discover"]


def check_lists_keep_promises(case: Case) -> None:
    """No list is too long, repeats a track, holds a blocked one or the one just played."""
    pipeline = _run(case)
    for slot in pipeline.listeners.all_slots():
        served = pipeline.recommend([slot])[0]
        listener = pipeline.listeners.snapshot(served.user_id)
        assert listener is not None
        for tracks, scores, sources in (served.next, served.discover):
            assert len(tracks) == len(scores) == len(sources) <= LIST_LENGTH
            assert len({*tracks}) == len(tracks)
            assert not {*tracks} & {*listener.blocked, listener.last_track}
            assert all(first >= second > 0 for first, second in zip(scores, scores[1:]))
            assert [*sources] == sorted(sources, reverse=True)
        assert not {hash32(track) for track in served.discover[0]} & {*listener.heard}


def check_runs_repeat(case: Case) -> None:
    """The same log gives the same lists, scores and records, to the last bit."""
    first, second = _run(case), _run(case)
    slots = first.listeners.all_slots()
    assert slots == second.listeners.all_slots()
    for mine, other in zip(first.recommend(slots), second.recommend(slots)):
        assert mine.next[0] == other.next[0] and mine.discover[0] == other.discover[0]
        assert mine.next[1].tobytes() == other.next[1].tobytes()
    assert first.listeners.changes() == second.listeners.changes()
    assert first.neighbours.changes() == second.neighbours.changes()
    assert first.trends.changes() == second.trends.changes()


def check_memory_is_bounded(case: Case) -> None:
    """No state holds more than its limit, and names nobody uses are forgotten."""
    state, rows, trends = _listeners(case), _rows(case), _trends(case)
    for batch in _batches(case.events, case.batch):
        _learn(state, batch)
        _feed(state, rows)
        for frame in state.drain_trend_counts():
            trends.learn(frame)
    assert len(state) <= case.limits.listeners_max and len(rows) <= case.tracks_max
    assert len(trends) <= len(trends.markets) * case.tracks_max and len(trends.markets) <= 2
    vocabulary = state.vocabulary
    vocabulary.collect(state.used_ids())
    held = {int(i) for array in state.used_ids() for i in array.ravel()}
    assert len(vocabulary) == len(held | {0})


def _listeners(case: Case, *, evicting: bool = True) -> ListenerState:
    limits = case.limits if evicting else ListenerLimits()
    return ListenerState(Vocabulary(case.vocabulary_limit), limits)


def _rows(case: Case, *, evicting: bool = True) -> NeighbourState:
    return NeighbourState(Vocabulary(1), case.tracks_max if evicting else 10_000)


def _trends(case: Case) -> TrendState:
    return TrendState(Vocabulary(1), markets_max=2, tracks_per_market_max=case.tracks_max)


def _run(case: Case) -> Pipeline:
    pipeline = Pipeline(list_length=LIST_LENGTH)
    for batch in _batches(case.events, case.batch):
        _learn(pipeline.listeners, batch)
        pipeline.propagate()
    return pipeline


def _batches(events: Sequence[Event], size: int) -> list[Sequence[Event]]:
    return [events[at : at + size] for at in range(0, len(events), size)]


def _runs(events: Sequence[Event]) -> list[list[Event]]:
    """The events split where plays and feedback meet: an input topic each."""
    return [[*run] for _, run in groupby(events, type)]


def _learn(state: ListenerState, events: Sequence[Event]) -> list[Learned]:
    """Learn events in order; plays and feedback come in calls of their own."""
    learned = []
    for run in _runs(events):
        plays = [event for event in run if isinstance(event, PlayEvent)]
        feedback = [event for event in run if isinstance(event, Feedback)]
        learned.append(state.learn(plays) if plays else state.apply_feedback(feedback))
    return learned


def _outcomes(learned: Learned | Sequence[Learned]) -> list[str]:
    parts = [learned] if isinstance(learned, Learned) else learned
    return [OUTCOMES[code] for part in parts for code in part.outcomes]


def _reference_learn(reference: ReferenceListeners, events: Sequence[Event]) -> list[str]:
    return [
        reference.learn([event])[0]
        if isinstance(event, PlayEvent)
        else reference.feedback([event])[0]
        for event in events
    ]

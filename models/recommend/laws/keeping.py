"""Laws of stages B and C, and of the bounds of all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise
from typing import Final, get_args

import numpy as np

from models.recommend.changing import Records
from models.recommend.kernels.trending import HALF_LIVES
from models.recommend.laws.driving import (
    Case,
    batches,
    continued,
    drained,
    feed_reference,
    feed_rows,
    learn,
    new_listeners,
    new_rows,
    new_trends,
    row_of,
)
from models.recommend.listeners import ListenerState
from models.recommend.neighbours import RowColumns
from models.recommend.reference_rows import ReferenceRows, ReferenceTrend
from models.recommend.trends import TrendState
from models.recommend.vocabulary import Vocabulary
from schemas.outputs import TrendWindow

_WINDOWS: Final[tuple[TrendWindow, ...]] = get_args(TrendWindow)


def check_rows_equal_reference(case: Case) -> None:
    """Plays and weights of each track, evictions included."""
    state, rows = new_listeners(case, evicting=False), new_rows(case)
    reference = ReferenceRows(case.tracks_max)
    for batch in batches(case.events, case.batch):
        learn(state, batch)
        for frame in drained(state):
            rows.learn(frame)
            feed_reference(reference, frame)
    assert rows.evictions == reference.evictions
    assert len(rows) == len(reference.rows)
    for track in reference.rows:
        found, best = rows.row(track), reference.top(track, 60)
        assert found is not None
        assert (found.plays, found.names) == (reference.plays[track], [name for name, _ in best])
        assert found.artist == reference.artists.get(track, "")
        assert found.weights.tolist() == [weight for _, weight in best]
        assert found.forward.tolist() == [reference.forward[track, name] for name, _ in best]
        fading = [reference.fading[track, name] for name, _ in best]
        np.testing.assert_allclose(found.fading, fading, rtol=1e-4, atol=0.1)


def check_published_rows_are_the_newest(case: Case) -> None:
    """Draining rows, a few at a time, ends with each track's row as it is."""
    state, rows = new_listeners(case, evicting=False), new_rows(case, evicting=False)
    published: dict[str, RowColumns] = {}
    for batch in batches(case.events, case.batch):
        learn(state, batch)
        feed_rows(state, rows)
        for track in rows.drain_withdrawn():
            published.pop(track, None)
        published.update(rows.drain_published(3))
    while drained := rows.drain_published(3):
        published.update(drained)
    assert len(published) == len(rows)
    for track, columns in published.items():
        expected = row_of(rows, track)
        assert expected is not None
        numbers = (columns.weights.tolist(), columns.forward.tolist())
        entries = [*zip(columns.names, *numbers, strict=True)]
        shown = [entry for entry in expected[1] if entry[1] > 0]
        assert (columns.plays, entries) == (expected[0], shown[:50])


def check_rows_continue_after_restore(case: Case) -> None:
    """Rows rebuilt from their records at any place go on as the first would have."""
    for records, again in continued(case, (new_rows(case), new_rows(case)), drained):
        assert again == records


def check_trends_equal_reference(case: Case) -> None:
    """Counts are exact; decayed scores and their order agree."""
    state, trends = new_listeners(case, evicting=False), TrendState(Vocabulary(1))
    references: dict[str, ReferenceTrend] = {}
    for batch in batches(case.events, case.batch):
        learn(state, batch)
        for frame in state.drain_trend_counts():
            trends.learn(frame)
            reference = references.setdefault(frame.market, ReferenceTrend())
            columns = (frame.track.tolist(), frame.bucket.tolist(), frame.count.tolist())
            reference.learn(
                (frame.names[track], minute, count)
                for track, minute, count in zip(*columns, strict=True)
            )
    assert {*trends.markets} == {*references}
    for market, reference in references.items():
        _compare_trend(trends, market, reference)


def check_trends_continue_after_restore(case: Case) -> None:
    """Trends rebuilt from their records at any place go on, to the last bit."""
    original, restored = states = new_trends(case), new_trends(case)
    for records, again in continued(case, states, ListenerState.drain_trend_counts):
        assert dict(again) == dict(records)
        for market in original.markets:
            for window in _WINDOWS:
                expected = original.moving(market, window, 50)
                found = restored.moving(market, window, 50)
                assert found.track_ids == expected.track_ids
                assert found.scores.tolist() == expected.scores.tolist()
                assert found.accelerations.tolist() == expected.accelerations.tolist()
                assert found.directions == expected.directions


def check_records_are_as_of_their_call(case: Case) -> None:
    """What changed is given out as it was when asked, though more is learned before it is taken."""
    prompt, late = ((new_listeners(case), new_rows(case), new_trends(case)) for _ in range(2))
    waiting: list[tuple[Iterator[Records], Records]] = []
    for batch in [*batches(case.events, case.batch), ()]:
        for listeners, rows, trends in (prompt, late):
            learn(listeners, batch)
            feed_rows(listeners, rows)
            for frame in listeners.drain_trend_counts():
                trends.learn(frame)
        for slices, expected in waiting:
            assert [*chain.from_iterable(slices)] == expected
        waiting = [
            (late[0].change_slices(), prompt[0].changes()),
            (late[1].change_slices(), prompt[1].changes()),
            (late[2].change_slices(), prompt[2].changes()),
        ]


def check_memory_is_bounded(case: Case) -> None:
    """No state holds more than its limit, and names nobody uses are forgotten."""
    state, rows, trends = new_listeners(case), new_rows(case), new_trends(case)
    for batch in batches(case.events, case.batch):
        learn(state, batch)
        feed_rows(state, rows)
        for frame in state.drain_trend_counts():
            trends.learn(frame)
        assert len(state) <= case.limits.listeners_max
        assert len(rows) <= case.tracks_max
        assert len(trends.markets) <= 2
        assert len(trends) <= 2 * case.tracks_max
    for holder in (state, rows, trends):
        used = {int(i) for array in holder.used_ids() for i in array.ravel()}
        used |= {int(holder.vocabulary.artist[i]) for i in used}
        holder.vocabulary.collect(holder.used_ids())
        assert len(holder.vocabulary) == len(used | {0})


def _compare_trend(trends: TrendState, market: str, reference: ReferenceTrend) -> None:
    for track in {track for track, _ in reference.counts}:
        counts = (count for (name, _), count in reference.counts.items() if name == track)
        assert trends.plays(market, track) == sum(counts)
    for window, (half_life, longer) in zip(_WINDOWS, pairwise(HALF_LIVES), strict=True):
        names, scores, rates, directions = trends.moving(market, window, 1000)
        expected = reference.scores(half_life)
        moves = reference.moves(half_life, longer)
        for name, score, rate in zip(names, scores.tolist(), rates.tolist(), strict=True):
            assert abs(expected[name] - score) <= 1e-9 * score
            assert abs(moves[name][0] - rate) <= 1e-3
        assert directions == [moves[name][1] for name in names]
        assert all(first >= second > 0 for first, second in pairwise(scores.tolist()))
        assert all(expected[name] < 1e-200 for name in {*expected} - {*names})

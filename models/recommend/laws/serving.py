"""Laws of the lists."""

from __future__ import annotations

from itertools import pairwise

from models.recommend.laws.driving import LIST_LENGTH, Case, reference_learn, run_pipeline
from models.recommend.recommender import ListColumns
from models.recommend.reference import ReferenceListeners, ReferenceRows, reference_lists
from models.recommend.vocabulary import hash32
from schemas.outputs import WORLD


def check_lists_equal_reference(case: Case) -> None:
    """Both lists of every listener are what the plain rules say."""
    pipeline = run_pipeline(case)
    listeners, rows = ReferenceListeners(), ReferenceRows()
    reference_learn(listeners, case.events)
    for track, count in listeners.plays.items():
        rows.add_plays(track, count)
    for (left, right), weight in listeners.pairs.items():
        rows.add_weight(left, right, weight)
    for slot in pipeline.listeners.all_slots():
        served = pipeline.recommend([slot])[0]
        listener = listeners.snapshot(served.user_id)
        assert listener is not None
        trending = [
            pipeline.trends.trending(market, "day", 100)[0] for market in (listener.market, WORLD)
        ]
        expected = reference_lists(listener, rows, trending, LIST_LENGTH)
        assert _entries(served.next) == expected["next"]
        assert _entries(served.discover) == expected["discover"]


def check_lists_keep_promises(case: Case) -> None:
    """No list is too long, repeats a track, holds a blocked one, or the one just played."""
    pipeline = run_pipeline(case)
    for slot in pipeline.listeners.all_slots():
        served = pipeline.recommend([slot])[0]
        listener = pipeline.listeners.snapshot(served.user_id)
        assert listener is not None
        for tracks, scores, sources in (served.next, served.discover):
            assert len(tracks) == len(scores) == len(sources) <= LIST_LENGTH
            assert len({*tracks}) == len(tracks)
            assert not {*tracks} & {*listener.blocked, listener.last_track}
            assert all(first >= second >= 0 for first, second in pairwise(scores.tolist()))
            assert sources == sorted(sources, reverse=True)
        assert not {hash32(track) for track in served.discover[0]} & {*listener.heard}


def check_runs_repeat(case: Case) -> None:
    """The same log gives the same lists, scores and records, to the last bit."""
    first, second = run_pipeline(case), run_pipeline(case)
    slots = first.listeners.all_slots()
    assert slots == second.listeners.all_slots()
    for mine, other in zip(first.recommend(slots), second.recommend(slots), strict=True):
        for left, right in ((mine.next, other.next), (mine.discover, other.discover)):
            assert left[0] == right[0]
            assert left[1].tobytes() == right[1].tobytes()
    assert first.listeners.changes() == second.listeners.changes()
    assert first.neighbours.changes() == second.neighbours.changes()
    assert first.trends.changes() == second.trends.changes()


def _entries(columns: ListColumns) -> list[tuple[str, str]]:
    return [*zip(columns[0], columns[2], strict=True)]

"""Laws of exploration."""

from __future__ import annotations

from typing import Final

from models.recommend.laws.driving import LIST_LENGTH, Case, run_pipeline
from models.recommend.laws.serving import recommender_of, run_beside_reference
from models.recommend.recommender import ServedLists
from models.recommend.reference_exploring import explored
from models.recommend.vocabulary import hash16
from schemas.outputs import STRATEGIES

_MOST: Final = 2


def check_explored_lists_equal_reference(case: Case) -> None:
    """Whether a list explores, how, and which track: what the plain rules say, of lists as served.

    Whatever the share, and whether artists are limited or not.
    """
    pipeline, rankers, listeners = run_beside_reference(case)
    state, slots = pipeline.listeners, pipeline.listeners.all_slots()
    for most, share in ((0, 1.0), (_MOST, 1.0), (0, 0.5)):
        rules = {"list_length": LIST_LENGTH, "artist_tracks_max": most}
        plain, exploring = (
            recommender_of(pipeline, exploration_share=each, **rules).recommend(
                state, slots, at_ms=case.at_ms
            )
            for each in (0.0, share)
        )
        for before, after in zip(plain, exploring, strict=True):
            listener = listeners.snapshot(before.user_id)
            assert listener is not None
            expected = explored(
                listener,
                before.discover[0],
                rankers.explorable(listener, case.at_ms),
                share=share,
                artists=rankers.artists,
                artist_tracks_max=most,
            )
            tracks, sources = [*before.discover[0]], [*before.discover[2]]
            if expected is not None:
                tracks[expected.place] = expected.track
                sources[expected.place] = expected.strategy
            propensity = 0.0 if expected is None else expected.propensity
            assert (after.discover[0], after.discover[2]) == (tracks, sources)
            assert abs(after.propensity - propensity) < 1e-9


def check_exploring_changes_nothing_else(case: Case) -> None:
    """Of `next` nothing; of `discover` one entry at its place, with the score of the one it takes.

    The same state gives the same lists, and what was not heard yet is all that is explored.
    """
    pipeline = run_pipeline(case)
    state, slots = pipeline.listeners, pipeline.listeners.all_slots()
    plain, first, second = (
        recommender_of(pipeline, list_length=LIST_LENGTH, exploration_share=share).recommend(
            state, slots, at_ms=case.at_ms
        )
        for share in (0.0, 1.0, 1.0)
    )
    for before, after, again in zip(plain, first, second, strict=True):
        listener = state.snapshot(after.user_id)
        assert listener is not None
        assert _exactly(after) == _exactly(again)
        assert _exactly(before)[:2] == _exactly(after)[:2]
        assert before.discover[1].tobytes() == after.discover[1].tobytes()
        changed = [
            place
            for place, (was, now) in enumerate(
                zip(before.discover[0], after.discover[0], strict=True)
            )
            if was != now
        ]
        assert changed == ([len(before.discover[0]) - 1] if after.propensity else [])
        assert len({*after.discover[0]}) == len(after.discover[0])
        for place in changed:
            assert after.discover[2][place] in STRATEGIES
            assert after.discover[3][place] == -1
            assert after.discover[0][place] != listener.last_track
            assert hash16(after.discover[0][place]) not in listener.heard


def _exactly(served: ServedLists) -> list[object]:
    """Both lists in a form that compares to the last bit; `next` first, without the propensity."""
    both = [
        (columns[0], columns[1].tobytes(), columns[2], columns[3].tobytes())
        for columns in (served.next, served.discover)
    ]
    return [served.user_id, both[0], both[1], served.propensity]

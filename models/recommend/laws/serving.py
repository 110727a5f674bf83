"""Laws of the lists."""

from __future__ import annotations




def check_lists_equal_reference(case: Case) -> None:
    """Both lists of every listener are what the plain rules say."""
    pipeline = run_pipeline(case)
    reference = ReferenceRows()
    whole = ReferenceListeners()
    reference_learn(whole, case.events)
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
    pipeline = run_pipeline(case)
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
    first, second = run_pipeline(case), run_pipeline(case)
    slots = first.listeners.all_slots()
    assert slots == second.listeners.all_slots()
    for mine, other in zip(first.recommend(slots), second.recommend(slots)):
        assert mine.next[0] == other.next[0] and mine.discover[0] == other.discover[0]
        assert mine.next[1].tobytes() == other.next[1].tobytes()
    assert first.listeners.changes() == second.listeners.changes()
    assert first.neighbours.changes() == second.neighbours.changes()
    assert first.trends.changes() == second.trends.changes()

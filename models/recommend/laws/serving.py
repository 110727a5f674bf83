"""Laws of the lists."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from models.recommend.laws.driving import (
    LIST_LENGTH,
    Case,
    State,
    batches,
    feed_reference,
    keep_last,
    learn,
    new_pipeline,
    reference_learn,
    restore,
    run_pipeline,
    runs_of_a_kind,
)
from models.recommend.listener_memory import ListenerSnapshot
from models.recommend.pipeline import Pipeline
from models.recommend.recommender import ListColumns, Recommender
from models.recommend.reference import BLOCKED, BLOCKED_ARTIST, HIDDEN, ReferenceListeners
from models.recommend.reference_catalogue import ReferenceCatalogue
from models.recommend.reference_lists import HIDDEN_MS, ReferenceRankers, bounded, spread
from models.recommend.reference_rows import ReferenceRows
from models.recommend.reference_vectors import ReferenceVectors
from models.recommend.vocabulary import NO_NAME, hash16
from schemas.outputs import STATED, WORLD

CLOSE = 1e-3


def check_lists_equal_reference(case: Case) -> None:
    """Rankers and both lists of every listener are what the plain rules say."""
    pipeline, rankers, listeners = run_beside_reference(case)
    weights = [[*of_list.values()] for of_list in rankers.weights.values()]
    np.testing.assert_allclose(pipeline.listeners.ranker.weights, weights, atol=CLOSE)
    for slot in pipeline.listeners.all_slots():
        served = pipeline.recommend([slot], at_ms=case.at_ms)[0]
        listener = listeners.snapshot(served.user_id)
        assert listener is not None
        assert served.session == listener.context[:5]
        for kind, columns in (("next", served.next), ("discover", served.discover)):
            _compare(rankers, (kind, case.at_ms), listener, columns)


def run_beside_reference(case: Case) -> tuple[Pipeline, ReferenceRankers, ReferenceListeners]:
    """All stages after the whole log, and the plain ones after it."""
    pipeline, rows = new_pipeline(case), ReferenceRows()
    catalogue = ReferenceCatalogue(case.entries)
    trends: dict[str, list[tuple[str, float]]] = {}
    # Rankers learn before it is noted who a call's tracks are by.
    artists = {t: artist for t in catalogue.entries if (artist := catalogue.artist(t))}
    vectors = ReferenceVectors()
    sounds = {s.track_id: {n.track_id: n.similarity for n in s.neighbours} for s in case.sounds}
    rankers = ReferenceRankers(
        rows, trends, artists, case.rates, vectors, catalogue=catalogue, sounds=sounds
    )
    listeners = ReferenceListeners(before=rankers.train, catalogue=catalogue)
    for batch in batches(case.events, case.batch):
        for run in runs_of_a_kind(batch):
            learn(pipeline.listeners, run, pipeline.recommender)
            reference_learn(listeners, run)
            artists.update(listeners.artists)
        sent = pipeline.drain()
        pipeline.apply(sent)
        for track, before in listeners.discoveries:
            vectors.learn(track, before)
        listeners.discoveries.clear()
        for frame in sent.pairs:
            for track in feed_reference(rows, frame):
                listeners.artists.pop(track, None)
                artists[track] = catalogue.artist(track)
        for market in pipeline.trends.markets:
            names, scores = pipeline.trends.trending(market, "day", 100)
            trends[market] = [*zip(names, scores.tolist(), strict=True)]
    return pipeline, rankers, listeners


def _compare(
    rankers: ReferenceRankers, of: tuple[str, int], listener: ListenerSnapshot, columns: ListColumns
) -> None:
    """A list of a kind as served at a time against the plain scores of all candidates."""
    tracks, relative, sources, because = columns
    kind, at_ms = of
    stated = rankers.stated(kind, listener, at_ms, LIST_LENGTH)[:LIST_LENGTH]
    scores = {} if stated else rankers.scores(kind, listener, at_ms)
    best = sorted(scores.values(), reverse=True)[:LIST_LENGTH]
    begun = [track for track, _ in stated]
    assert (tracks[: len(begun)], sources[: len(begun)]) == (begun, [STATED] * len(begun))
    np.testing.assert_allclose(relative[: len(begun)], [score for _, score in stated], rtol=CLOSE)
    tracks, sources = tracks[len(begun) :], sources[len(begun) :]
    relative, because = relative[len(begun) :], because[len(begun) :]
    ranked, filled = tracks[: len(best)], tracks[len(best) :]
    np.testing.assert_allclose([scores[track] for track in ranked], best, atol=CLOSE)
    expected = np.exp(np.array(best) - max(best, default=0.0))
    np.testing.assert_allclose(relative[: len(best)], expected, atol=CLOSE)
    filling = rankers.filling(kind, listener, at_ms)
    others = [track for track in filling if track not in {*ranked, *begun}]
    assert filled == others[: LIST_LENGTH - len(begun) - len(best)]
    assert sources[len(best) :] == ["popular"] * len(filled)
    for track, source, place in zip(ranked, sources, because.tolist(), strict=False):
        shares = rankers.shares(kind, listener, track)
        assert shares[source] >= max(shares.values()) - CLOSE
        assert (place >= 0) == (source in {"together", "lately", "after", "artist", "audio"})
        if source in {"together", "lately", "audio"}:
            parts_of = rankers.sounds_like if source == "audio" else rankers.parts
            parts = parts_of(listener, track)
            assert parts[place] >= max(parts) - CLOSE
        elif source == "after":
            assert place == 0
        elif source == "artist":
            assert place == rankers.of_artist(listener, track)


def check_artists_are_bounded_and_spread(case: Case) -> None:
    """Lists with few tracks of an artist are the whole ranking, bounded and spread by the rules."""
    most, whole = 2, 100
    pipeline = run_pipeline(case)
    short, long = (
        recommender_of(pipeline, list_length=length, artist_tracks_max=limit)
        for length, limit in ((LIST_LENGTH, most), (whole, 0))
    )
    names, artist = pipeline.vocabulary.names, pipeline.vocabulary.artist
    artists = {
        name: names[artist[track]] for track, name in enumerate(names) if artist[track] != NO_NAME
    }
    slots = pipeline.listeners.all_slots()
    lists = [r.recommend(pipeline.listeners, slots, at_ms=case.at_ms) for r in (short, long)]
    for served, everything in zip(*lists, strict=True):
        listener = pipeline.listeners.snapshot(served.user_id)
        assert listener is not None
        for columns, ranking in (
            (served.next, everything.next),
            (served.discover, everything.discover),
        ):
            if STATED in ranking[2]:  # bounded by rows of artists, and in turn
                continue
            kept = bounded(ranking[0], artists, most)[:LIST_LENGTH]
            whys = dict(zip(ranking[0], ranking[2], strict=True))
            found = dict(zip(columns[0], columns[2], strict=True))
            assert found == {track: whys[track] for track in kept}
            if listener.market in ("", WORLD):  # else other trends fill up, in their order
                scores = dict(zip(ranking[0], ranking[1].tolist(), strict=True))
                entries = [*zip(columns[0], columns[1].tolist(), strict=True)]
                assert entries == spread({track: scores[track] for track in kept}, artists)


# Any: rules of a Recommender
def recommender_of(pipeline: Pipeline, **rules: Any) -> Recommender:
    """A recommender over the rows and trends of a pipeline, with rules of its own."""
    found = Recommender(
        pipeline.vocabulary,
        pipeline.neighbours,
        tastes=pipeline.vectors,
        catalogue=pipeline.catalogue,
        sounds=pipeline.sounds,
        **rules,
    )
    for market in pipeline.trends.markets:
        names, scores = pipeline.trends.trending(market, "day", 100)
        found.set_trending(market, names, scores.tolist())
    return found


def check_lists_keep_promises(case: Case) -> None:
    """No list is too long, repeats a track, holds one that is barred, or the one just played."""
    pipeline = run_pipeline(case)
    artist = pipeline.vocabulary.artist
    for slot in pipeline.listeners.all_slots():
        served = pipeline.recommend([slot], at_ms=case.at_ms)[0]
        listener = pipeline.listeners.snapshot(served.user_id)
        assert listener is not None
        for tracks, scores, sources, because in (served.next, served.discover):
            assert len(tracks) == len(scores) == len(sources) == len(because) <= LIST_LENGTH
            assert len({*tracks}) == len(tracks)
            hidden_ms = case.at_ms - HIDDEN_MS
            barred = {
                said.subject
                for said in listener.said
                if said.kind in (BLOCKED, BLOCKED_ARTIST)
                or (said.kind == HIDDEN and said.at_ms > hidden_ms)
            }
            assert not {*tracks} & {*barred, listener.last_track}
            ids = pipeline.vocabulary.intern(tracks)
            assert not {pipeline.vocabulary.names[i] for i in artist[ids].tolist()} & barred
            assert all(first >= second >= 0 for first, second in pairwise(scores.tolist()))
            assert all(-1 <= place < len(served.session) for place in because.tolist())
        assert not {hash16(track) for track in served.discover[0]} & {*listener.heard}


def check_rankers_continue_after_restore(case: Case) -> None:
    """Rankers and lists rebuilt from records at any place go on, to the last bit."""
    original, restored = new_pipeline(case), new_pipeline(case)
    kept: list[dict[bytes, bytes | None]] = [{}, {}, {}, {}]
    for at, batch in enumerate(batches(case.events, case.batch)):
        if at == case.cut:
            for state, changelog in zip(_states(restored), kept, strict=True):
                restore(state, changelog)
            restored.trends.mark_all_published_dirty()
            restored.propagate()
        learn(original.listeners, batch, original.recommender)
        original.propagate()
        records = [state.changes() for state in _states(original)]
        for changelog, changed in zip(kept, records, strict=True):
            keep_last(changelog, changed)
        if at >= case.cut:
            learn(restored.listeners, batch, restored.recommender)
            restored.propagate()
            assert [dict(state.changes()) for state in _states(restored)] == [*map(dict, records)]
    slots = original.listeners.all_slots()
    assert _served(original, slots) == _served(restored, restored.listeners.all_slots())


def _states(pipeline: Pipeline) -> list[State]:
    return [pipeline.listeners, pipeline.neighbours, pipeline.trends, pipeline.vectors]


def _served(pipeline: Pipeline, slots: list[int]) -> list[object]:
    """Lists in a form that compares to the last bit."""
    return [
        (served.user_id, served.session, columns[0], columns[1].tobytes(), columns[2])
        for served in pipeline.recommend(slots)
        for columns in (served.next, served.discover)
    ]


def check_runs_repeat(case: Case) -> None:
    """The same log gives the same lists, scores and records, to the last bit."""
    first, second = run_pipeline(case), run_pipeline(case)
    slots = first.listeners.all_slots()
    assert slots == second.listeners.all_slots()
    assert _served(first, slots) == _served(second, slots)
    assert first.listeners.changes() == second.listeners.changes()
    assert first.neighbours.changes() == second.neighbours.changes()
    assert first.trends.changes() == second.trends.changes()
    assert first.vectors.changes() == second.vectors.changes()

"""The simulator is deterministic, in order, like life in outline, and learnable."""

from __future__ import annotations

import time
from collections import Counter, defaultdict

import pytest

from schemas.codec import EventDecoder, encode_event
from schemas.events import PlayEvent
from schemas.tracks import EntryDecoder, main_artist
from segue.errors import Misconfigured
from segue.sim.listeners import GAP_MIN_MS, MARKETS
from segue.sim.simulator import TREND_SHARE, Simulator

LISTENERS, TRACKS = 300, 600


def simulate(count: int, seed: int = 7, trend_after: int | None = None) -> list[PlayEvent]:
    simulator = Simulator(seed, listeners=LISTENERS, tracks=TRACKS, trend_after=trend_after)
    return list(simulator.plays(count))


def test_same_seed_gives_the_same_plays() -> None:
    assert simulate(3_000) == simulate(3_000)


def test_another_seed_gives_other_plays() -> None:
    assert simulate(50, seed=1) != simulate(50, seed=2)


def test_batches_and_single_plays_are_the_same_listening() -> None:
    batched = Simulator(7, listeners=LISTENERS, tracks=TRACKS).batch(500, at_ms=1_800_000_000_000)
    assert {p.started_at_ms + p.played_ms for p in batched} == {1_800_000_000_000}
    assert [(p.event_id, p.user_id, p.track_id, p.played_ms) for p in batched] == [
        (p.event_id, p.user_id, p.track_id, p.played_ms) for p in simulate(500)
    ]


def test_another_run_is_other_plays_of_the_same_people_and_tracks() -> None:
    first = Simulator(7, listeners=9, tracks=60, run="a")
    second = Simulator(7, listeners=9, tracks=60, run="b")
    assert first.catalogue == second.catalogue
    assert first.trending_track == second.trending_track
    one, two = list(first.plays(200)), list(second.plays(200))
    assert {(p.user_id, p.market) for p in one} == {(p.user_id, p.market) for p in two}
    assert [play.track_id for play in one] != [play.track_id for play in two]
    assert not {play.event_id for play in one} & {play.event_id for play in two}
    assert not {play.session_id for play in one} & {play.session_id for play in two}


def test_plays_are_in_order_of_time_and_event_ids_are_unique() -> None:
    plays = simulate(5_000)
    times = [play.started_at_ms for play in plays]
    assert times == sorted(times)
    assert len({play.event_id for play in plays}) == len(plays)


def test_every_play_is_accepted_by_the_contract() -> None:
    decode = EventDecoder(PlayEvent).decode
    plays = simulate(2_000)
    assert [decode(encode_event(play)) for play in plays] == [[play] for play in plays]
    assert {play.market for play in plays} == set(MARKETS)


def test_sessions_have_one_listener_each_and_a_gap_between_them() -> None:
    last: dict[str, PlayEvent] = {}
    owner: dict[str | None, str] = {}
    sessions: Counter[str | None] = Counter()
    for play in simulate(8_000):
        sessions[play.session_id] += 1
        assert owner.setdefault(play.session_id, play.user_id) == play.user_id
        before = last.get(play.user_id)
        if before is not None:
            gap_ms = play.started_at_ms - before.started_at_ms - before.played_ms
            if before.session_id == play.session_id:
                assert 0 < gap_ms < 10_000
            else:
                assert gap_ms >= GAP_MIN_MS
        last[play.user_id] = play
    assert 8 < sum(sessions.values()) / len(sessions) < 14


def test_some_plays_are_skipped_most_of_them_early() -> None:
    plays = simulate(10_000)
    skipped = [play for play in plays if play.end_reason == "skipped"]
    early = [p for p in skipped if p.played_ms < min(30_000, p.duration_ms / 2)]
    assert 0.08 < len(skipped) / len(plays) < 0.20
    assert 0.5 < len(early) / len(skipped) < 0.8
    assert all(p.played_ms == p.duration_ms for p in plays if p.end_reason == "finished")


def test_listeners_come_back_to_tracks_they_know() -> None:
    heard: dict[str, set[str]] = defaultdict(set)
    repeats = 0
    plays = simulate(10_000)
    for play in plays:
        repeats += play.track_id in heard[play.user_id]
        heard[play.user_id].add(play.track_id)
    assert 0.1 < repeats / len(plays) < 0.7


def test_the_trending_track_is_obscure_before_and_leads_after() -> None:
    simulator = Simulator(3, listeners=LISTENERS, tracks=TRACKS, trend_after=5_000)
    plays = list(simulator.plays(10_000))
    before = Counter(play.track_id for play in plays[:5_000])
    after = Counter(play.track_id for play in plays[5_000:])
    track = simulator.trending_track.track_id
    assert before[track] / 5_000 < 0.003
    assert after.most_common(1)[0][0] == track
    assert after[track] / 5_000 == pytest.approx(TREND_SHARE, abs=0.015)


def test_co_occurrence_clearly_beats_popularity() -> None:
    """The claim of the demo: what follows what can be learned from plays alone."""
    follows: dict[str, Counter[str]] = defaultdict(Counter)
    popular: Counter[str] = Counter()
    last: dict[str | None, str] = {}
    most_popular: dict[str, int] = {}
    hits = popular_hits = trials = 0
    for number, play in enumerate(Simulator(1).plays(30_000)):
        if play.end_reason == "skipped":
            continue
        if number % 200 == 0:
            most_popular = dict(popular.most_common(10))
        before = last.get(play.session_id)
        if before is not None:
            if number >= 10_000:
                trials += 1
                hits += play.track_id in dict(follows[before].most_common(10))
                popular_hits += play.track_id in most_popular
            follows[before][play.track_id] += 1
        popular[play.track_id] += 1
        last[play.session_id] = play.track_id
    assert hits / trials > 0.3
    assert hits > 8 * popular_hits > 0


def test_names_look_made_up_and_ids_are_unique() -> None:
    tracks = Simulator(1).catalogue.tracks
    assert len({track.track_id for track in tracks}) == len(tracks) == 3_000
    assert all(track.track_id.isascii() and " " not in track.track_id for track in tracks)


def test_the_catalogue_says_of_each_track_what_a_service_would() -> None:
    catalogue = Simulator(1, tracks=200).catalogue
    entries = {entry.track_id: entry for entry in catalogue.entries()}
    assert [*entries] == [track.track_id for track in catalogue.tracks]
    decode = EntryDecoder().decode
    for track in catalogue.tracks:
        entry = entries[track.track_id]
        assert decode(track.track_id.encode(), encode_event(entry)) == entry
        assert (entry.title, main_artist(entry), entry.album) == (
            track.title, track.artist, track.album,
        )  # fmt: skip
    assert len({entry.genres for entry in entries.values()}) == len(catalogue.clusters)


def test_fifty_thousand_plays_take_less_than_a_second_of_cpu() -> None:
    simulator = Simulator(1)
    begin_s = time.process_time()
    for _ in simulator.plays(50_000):
        pass
    assert time.process_time() - begin_s < 1.0


@pytest.mark.parametrize(("listeners", "tracks"), [(0, 100), (10, 5)])
def test_a_world_too_small_is_refused(listeners: int, tracks: int) -> None:
    with pytest.raises(Misconfigured, match=r"at least 20 tracks|must be a listener"):
        Simulator(1, listeners=listeners, tracks=tracks)


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_world_works(seed: int) -> None:
    assert len(list(Simulator(seed, listeners=1, tracks=20).plays(500))) == 500

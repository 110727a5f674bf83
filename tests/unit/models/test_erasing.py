"""What an erasure takes back, by hand-made examples; the laws try the rest."""

from __future__ import annotations

from dataclasses import asdict, fields

import numpy as np
import pytest

from models.recommend import ListenerSnapshot, NeighbourState, Vocabulary
from models.recommend.catalogue import Catalogue
from models.recommend.exports import export_of
from models.recommend.listeners import ListenerState
from schemas.events import PrivacyRequest
from schemas.frames import ARTIST_MARK, PairsFrame
from schemas.tracks import CatalogueEntry, Credit
from segue.testing.stage_a import MINUTE, T0, outcomes, play, said, state

LATER = T0 + 1000 * MINUTE


def rows_of(listeners: ListenerState, rows: NeighbourState) -> NeighbourState:
    """Let rows learn what a state has to send."""
    frames = (listeners.drain_pairs(lambda _: 0), listeners.drain_erased(lambda _: 0))
    for frame in (*frames[0].values(), *frames[1].values()):
        rows.learn(frame)
    return rows


def neighbours(rows: NeighbourState, track: str) -> dict[str, tuple[int, int]] | None:
    row = rows.row(track)
    if row is None:
        return None
    columns = (row.weights.tolist(), row.forward.tolist())
    return dict(zip(row.names, zip(*columns, strict=True), strict=True))


def test_only_what_the_erased_listener_gave_is_taken_back() -> None:
    listeners, rows = state(), NeighbourState(Vocabulary())
    for user in ("ann", "bob"):
        listeners.learn([play("a", user_id=user), play("b", T0 + 1, user_id=user)])
    listeners.learn([play("c", T0 + 2, artist="x")])
    rows_of(listeners, rows)
    assert listeners.erase("ann", LATER)
    rows_of(listeners, rows)
    assert neighbours(rows, "a") == {"b": (2520, 2520)}
    assert neighbours(rows, "b") == {"a": (2520, 0)}
    found = rows.row("a")
    assert found is not None
    assert (found.plays, found.fading.tolist()) == (1, [pytest.approx(2520, rel=0.2)])
    assert neighbours(rows, "c") is None
    assert neighbours(rows, f"{ARTIST_MARK}x") is None
    assert {*rows.drain_withdrawn()} == {"c", f"{ARTIST_MARK}x"}


def test_who_a_track_is_by_goes_with_its_row_unless_another_listener_played_it() -> None:
    listeners = state()
    rows = NeighbourState(listeners.vocabulary)
    for user, track in (("ann", "hers"), ("ann", "both"), ("bob", "both")):
        listeners.learn([play(track, user_id=user, artist="x")])
    rows_of(listeners, rows)
    listeners.erase("ann", LATER)
    rows_of(listeners, rows)
    words = listeners.vocabulary
    known = {track: words.names[words.artist[words.find(track)]] for track in ("hers", "both")}
    assert known == {"hers": "", "both": f"{ARTIST_MARK}x"}


def test_who_a_track_of_the_catalogue_is_by_is_what_the_catalogue_says_after_its_row() -> None:
    listeners = state()
    catalogue = Catalogue(listeners.vocabulary)
    rows = NeighbourState(listeners.vocabulary, catalogue=catalogue)
    catalogue.put([CatalogueEntry("hers", "Tide", artists=(Credit("Owner"),))])
    listeners.learn([play("hers", user_id="ann", artist="x")])
    rows_of(listeners, rows)
    listeners.erase("ann", LATER)
    rows_of(listeners, rows)
    words = listeners.vocabulary
    assert words.names[words.artist[words.find("hers")]] == f"{ARTIST_MARK}owner"


def test_a_skip_is_taken_back_too_where_it_stood_among_the_plays() -> None:
    listeners, rows = state(), NeighbourState(Vocabulary())
    skip = play("s", T0 + 2, end_reason="skipped", played_ms=0)
    listeners.learn([play("a"), play("b", T0 + 1), skip, play("c", T0 + 3)])
    listeners.learn([play("a", user_id="bob"), play("s", T0 + 1, user_id="bob")])
    rows_of(listeners, rows)
    assert neighbours(rows, "s") == {"a": (2520 - 1260, 0), "b": (-2520, 0)}
    listeners.erase("ann", LATER)
    rows_of(listeners, rows)
    assert neighbours(rows, "s") == {"a": (2520, 0)}


def test_what_left_the_retained_plays_stays() -> None:
    listeners, rows = state(), NeighbourState(Vocabulary())
    listeners.learn([play(f"t{i}", T0 + i * MINUTE) for i in range(60)])
    rows_of(listeners, rows)
    listeners.erase("ann", LATER)
    rows_of(listeners, rows)
    left = [rows.row(f"t{i}") for i in range(60)]
    # The first ten plays, and what the next ten were paired with among them.
    assert [row.plays for row in left if row is not None] == [1] * 10 + [0] * 10
    assert neighbours(rows, "t10") == {f"t{i}": (2520 // (10 - i), 0) for i in range(10)}
    assert all(row is None for row in left[20:])


def test_nothing_is_taken_from_a_row_that_began_anew_nor_from_one_that_is_full() -> None:
    rows = NeighbourState(Vocabulary(), tracks_max=2)
    zero, one = np.zeros(1, np.int32), np.ones(1, np.int32)

    def erased(names: list[str], weight: int) -> PairsFrame:
        ahead = np.ones(1, np.uint8)
        pair = (zero, one, np.array([weight]))
        return PairsFrame(names, zero, zero, one, *pair, ahead, erased=True)

    rows.learn(erased(["gone", "b"], 2520))
    assert len(rows) == 0
    many = [f"n{i}" for i in range(rows.source.ids.shape[1])]
    right = np.arange(1, 1 + len(many), dtype=np.int32)
    ahead, weights = np.ones(len(many), np.uint8), np.full(len(many), 5)
    rows.learn(PairsFrame(["a", *many], zero, zero, one, 0 * right, right, weights, ahead))
    rows.learn(erased(["a", "left before"], 2520))
    row = rows.row("a")
    assert row is not None
    assert (row.plays, {*row.names}) == (0, {*many})
    rows.learn(erased(["a", "n0"], 5))
    row = rows.row("a")
    assert row is not None
    assert (row.plays, {*row.names}) == (0, {*many[1:]})  # never below 0


def test_older_plays_and_feedback_are_refused_and_later_ones_begin_anew() -> None:
    listeners = state()
    listeners.learn([play("a", T0 + 5)])
    assert listeners.erase("ann", T0)
    assert outcomes(listeners, play("a", T0 + 5), play("b", T0 + 6)) == ["erased", "applied"]
    assert outcomes(listeners, play("late", T0 + 1)) == ["erased"]  # refused by the new slot too
    assert listeners.apply_feedback([said("block_track", "x")]).tally() == {"erased": 1}
    kept = listeners.snapshot("ann")
    assert kept is not None
    assert (kept.plays, kept.recent, kept.erased_ms) == (1, ["b"], T0 + 5)


def test_an_unknown_listener_is_refused_as_well() -> None:
    listeners = state()
    assert listeners.erase("ann", T0)
    assert not listeners.erase("ann", T0)
    assert outcomes(listeners, play("a", T0)) == ["erased"]
    assert len(listeners) == 0
    assert listeners.learn([play("a", T0)], [True]).tally() == {"erased": 1}  # requeued, too


def test_the_slot_of_an_erased_listener_holds_nothing() -> None:
    listeners = state()
    listeners.apply_feedback([said("block_track", "x")])
    skip = play("s", T0 + 1, end_reason="skipped", played_ms=0)
    listeners.learn([play("a", artist="y", market="SE"), skip])
    slot = listeners.slot("ann")
    listeners.erase("ann", LATER)
    for name, column in listeners.arrays._asdict().items():
        if name not in {"links", "counters"}:
            assert not column[slot].any(), name


def test_an_export_holds_every_field_that_is_kept() -> None:
    listeners = state()
    listeners.learn([play("a", artist="Abba"), play("b", T0 + 1, session_id="s", market="SE")])
    kept = listeners.snapshot("ann")
    assert kept is not None
    export = export_of(PrivacyRequest("p", "ann", "export", T0), kept, at_ms=LATER)
    assert {field.name for field in fields(ListenerSnapshot)} <= {*export.__struct_fields__}
    same = ("plays", "newest_ms", "recent", "begins", "context", "heard", "market", "erased_ms")
    assert {name: getattr(export, name) for name in same} == {
        name: asdict(kept)[name] for name in same
    }
    assert (export.known, export.artists) == (True, ["", "abba"])
    nothing = export_of(PrivacyRequest("p", "eve", "export", T0), None, at_ms=LATER)
    assert (nothing.known, nothing.plays, nothing.recent) == (False, 0, [])


def test_likes_that_hold_are_taken_back_with_what_they_were_added_to() -> None:
    listeners, rows = state(), NeighbourState(Vocabulary())
    artist = f"{ARTIST_MARK}abba"
    for user in ("ann", "bob"):
        liked = [said("like", "a", user, artist="Abba"), said("like", "b", user)]
        assert listeners.apply_feedback(liked).tally() == {"applied": 2}
    rows_of(listeners, rows)
    assert neighbours(rows, "a") == {"b": (2 * 2520, 0)}
    assert neighbours(rows, artist) == {"a": (2 * 2520, 0)}
    listeners.erase("ann", LATER)
    rows_of(listeners, rows)
    assert neighbours(rows, "b") == {"a": (2520, 0)}
    assert neighbours(rows, artist) == {"a": (2520, 0)}
    listeners.erase("bob", LATER)
    rows_of(listeners, rows)
    assert len(rows) == 0

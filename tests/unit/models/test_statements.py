"""What listeners say: which word counts, what a like adds, and what is kept of it."""

from __future__ import annotations

import pytest

from models.recommend import OUTCOMES, ListenerState
from models.recommend.kernels.listener import (
    BLOCKED,
    BLOCKED_ARTIST,
    HIDDEN,
    KEPT,
    LIKED,
    TASTE_ARTIST,
    TASTE_GENRE,
    TASTE_LANGUAGE,
)
from models.recommend.said import Statement
from schemas.events import Feedback
from schemas.frames import ARTIST_MARK, GENRE_MARK, LANGUAGE_MARK
from segue.testing.stage_a import T0, play, said, state, weights

EX = f"{ARTIST_MARK}ex"
IS = f"{LANGUAGE_MARK}is"


def results(listeners: ListenerState, *events: Feedback) -> list[str]:
    return [OUTCOMES[code] for code in listeners.apply_feedback(events).outcomes]


def holds(listeners: ListenerState, user: str = "ann") -> list[Statement]:
    snapshot = listeners.snapshot(user)
    assert snapshot is not None
    return snapshot.said


def test_the_last_word_on_a_track_counts() -> None:
    listeners = state()
    for kind, held in (("block_track", BLOCKED), ("hide", HIDDEN), ("block_track", BLOCKED)):
        assert results(listeners, said(kind, "a")) == ["applied"]  # type: ignore[arg-type]
        assert holds(listeners) == [Statement(held, "a", T0)]
    assert results(listeners, said("like", "a"), said("unblock_track", "a")) == [
        "applied",
        "duplicate",
    ]
    assert [(s.kind, s.subject) for s in holds(listeners)] == [(LIKED, "a")]


def test_a_word_older_than_what_holds_changes_nothing() -> None:
    listeners = state()
    older = [said(kind, "a", at_ms=T0 - 1) for kind in ("hide", "like", "unblock_track", "undo")]
    assert results(listeners, said("block_track", "a"), *older) == ["applied", *["duplicate"] * 4]
    assert holds(listeners) == [Statement(BLOCKED, "a", T0)]


def test_tracks_and_artists_of_one_name_are_apart() -> None:
    listeners = state()
    results(listeners, said("block_track", "ex"), said("block_artist", artist=" Ex "))
    assert [(s.kind, s.subject) for s in holds(listeners)] == [
        (BLOCKED, "ex"),
        (BLOCKED_ARTIST, EX),
    ]
    assert results(listeners, said("undo", artist="EX")) == ["applied"]
    assert holds(listeners) == [Statement(BLOCKED, "ex", T0)]


@pytest.mark.parametrize("first", ["like", "hide", "block_track"])
def test_undo_takes_back_whatever_was_said_and_once_is_enough(first: str) -> None:
    listeners = state()
    results(listeners, said("block_track", "b"), said(first, "a"))  # type: ignore[arg-type]
    assert results(listeners, said("undo", "a"), said("undo", "a")) == ["applied", "duplicate"]
    assert holds(listeners) == [Statement(BLOCKED, "b", T0)]


def test_hiding_again_later_hides_for_longer() -> None:
    listeners = state()
    again = [said("hide", "a", at_ms=T0 + 5), said("hide", "a", at_ms=T0 + 5)]
    assert results(listeners, said("hide", "a"), *again) == ["applied", "applied", "duplicate"]
    assert holds(listeners) == [Statement(HIDDEN, "a", T0 + 5)]


def test_a_taste_takes_the_place_of_the_one_before() -> None:
    listeners = state()
    first = said("taste", artists=("Ex", "EX ", ""), genres=("Pop",), languages=("is", "IS-is"))
    assert results(listeners, said("block_track", "a"), first, first) == [
        *("applied", "applied", "duplicate"),
    ]
    named = [(TASTE_ARTIST, EX), (TASTE_GENRE, f"{GENRE_MARK}pop"), (TASTE_LANGUAGE, IS)]
    assert holds(listeners) == [
        Statement(BLOCKED, "a", T0),
        *(Statement(kind, name, T0) for kind, name in named),
    ]
    older = said("taste", artists=("y",), at_ms=T0 - 1)
    assert results(listeners, older, said("taste", genres=("Jazz",))) == ["duplicate", "applied"]
    jazz = Statement(TASTE_GENRE, f"{GENRE_MARK}jazz", T0)
    assert holds(listeners) == [Statement(BLOCKED, "a", T0), jazz]
    assert results(listeners, said("taste")) == ["applied"]
    assert holds(listeners) == [Statement(BLOCKED, "a", T0)]


def test_what_takes_nothing_back_admits_nobody() -> None:
    listeners = state()
    kinds = [said("unlike", "a"), said("unblock_artist", artist="x"), said("undo", "a")]
    assert results(listeners, *kinds, said("taste", artists=(" ",))) == ["duplicate"] * 4
    assert len(listeners) == 0


def test_likes_add_to_their_artist_and_to_the_five_likes_before() -> None:
    listeners = state()
    results(listeners, *(said("like", f"t{i}") for i in range(6)))
    weights(listeners)
    results(listeners, said("like", "new", artist="Ex"), said("like", "new", artist="Ex"))
    expected = {(EX, "new"): 2520}
    for distance, other in enumerate(("t5", "t4", "t3", "t2", "t1"), start=1):
        expected |= {("new", other): 2520 // distance, (other, "new"): 2520 // distance}
    assert weights(listeners) == expected


@pytest.mark.parametrize("kind", ["unlike", "undo", "block_track", "hide"])
@pytest.mark.parametrize("restored", [False, True])
def test_a_like_taken_back_subtracts_what_it_added(kind: str, *, restored: bool) -> None:
    listeners = state()
    results(listeners, said("like", "a"), said("like", "b", artist="Ex"))
    added = weights(listeners)
    assert added == {(EX, "b"): 2520, ("a", "b"): 2520, ("b", "a"): 2520}
    results(listeners, said("like", "c"), said("unlike", "a"))  # what it was added to stays
    weights(listeners)
    if restored:
        records, listeners = listeners.changes(), state()
        for key, value in records:
            listeners.restore(key, value)
    assert results(listeners, said(kind, "b")) == ["applied"]  # type: ignore[arg-type]
    assert weights(listeners) == {pair: -amount for pair, amount in added.items()}


def test_likes_do_not_depend_on_plays() -> None:
    with_plays, without = state(), state()
    with_plays.learn([play("a", artist="Ex"), play("b", T0 + 1, artist="Ex")])
    weights(with_plays)
    for listeners in (with_plays, without):
        results(listeners, said("like", "a"), said("like", "b", artist="Why"))
    assert weights(with_plays) == weights(without)


@pytest.mark.parametrize(
    ("kind", "code"), [("like", LIKED), ("block_track", BLOCKED), ("hide", HIDDEN)]
)
def test_the_oldest_of_too_many_gives_way_to_one_of_its_kind(kind: str, code: int) -> None:
    listeners, most = state(), KEPT[code]
    results(listeners, said("block_artist", artist="x"))
    results(
        listeners,
        *(said(kind, f"t{i}") for i in range(most + 1)),  # type: ignore[arg-type]
    )
    assert [s.subject for s in holds(listeners)] == [
        f"{ARTIST_MARK}x",
        *(f"t{i}" for i in range(1, most + 1)),
    ]
    assert listeners.forgotten == 1
    if kind == "like":  # what a forgotten like added was meant, and stays
        assert all(amount > 0 for amount in weights(listeners).values())


def test_more_listeners_than_there_were_rows_for_keep_what_each_said() -> None:
    listeners, users = state(), [f"u{i}" for i in range(40)]
    for user in users:
        results(listeners, said("like", f"of {user}", user), said("block_track", "b", user))
    for user in users:
        assert [s.subject for s in holds(listeners, user)] == [f"of {user}", "b"]


def test_what_the_forgotten_said_is_not_said_by_who_comes_after() -> None:
    listeners = state(listeners_max=1)
    results(listeners, said("like", "a"), said("like", "b"), said("like", "c", "bob"))
    assert holds(listeners, "bob") == [Statement(LIKED, "c", T0, ("",) * 6)]
    listeners.learn([play("x", user_id="cid")])
    assert holds(listeners, "cid") == []


def test_names_that_were_said_live_until_they_are_taken_back() -> None:
    listeners = state()
    results(listeners, said("like", "a", artist="Ex"), said("taste", genres=("pop",)))
    listeners.drain_pairs(lambda _: 0)
    names = listeners.vocabulary
    names.collect(listeners.used_ids())
    assert all(names.find(name) for name in ("a", EX, f"{GENRE_MARK}pop"))
    results(listeners, said("unlike", "a"), said("taste"))
    listeners.drain_pairs(lambda _: 0)
    names.collect(listeners.used_ids())
    assert not any(names.find(name) for name in ("a", EX, f"{GENRE_MARK}pop"))

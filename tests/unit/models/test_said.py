from __future__ import annotations

from typing import Any

from models.recommend import ListenerState
from models.recommend.reference import ReferenceListeners
from models.recommend.said import STATEMENTS_MAX, Statement
from schemas.events import Feedback, FeedbackKind
from segue.testing.stage_a import T0, state


def said_by(listeners: ListenerState, user: str) -> list[Statement]:
    snapshot = listeners.snapshot(user)
    assert snapshot is not None
    return snapshot.said


def expected(reference: ReferenceListeners, user: str) -> list[Statement]:
    snapshot = reference.snapshot(user)
    assert snapshot is not None
    return snapshot.said


def saying(user: str, kind: FeedbackKind, number: int, **fields: Any) -> Feedback:  # Any: fields
    event_id, at_ms = f"{kind}-{number}", T0 + number
    return Feedback(event_id=event_id, user_id=user, kind=kind, at_ms=at_ms, **fields)


def blocks(user: str, count: int, start: int = 0) -> list[Feedback]:
    numbers = range(start, start + count)
    return [saying(user, "block_track", i, track_id=f"t{i}") for i in numbers]


def everything(user: str) -> list[Feedback]:
    """As much as is kept of a listener: each kind to its limit, in turns."""
    likes = [saying(user, "like", i, track_id=f"l{i}", artist="x") for i in range(64)]
    hides = [saying(user, "hide", i, track_id=f"h{i}") for i in range(64)]
    artists = [saying(user, "block_artist", i, artist=f"a{i}") for i in range(128)]
    names = tuple(f"n{i}" for i in range(20))
    taste = saying(user, "taste", 0, artists=names, genres=names, languages=names)
    mixed = [each for some in zip(likes, hides, blocks(user, 64), strict=True) for each in some]
    return [*mixed, taste, *artists, *blocks(user, 192, 64)]


def room(listeners: ListenerState) -> int:
    """Rows that were ever given out."""
    return listeners._said._used


def test_what_was_said_moves_with_a_listener_who_needs_more_room() -> None:
    listeners, reference = state(), ReferenceListeners()
    turns = zip(everything("ann"), everything("bob"), everything("eve"), strict=True)
    for number, (of_ann, of_bob, of_eve) in enumerate(turns):
        listeners.apply_feedback([of_ann, of_bob] if number < 40 else [of_ann])
        if number < 7:
            listeners.apply_feedback([of_eve])
        reference.feedback([of_ann])
        assert said_by(listeners, "ann") == expected(reference, "ann")
    for user, count in (("bob", 40), ("eve", 7)):
        reference.feedback(everything(user)[:count])
        assert said_by(listeners, user) == expected(reference, user)
    assert len(said_by(listeners, "ann")) == STATEMENTS_MAX == 572


def test_room_is_in_proportion_to_what_was_said() -> None:
    listeners = state()
    for i in range(1000):
        listeners.apply_feedback(blocks(f"user-{i}", 3))
    assert room(listeners) == 4000
    listeners.apply_feedback(blocks("user-0", 20, 3))
    assert room(listeners) == 4000 + 16 + 64, "one at a time: they moved twice"
    assert len(listeners.arrays.said) == len(listeners.arrays.liked) < 2 * 4080 + STATEMENTS_MAX


def test_room_left_behind_is_given_again_and_holds_nothing_of_who_had_it() -> None:
    listeners = state(listeners_max=2)
    for i in range(50):  # each evicts one before, from another size of room
        listeners.apply_feedback(everything(f"user-{i}")[: (3, 30, 300)[i % 3]])
    assert room(listeners) <= 2 * (4 + 16 + 64 + 256 + 572)
    newcomer = everything("newcomer")[:5]
    listeners.apply_feedback(newcomer)
    reference = ReferenceListeners()
    reference.feedback(newcomer)
    assert said_by(listeners, "newcomer") == expected(reference, "newcomer")


def test_a_record_of_more_or_less_takes_the_place_of_what_was_said() -> None:
    listeners, changelogs = state(), list[dict[bytes, bytes | None]]()
    for events in (blocks("ann", 2), everything("ann")):
        listeners.apply_feedback(events)
        changelogs.append(dict(listeners.changes()))
    few, many = changelogs
    restored = state()
    for changelog in (few, many, few, many):
        for key, value in changelog.items():
            restored.restore(key, value)
        again = state()
        for key, value in changelog.items():
            again.restore(key, value)
        assert said_by(restored, "ann") == said_by(again, "ann")
    assert said_by(restored, "ann") == said_by(listeners, "ann")

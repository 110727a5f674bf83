"""What is taken to be sent stays as it was, whatever is learned meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from models.recommend import ListenerLimits, ListenerState
from models.recommend.outgoing import Outbox
from models.recommend.vocabulary import Vocabulary
from schemas.frames import ARTIST_MARK
from segue.testing.stage_a import T0, play, said

VOCABULARY_LIMIT = 8


def all_of(outbox: Outbox) -> tuple[set[str], set[str], set[str]]:
    """The names in pairs, trend counts and discoveries."""
    pairs = outbox.drain_pairs(len).values()
    found = outbox.drain_discoveries()
    return (
        {name for frame in pairs for name in frame.names},
        {name for frame in outbox.drain_trend_counts() for name in frame.names},
        set() if found is None else {*found.names},
    )


def test_names_of_what_was_taken_are_kept_while_others_come_and_go() -> None:
    words = Vocabulary(VOCABULARY_LIMIT)
    listeners = ListenerState(words, ListenerLimits(listeners_max=1))
    listeners.learn([play("a", artist="x"), play("b", T0 + 1)])
    taken = listeners.outbox.take()
    swept = words.generation
    for i in range(200):
        listeners.learn([play(f"t{i}", user_id=f"u{i}")])
        listeners.outbox.drain_pairs(len)
        listeners.outbox.drain_trend_counts()
        listeners.outbox.drain_discoveries()
    assert words.generation > swept + 1, "names were swept"
    pairs, counted, discovered = all_of(taken)
    assert (pairs, counted, discovered) == ({"a", "b", f"{ARTIST_MARK}x"}, {"a", "b"}, {"a", "b"})


def test_what_comes_after_is_taken_by_the_next() -> None:
    listeners = ListenerState(Vocabulary())
    listeners.learn([play("a")])
    first = listeners.outbox.take()
    listeners.learn([play("b", T0 + 1)])
    listeners.apply_feedback([said("like", "c", artist="y")])
    assert all_of(first)[0] == {"a"}
    assert {"b", "c"} <= all_of(listeners.outbox.take())[0]
    assert all_of(listeners.outbox.take()) == (set(), set(), set())


def test_draining_in_another_thread_gives_what_it_gives_in_this_one() -> None:
    beside, alone = ListenerState(Vocabulary(1)), ListenerState(Vocabulary(1))
    with ThreadPoolExecutor(1) as pool:
        for batch in range(60):
            plays = [
                play(f"t{(7 * batch + i) % 97}", T0 + 100 * batch + i, user_id=f"u{i % 5}")
                for i in range(40)
            ]
            for state in (beside, alone):
                state.learn(plays)
            drained = pool.submit(all_of, beside.outbox.take())
            beside.learn([play(f"later{batch}", T0, user_id="z")])
            assert drained.result() == all_of(alone.outbox.take())
            alone.learn([play(f"later{batch}", T0, user_id="z")])

"""The embedding: what it learns, what it forgets, and how workers read it."""

from __future__ import annotations

import numpy as np
import pytest

from models.recommend.tastes import LATELY_KEY, VECTOR_RECORD, Tastes
from models.recommend.vectors import VectorState
from models.recommend.vocabulary import Vocabulary
from segue.testing.discovering import discovered


def two_tastes(state: VectorState, plays: int = 600) -> None:
    """Listeners of one kind discover `a…`, those of the other `b…`."""
    random = np.random.default_rng(3)
    for _ in range(plays):
        kind = "ab"[random.integers(2)]
        track, *before = (f"{kind}{number}" for number in random.permutation(10)[:6])
        state.learn(discovered((track, before)))


def fit(state: VectorState, track: str, *before: str) -> float:
    vectors = [found.vector for name in before if (found := state.vector(name)) is not None]
    found = state.vector(track)
    assert found is not None
    return float(found.vector @ np.mean(vectors, axis=0) + found.bias)


def test_tracks_that_the_same_listeners_discover_fit_each_other() -> None:
    state = VectorState(Vocabulary())
    two_tastes(state)
    for kind, other in ("ab", "ba"):
        fits = [fit(state, f"{kind}{i}", f"{kind}8", f"{kind}9") for i in range(8)]
        strange = [fit(state, f"{other}{i}", f"{kind}8", f"{kind}9") for i in range(8)]
        assert min(fits) > max(strange) + 1


def test_a_vector_depends_on_the_name_and_not_on_its_id() -> None:
    first, second = VectorState(Vocabulary()), VectorState(Vocabulary())
    second.vocabulary.intern(["other", "names", "before"])
    for state in (first, second):
        two_tastes(state, 50)
    assert dict(first.changes()) == dict(second.changes())


def test_the_track_used_longest_ago_is_evicted_and_deleted_everywhere() -> None:
    vocabulary = Vocabulary(1)
    state, tastes = VectorState(vocabulary, 124), Tastes(vocabulary)
    for number in range(200):
        state.learn(discovered((f"t{number}", [f"t{number - 1}"] if number else [])))
        records = state.changes()
        assert tastes.apply([key for key, _ in records], [value for _, value in records]) == []
    assert (len(state), state.evictions, len(tastes)) == (124, 76, 124)
    assert state.vector("t0") is None
    assert state.vector("t199") is not None
    assert len(vocabulary) < 300, "names of evicted tracks are swept"


def test_a_limit_that_a_step_would_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        VectorState(Vocabulary(), 100)


def test_unreadable_records_are_refused_by_the_learner() -> None:
    state = VectorState(Vocabulary())
    for value in (b"", b"\x01" * 10, b"\x02" + bytes(VECTOR_RECORD.itemsize - 1)):
        with pytest.raises(ValueError, match="record"):
            state.restore(b"a", value)
    with pytest.raises(ValueError, match="record"):
        state.restore(LATELY_KEY, b"\x07" + bytes(16))
    with pytest.raises(ValueError, match="record"):
        state.restore(LATELY_KEY, b"\x01" + (5).to_bytes(8, "little") + bytes(8) + b"a\nb")


def test_unreadable_records_are_named_and_skipped_by_readers() -> None:
    state, tastes = VectorState(Vocabulary()), Tastes(Vocabulary())
    state.learn(discovered(("a", ["b"])))
    good = dict(state.changes())
    keys = [b"a", b"\xff", b"b", b"", b"c", LATELY_KEY]
    values = [good[b"a"], good[b"b"], b"short", good[b"b"], b"\x09" * VECTOR_RECORD.itemsize, b"?"]
    bad = dict(tastes.apply(keys, values))
    assert [*bad] == [1, 2, 3, 4]
    assert "150 bytes" in bad[2]
    assert len(tastes) == 1


def test_of_one_key_the_last_record_counts() -> None:
    state, tastes = VectorState(Vocabulary()), Tastes(Vocabulary())
    state.learn(discovered(("a", ["b"])))
    record = dict(state.changes())[b"a"]
    tastes.apply([b"a", b"b", b"a"], [record, record, None])
    assert len(tastes) == 1
    tastes.apply([b"a", b"a"], [None, record])
    assert len(tastes) == 2
    tastes.apply([b"x"], [None])
    assert len(tastes) == 2


def test_readers_grow_with_what_is_published() -> None:
    state, tastes = VectorState(Vocabulary(), 5_000), Tastes(Vocabulary())
    state.learn(discovered(*((f"t{i}", [f"t{i + 1}"]) for i in range(3_000))))
    records = state.changes()
    tastes.apply([key for key, _ in records], [value for _, value in records])
    assert len(tastes) == len(state) == 3_001
    found = state.vector("t2999")
    slot = tastes.taste.slot_of[tastes.vocabulary.find("t2999")] - 1
    assert found is not None
    assert (tastes.taste.vectors[slot] == found.vector).all()

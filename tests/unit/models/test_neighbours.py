from __future__ import annotations

import numpy as np
import pytest

from models.recommend import NeighbourState, Vocabulary
from models.recommend.reference import ReferenceRows
from models.recommend.vocabulary import hash32
from schemas.frames import PairsFrame


def frame(pairs: dict[tuple[str, str], int], plays: dict[str, int] | None = None) -> PairsFrame:
    plays = plays or {}
    names = [*dict.fromkeys([name for pair in pairs for name in pair] + [*plays])]
    place = {name: i for i, name in enumerate(names)}
    return PairsFrame(
        names,
        play_track=np.array([place[name] for name in plays], np.int32),
        play_count=np.array([*plays.values()], np.int32),
        left=np.array([place[left] for left, _ in pairs], np.int32),
        right=np.array([place[right] for _, right in pairs], np.int32),
        weight=np.array([*pairs.values()], np.int64),
    )


def row(rows: NeighbourState, track: str) -> dict[str, int]:
    found = rows.row(track)
    assert found is not None
    return dict(zip(found.names, found.weights.tolist(), strict=True))


def test_plays_and_weights_add_up() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", "b"): 5, ("b", "a"): 5}, {"a": 2}))
    rows.learn(frame({("a", "b"): 7, ("a", "c"): 1}, {"a": 1, "b": 4}))
    found = rows.row("a")
    assert found is not None
    assert (found.plays, found.names, found.weights.tolist()) == (3, ["b", "c"], [12, 1])
    assert row(rows, "b") == {"a": 5}
    assert rows.row("c") is None
    assert len(rows) == 2


def test_weights_beyond_32_bits_are_kept() -> None:
    rows = NeighbourState(Vocabulary())
    for _ in range(3):
        rows.learn(frame({("a", "b"): 1 << 40}))
    assert row(rows, "a") == {"b": 3 << 40}


def test_a_full_row_gives_up_its_lightest_neighbour() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", f"n{i}"): 10 + i for i in range(100)}))
    rows.learn(frame({("a", "new"): 1}))
    assert rows.dropped == 1
    assert "n0" not in row(rows, "a")
    assert row(rows, "a")["new"] == 1
    rows.learn(frame({("a", "newer"): 1}))
    assert "new" not in row(rows, "a")


def test_equal_neighbours_stand_by_hash_and_the_last_one_leaves() -> None:
    rows = NeighbourState(Vocabulary())
    names = sorted((f"n{i}" for i in range(100)), key=hash32)
    rows.learn(frame({("a", name): 1 for name in reversed(names)}))
    found = rows.row("a")
    assert found is not None
    assert found.names == names
    rows.learn(frame({("a", "new"): 1}))
    assert {*names} - {*row(rows, "a")} == {names[99]}
    rows.learn(frame({("a", "new"): 1}))  # now heavier than all
    rows.learn(frame({("a", "newer"): 1}))
    assert {*names} - {*row(rows, "a")} == {names[98], names[99]}


def test_thousands_of_random_pairs_equal_the_plain_rules() -> None:
    seed = 11
    rng = np.random.default_rng(seed)
    rows, reference = NeighbourState(Vocabulary(limit=50), 40), ReferenceRows(40)
    for _ in range(30):
        lefts = np.where(rng.random(500) < 0.9, rng.integers(0, 5, 500), rng.integers(0, 90, 500))
        pairs = {
            (f"t{left}", f"n{right}"): int(weight)
            for left, right, weight in zip(
                lefts,
                rng.integers(0, 200, 500),
                rng.integers(1, 6, 500),
                strict=True,
            )
        }
        rows.learn(frame(pairs))
        for (left, right), weight in pairs.items():
            reference.add_weight(left, right, weight)
    assert rows.dropped > 100 and rows.evictions == reference.evictions > 100, f"seed {seed}"
    for track in reference.rows:
        assert row(rows, track) == dict(reference.top(track, 100)), f"seed {seed}"


def test_the_track_used_longest_ago_is_evicted_and_the_changelog_told() -> None:
    rows = NeighbourState(Vocabulary(), tracks_max=2)
    rows.learn(frame({("a", "x"): 1}))
    rows.learn(frame({("b", "x"): 1}))
    rows.changes()
    rows.learn(frame({("a", "y"): 1}))
    rows.learn(frame({("c", "x"): 1}))
    assert (rows.row("b"), rows.evictions, len(rows)) == (None, 1, 2)
    assert [(key, value is None) for key, value in rows.changes()] == [
        (b"b", True),
        (b"a", False),
        (b"c", False),
    ]


def test_rows_are_published_once_per_change_the_longest_waiting_first() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", "x"): 1, ("b", "x"): 1}))
    rows.learn(frame({("c", "x"): 1, ("a", "x"): 1}))
    first = rows.drain_published(2)
    assert [(name, columns.weights.tolist()) for name, columns in first] == [("a", [2]), ("b", [1])]
    assert [name for name, _ in rows.drain_published(9)] == ["c"]
    assert rows.drain_published(9) == []
    rows.mark_all_published_dirty()
    assert {name for name, _ in rows.drain_published(9)} == {"a", "b", "c"}


def test_fifty_neighbours_are_published() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", f"n{i}"): i + 1 for i in range(80)}, {"a": 3}))
    ((name, columns),) = rows.drain_published(1)
    assert (name, columns.plays) == ("a", 3)
    assert columns.names == [f"n{i}" for i in range(79, 29, -1)]


def test_an_evicted_row_is_not_published() -> None:
    rows = NeighbourState(Vocabulary(), tracks_max=1)
    rows.learn(frame({("a", "x"): 1}))
    rows.learn(frame({("b", "x"): 1}))
    assert [name for name, _ in rows.drain_published(9)] == ["b"]


def test_restoring_a_tombstone_frees_the_row() -> None:
    rows = NeighbourState(Vocabulary(), tracks_max=1)
    rows.learn(frame({("a", "x"): 1}))
    rows.restore(b"a", None)
    rows.restore(b"never", None)
    assert (len(rows), rows.row("a"), rows.changes()) == (0, None, [])
    rows.learn(frame({("b", "x"): 1}))
    assert rows.evictions == 0


def test_restoring_more_rows_than_fit_evicts_the_oldest_with_a_tombstone() -> None:
    large, small = NeighbourState(Vocabulary()), NeighbourState(Vocabulary(), tracks_max=1)
    large.learn(frame({("a", "x"): 1}))
    large.learn(frame({("b", "x"): 1}))
    for key, value in large.changes():
        small.restore(key, value)
    assert (small.row("a"), small.evictions, small.changes()) == (None, 1, [(b"a", None)])


@pytest.mark.parametrize("value", [b"", b"\x02" + bytes(10), b"\x01\xff\xff" + bytes(8)])
def test_bytes_that_are_no_record_are_refused(value: bytes) -> None:
    rows = NeighbourState(Vocabulary())
    with pytest.raises(ValueError, match="neighbours record"):
        rows.restore(b"a", value)
    assert len(rows) == 0

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pytest

from models.recommend import NeighbourState, Vocabulary
from models.recommend.reference_rows import ReferenceRows
from models.recommend.vocabulary import hash32
from schemas.frames import PairsFrame


def frame(
    pairs: dict[tuple[str, str], int],
    plays: dict[str, int] | None = None,
    forward: Collection[tuple[str, str]] = (),
) -> PairsFrame:
    """Increments as a frame; the pairs in `forward` came in that order."""
    plays = plays or {}
    names = [*dict.fromkeys([name for pair in pairs for name in pair] + [*plays])]
    place = {name: i for i, name in enumerate(names)}
    return PairsFrame(
        names,
        play_track=np.array([place[name] for name in plays], np.int32),
        play_artist=np.array([place[name] for name in plays], np.int32),
        play_count=np.array([*plays.values()], np.int32),
        left=np.array([place[left] for left, _ in pairs], np.int32),
        right=np.array([place[right] for _, right in pairs], np.int32),
        weight=np.array([*pairs.values()], np.int64),
        forward=np.array([pair in forward for pair in pairs], np.uint8),
    )


def row(rows: NeighbourState, track: str) -> dict[str, int]:
    found = rows.row(track)
    assert found is not None
    return dict(zip(found.names, found.weights.tolist(), strict=True))


def whole_row(rows: NeighbourState, track: str) -> dict[str, tuple[int, int, float]]:
    """Weight, its part that came after, and fading weight by name, in the order of the row."""
    found = rows.row(track)
    assert found is not None
    columns = found.weights.tolist(), found.forward.tolist(), found.fading.tolist()
    return dict(zip(found.names, zip(*columns, strict=True), strict=True))


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
        rows.learn(frame({("a", "b"): 1 << 40}, forward=[("a", "b")]))
    assert whole_row(rows, "a") == {"b": (3 << 40, 3 << 40, float(3 << 40))}


def test_forward_is_the_part_of_a_weight_that_came_after() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", "b"): 5, ("a", "c"): 9}, forward=[("a", "b")]))
    rows.learn(frame({("a", "b"): 7, ("a", "c"): 1}, forward=[("a", "c")]))
    found = rows.row("a")
    assert found is not None
    assert (found.names, found.weights.tolist()) == (["b", "c"], [12, 10])
    assert found.forward.tolist() == [5, 1]


def test_both_directions_of_a_pair_in_one_frame_add_up_to_its_weight() -> None:
    rows, one = NeighbourState(Vocabulary()), np.array([0, 0], np.int32)
    weight, forward = np.array([5, 7], np.int64), np.array([0, 1], np.uint8)
    nothing = one[:0]
    rows.learn(PairsFrame(["a", "b"], nothing, nothing, nothing, one, one + 1, weight, forward))
    assert whole_row(rows, "a") == {"b": (12, 7, 12.0)}


def test_fading_weight_halves_in_eight_plays_of_the_track_and_of_no_other() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", "x"): 1024, ("b", "x"): 1024}))
    rows.learn(frame({}, {"a": 8, "x": 8}))
    assert whole_row(rows, "a") == {"x": (1024, 0, 512.0)}
    assert whole_row(rows, "b") == {"x": (1024, 0, 1024.0)}
    rows.learn(frame({}, {"a": 16}))
    assert whole_row(rows, "a") == {"x": (1024, 0, 128.0)}


def test_fading_does_not_depend_on_how_plays_are_spread_over_frames() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", "x"): 1024, ("b", "x"): 1024}))
    for _ in range(8):
        rows.learn(frame({}, {"a": 1}))
    rows.learn(frame({}, {"b": 8}))
    assert whole_row(rows, "a")["x"][2] == pytest.approx(512.0, rel=1e-6)
    assert whole_row(rows, "b")["x"][2] == 512.0


def test_plays_of_a_frame_fade_the_row_before_its_weights_are_added() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", "x"): 1024}, {"a": 8}))
    assert whole_row(rows, "a") == {"x": (1024, 0, 1024.0)}
    rows.learn(frame({("a", "x"): 100, ("a", "y"): 1}, {"a": 8}))
    assert whole_row(rows, "a") == {"x": (1124, 0, 612.0), "y": (1, 0, 1.0)}


def test_forward_and_fading_move_with_their_neighbour() -> None:
    rows = NeighbourState(Vocabulary())
    pairs = {("a", "x"): 30, ("a", "y"): 20, ("a", "z"): 10}
    rows.learn(frame(pairs, forward=[("a", "x"), ("a", "z")]))
    rows.learn(frame({}, {"a": 8}))
    rows.learn(frame({("a", "z"): 15}))
    rows.learn(frame({("a", "y"): 40}, forward=[("a", "y")]))
    assert [*whole_row(rows, "a").items()] == [
        ("y", (60, 40, 50.0)),
        ("x", (30, 30, 15.0)),
        ("z", (25, 10, 20.0)),
    ]


def test_a_neighbour_that_takes_the_last_place_inherits_nothing() -> None:
    rows = NeighbourState(Vocabulary())
    pairs = {("a", f"n{i}"): 10 + i for i in range(60)}
    rows.learn(frame(pairs, forward=[*pairs]))
    rows.learn(frame({("a", "new"): 3}))
    assert whole_row(rows, "a")["new"] == (3, 0, 3.0)


def test_a_track_that_comes_back_after_its_eviction_begins_with_nothing() -> None:
    rows = NeighbourState(Vocabulary(), tracks_max=1)
    rows.learn(frame({("a", "x"): 9}, {"a": 3}, [("a", "x")]))
    rows.learn(frame({("b", "x"): 1}))
    rows.learn(frame({("a", "x"): 2}))
    found = rows.row("a")
    assert found is not None
    assert found.plays == 0
    assert whole_row(rows, "a") == {"x": (2, 0, 2.0)}


def test_a_restored_row_is_the_same_bit_for_bit() -> None:
    seed = 13
    rng = np.random.default_rng(seed)
    rows, restored = NeighbourState(Vocabulary()), NeighbourState(Vocabulary())
    for _ in range(20):
        pairs = {("a", f"n{i}"): int(rng.integers(1, 2520)) for i in rng.integers(0, 120, 40)}
        rows.learn(frame(pairs, {"a": int(rng.integers(0, 5))}, [*pairs][::2]))
    for key, value in rows.changes():
        restored.restore(key, value)
    found, again = rows.row("a"), restored.row("a")
    assert found is not None and again is not None
    assert (again.plays, again.names) == (found.plays, found.names), f"seed {seed}"
    for name in ("weights", "forward", "fading"):
        ours, theirs = getattr(found, name), getattr(again, name)
        assert (ours.dtype, ours.tobytes()) == (theirs.dtype, theirs.tobytes()), f"seed {seed}"
    assert len(found.names) == 60 and any(value % 1 for value in found.fading.tolist())


def test_a_full_row_gives_up_its_lightest_neighbour() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", f"n{i}"): 10 + i for i in range(60)}))
    rows.learn(frame({("a", "new"): 1}))
    assert rows.dropped == 1
    assert "n0" not in row(rows, "a")
    assert row(rows, "a")["new"] == 1
    rows.learn(frame({("a", "newer"): 1}))
    assert "new" not in row(rows, "a")


def test_equal_neighbours_stand_by_hash_and_the_last_one_leaves() -> None:
    rows = NeighbourState(Vocabulary())
    names = sorted((f"n{i}" for i in range(60)), key=hash32)
    rows.learn(frame({("a", name): 1 for name in reversed(names)}))
    found = rows.row("a")
    assert found is not None
    assert found.names == names
    rows.learn(frame({("a", "new"): 1}))
    assert {*names} - {*row(rows, "a")} == {names[59]}
    rows.learn(frame({("a", "new"): 1}))  # now heavier than all
    rows.learn(frame({("a", "newer"): 1}))
    assert {*names} - {*row(rows, "a")} == {names[58], names[59]}


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
        forward = {pair for pair, ahead in zip(pairs, rng.random(500) < 0.5, strict=False) if ahead}
        plays = {f"t{track}": int(rng.integers(1, 9)) for track in rng.integers(0, 5, 3)}
        rows.learn(frame(pairs, plays, forward))
        for track, count in plays.items():
            reference.add_plays(track, count)
        for (left, right), weight in pairs.items():
            reference.add_weight(left, right, weight, forward=(left, right) in forward)
    assert rows.dropped > 100 and rows.evictions == reference.evictions > 100, f"seed {seed}"
    for track in reference.rows:
        found = whole_row(rows, track)
        expected = {
            name: (weight, reference.forward[track, name], reference.fading[track, name])
            for name, weight in reference.top(track, 60)
        }
        assert [*found] == [*expected], f"seed {seed}"
        for name, values in expected.items():
            assert found[name] == pytest.approx(values, rel=1e-5), f"seed {seed}"


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


@pytest.mark.parametrize("value", [b"", b"\x01" + bytes(10), b"\x02\xff\xff" + bytes(8)])
def test_bytes_that_are_no_record_are_refused(value: bytes) -> None:
    rows = NeighbourState(Vocabulary())
    with pytest.raises(ValueError, match="neighbours record"):
        rows.restore(b"a", value)
    assert len(rows) == 0


def test_skips_subtract_and_what_falls_below_nothing_is_kept_but_not_published() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", "b"): 2520, ("a", "c"): 1260, ("a", "d"): 840}))
    rows.learn(frame({("a", "b"): -2520, ("a", "c"): -2520, ("a", "e"): -100}))
    assert row(rows, "a") == {"d": 840, "b": 0, "e": -100, "c": -1260}
    assert [*row(rows, "a")] == ["d", "b", "e", "c"], "by weight"
    ((name, published),) = rows.drain_published(9)
    assert (name, published.names) == ("a", ["d"])
    rows.learn(frame({("a", "c"): 2520}))
    assert row(rows, "a") == {"c": 1260, "d": 840, "b": 0, "e": -100}


def test_a_full_row_gives_no_place_to_less_than_nothing() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", f"n{i}"): 10 for i in range(60)}))
    rows.learn(frame({("a", "skipped"): -2520}))
    assert "skipped" not in row(rows, "a")
    assert (len(row(rows, "a")), rows.dropped) == (60, 1)
    rows.learn(frame({("a", "n7"): -20}))
    rows.learn(frame({("a", "new"): 1}))
    assert "n7" not in row(rows, "a"), "skipped more than played: the first to go"


def test_a_neighbour_of_weight_nothing_takes_no_place_in_a_full_row() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", f"n{i}"): 10 for i in range(60)}))
    rows.learn(frame({("a", "played and skipped"): 0}))
    assert "played and skipped" not in row(rows, "a")


def test_fading_weights_end_as_nothing() -> None:
    rows = NeighbourState(Vocabulary())
    rows.learn(frame({("a", "x"): 2520, ("a", "y"): -2520}))
    for _ in range(40):
        rows.learn(frame({}, {"a": 8}))
    assert [fading for _, _, fading in whole_row(rows, "a").values()] == [0.0, 0.0]

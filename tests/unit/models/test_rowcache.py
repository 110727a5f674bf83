from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.recommend import NeighbourState, RowCache, RowColumns, Vocabulary
from models.recommend.neighbours import PUBLISHED_NEIGHBOURS
from schemas.frames import ARTIST_MARK, PairsFrame
from schemas.outputs import encode_similar, format_version

VERSION = format_version(1, 2)
NEWER = ("after", "lately")


def row(plays: int, **weights: int) -> bytes:
    """A row whose neighbours came after by half of their weight, and lately by a third."""
    whole = [*weights.values()]
    columns = ([*weights], whole, [w // 2 for w in whole], [w // 3 for w in whole])
    return encode_similar(VERSION, "of no matter here", at_ms=0, plays=plays, columns=columns)


def held(cache: RowCache, track: str) -> tuple[int, dict[str, int]] | None:
    source, names = cache.source, cache.vocabulary.names
    place = int(source.slot_of[cache.vocabulary.find(track)]) - 1
    if place < 0:
        return None
    size = source.sizes[place]
    entries = zip(source.ids[place, :size], source.weights[place, :size], strict=True)
    return int(source.plays[place]), {names[i]: int(weight) for i, weight in entries}


def held_columns(cache: RowCache, track: str) -> dict[str, tuple[int, float]]:
    """What came after, and lately, by name."""
    source, names = cache.source, cache.vocabulary.names
    place = int(source.slot_of[cache.vocabulary.find(track)]) - 1
    columns = source.ids, source.forward, source.fading
    entries = zip(*(column[place, : source.sizes[place]] for column in columns), strict=True)
    return {names[i]: (int(forward), float(fading)) for i, forward, fading in entries}


def missing(cache: RowCache, tracks: Iterable[str], now_s: float) -> list[str]:
    found = cache.missing(cache.vocabulary.intern([*tracks]), now_s)
    return [cache.vocabulary.names[track] for track in found.tolist()]


def test_a_row_is_missing_until_put_and_again_after_its_time() -> None:
    cache = RowCache(Vocabulary(), ttl_s=0.25)
    assert missing(cache, ["a", "b"], 10.0) == ["a", "b"]
    cache.put("a", row(3, x=5, y=2), 10.0)
    cache.put("b", None, 10.0)
    assert missing(cache, ["a", "b"], 10.24) == []
    assert missing(cache, ["a", "b"], 10.25) == ["a", "b"]
    assert held(cache, "a") == (3, {"x": 5, "y": 2})
    assert held(cache, "b") == (0, {})


def test_what_came_after_and_lately_is_kept_with_the_row() -> None:
    cache = RowCache(Vocabulary())
    cache.put("a", row(3, x=60, y=30), 0.0)
    assert held_columns(cache, "a") == {"x": (30, 20.0), "y": (15, 10.0)}
    columns = (np.array([9], np.int64), np.array([4], np.int64), np.array([2.5], np.float32))
    cache.put_columns("a", RowColumns(5, ["w"], *columns), 2.0)
    assert held_columns(cache, "a") == {"w": (4, 2.5)}


def test_a_row_of_an_older_worker_says_nothing_of_after_and_lately() -> None:
    cache = RowCache(Vocabulary())
    older = {key: value for key, value in json.loads(row(3, x=60)).items() if key not in NEWER}
    cache.put("a", row(4, x=90), 0.0)
    cache.put("a", json.dumps(older).encode(), 1.0)
    assert held(cache, "a") == (3, {"x": 60})
    assert held_columns(cache, "a") == {"x": (0, 0.0)}


def test_the_row_of_an_artist_is_held_under_its_mark() -> None:
    cache = RowCache(Vocabulary())
    cache.put(f"{ARTIST_MARK}a", row(3, x=60), 0.0)
    assert missing(cache, ["a", f"{ARTIST_MARK}a"], 0.0) == ["a"]
    assert held(cache, f"{ARTIST_MARK}a") == (3, {"x": 60})


def test_the_same_bytes_again_only_renew_the_time() -> None:
    cache = RowCache(Vocabulary(), ttl_s=1.0)
    cache.put("a", row(3, x=5), 0.0)
    cache.put("a", row(3, x=5), 1.0)
    assert missing(cache, ["a"], 1.5) == []
    assert held(cache, "a") == (3, {"x": 5})


def test_a_changed_row_replaces_the_old_one() -> None:
    cache = RowCache(Vocabulary())
    cache.put("a", row(3, x=5, y=2), 0.0)
    cache.put("a", row(4, z=9), 1.0)
    assert held(cache, "a") == (4, {"z": 9})
    one, fading = np.array([1], np.int64), np.array([0.5], np.float32)
    cache.put_columns("a", RowColumns(5, ["w"], one, one, fading), 2.0)
    assert held(cache, "a") == (5, {"w": 1})
    cache.put("a", None, 3.0)
    found = held(cache, "a")
    assert found is not None and found[1] == {}


def test_the_row_that_came_longest_ago_makes_place() -> None:
    cache = RowCache(Vocabulary(), rows_max=2)
    for name in "abc":
        cache.put(name, row(1, x=1), 0.0)
    assert len(cache) == 2
    assert held(cache, "a") is None
    assert held(cache, "c") == (1, {"x": 1})
    assert missing(cache, "abc", 0.1) == ["a"]


def test_rows_survive_a_sweep_of_the_vocabulary() -> None:
    vocabulary = Vocabulary(limit=1)
    cache = RowCache(vocabulary)
    cache.put("a", row(1, x=1), 0.0)
    vocabulary.intern([f"waste{i}" for i in range(100)])
    cache.put("b", row(2, y=2), 0.0)
    assert (held(cache, "a"), held(cache, "b")) == ((1, {"x": 1}), (2, {"y": 2}))
    assert len(vocabulary) == 5


def test_damaged_bytes_are_refused() -> None:
    cache = RowCache(Vocabulary())
    with pytest.raises(ValueError):  # whatever the decoder says
        cache.put("a", b"nonsense", 0.0)
    assert len(cache) == 0


def learned(vocabulary: Vocabulary, weights: Mapping[str, int]) -> NeighbourState:
    """A state whose track `a` was played four times and has these neighbours.

    Odd weights came after it; all faded by one play.
    """
    rows, zeros = NeighbourState(vocabulary), np.zeros(len(weights), np.int32)
    one = np.array([0], np.int32)
    right = np.arange(1, len(weights) + 1, dtype=np.int32)
    amounts = np.array([*weights.values()], np.int64)
    forward = (amounts % 2).astype(np.uint8)
    rows.learn(PairsFrame(["a", *weights], one, one, one + 3, zeros, right, amounts, forward))
    rows.learn(PairsFrame(["a"], one, one, one + 1, zeros[:0], right[:0], amounts[:0], forward[:0]))
    return rows


def test_rows_of_this_process_are_copied_and_age_like_others() -> None:
    vocabulary = Vocabulary()
    rows, cache = learned(vocabulary, {"x": 7}), RowCache(vocabulary, ttl_s=1.0)
    others = cache.put_own(vocabulary.intern(["a", "b"]), rows.source, 5.0)
    assert others.tolist() == [vocabulary.find("b")]
    assert held(cache, "a") == (4, {"x": 7})
    assert held(cache, "b") is None
    assert missing(cache, "ab", 5.9) == ["b"]
    assert missing(cache, "a", 6.0) == ["a"]
    cache.put_none(vocabulary.intern(["a", "b"]))
    assert held(cache, "a") == (4, {})


def test_a_row_that_was_decoded_may_be_put_as_the_same_bytes_again() -> None:
    vocabulary = Vocabulary()
    rows, cache = learned(vocabulary, {"x": 7}), RowCache(vocabulary)
    cache.put("a", row(1, y=1), 0.0)
    cache.put_own(vocabulary.intern(["a"]), rows.source, 5.0)
    cache.put("a", row(1, y=1), 7.0)
    assert held(cache, "a") == (1, {"y": 1})


@given(st.lists(st.integers(1, 4), min_size=1, max_size=100))
def test_the_neighbours_copied_are_those_published(amounts: list[int]) -> None:
    vocabulary = Vocabulary()
    rows = learned(vocabulary, {f"n{i}": weight for i, weight in enumerate(amounts)})
    cache = RowCache(vocabulary)
    cache.put_own(vocabulary.intern(["a"]), rows.source, 0.0)
    published = rows.row("a", PUBLISHED_NEIGHBOURS)
    assert published is not None
    assert held(cache, "a") == (4, dict(zip(published.names, published.weights, strict=True)))
    parts = zip(published.forward.tolist(), published.fading.tolist(), strict=True)
    assert held_columns(cache, "a") == dict(zip(published.names, parts, strict=True))
    weights, forward = published.weights.tolist(), published.forward.tolist()
    for weight, ahead, fading in zip(weights, forward, published.fading.tolist(), strict=True):
        assert ahead == (weight if weight % 2 else 0)
        assert fading == pytest.approx(weight * 2 ** (-1 / 8), rel=1e-6)


def test_more_rows_than_there_are_places_end_with_as_many_as_fit() -> None:
    vocabulary = Vocabulary()
    rows, cache = NeighbourState(vocabulary), RowCache(vocabulary, rows_max=2)
    one = np.ones(1, np.int32)
    for name in "abc":
        nothing = np.zeros(0, np.int32)
        empty = (nothing, nothing, np.zeros(0, np.int64), np.zeros(0, np.uint8))
        rows.learn(PairsFrame([name], one - 1, one - 1, one, *empty))
    tracks = vocabulary.intern([*"abc"])
    assert cache.put_own(tracks, rows.source, 1.0).tolist() == []
    assert [held(cache, name) is None for name in "abc"] == [False, False, True]

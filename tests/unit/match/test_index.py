"""What the index answers at its edges, and when it wants to be merged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.fingerprint.prints import Print, expanded
from models.match import snapshot
from models.match.candidates import Candidates, exact
from models.match.cold import list_count, training_count
from models.match.index import MatchIndex
from models.match.learning import evidence_batches
from models.match.settings import IndexSettings
from models.match.store import StoreView

Batches = Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]
SMALL = IndexSettings(flat_max=64, chunk_rows=32)


def printed(vectors: NDArray[np.int8], peaks: int = 2) -> Print:
    frames = np.arange(peaks, dtype=np.int32)
    return Print(vectors, frames, frames.astype(np.uint8), len(vectors) / 4)


def random_print(seed: int, count: int) -> Print:
    return printed(np.random.default_rng(seed).integers(-60, 61, (count, 128)).astype(np.int8))


def filled(settings: IndexSettings, tracks: int, count: int) -> MatchIndex:
    index = MatchIndex("an encoder", settings)
    for number in range(tracks):
        index.add(f"{number:03}", random_print(number, count))
    return index


def is_due(index: MatchIndex) -> bool:
    """mypy takes a property to stay what it was."""
    return index.needs_merge


def names(index: MatchIndex, vector: NDArray[np.int8], k: int) -> list[str | None]:
    slots = index.search(expanded(vector[None]), k).references[0].tolist()
    return [index.id_of(slot) for slot in slots if slot >= 0]


def test_an_empty_index_has_no_hits() -> None:
    hits = MatchIndex("an encoder").search(np.ones((2, 128), np.float32), 3)
    assert hits.references.tolist() == hits.windows.tolist() == [[-1] * 3] * 2
    assert hits.likeness.tolist() == [[0.0] * 3] * 2


def test_no_query_has_no_answer() -> None:
    hits = filled(SMALL, 3, 10).search(np.empty((0, 128), np.float32), 3)
    assert [each.shape for each in hits] == [(0, 3)] * 3
    assert [each.dtype for each in hits] == [np.int32, np.int32, np.float32]


@pytest.mark.parametrize("merged", [False, True])
def test_many_queries_are_answered_as_each_alone(merged: bool) -> None:
    index = filled(SMALL, 10, 20)
    if merged:
        index.merge()
    queries = np.random.default_rng(1).normal(size=(150, 128)).astype(np.float32)
    queries[[0, 70, 149]] = 0
    together = index.search(queries, 4)
    alone = [index.search(query[None], 4) for query in queries]
    assert (together.references[[0, 70, 149]] == -1).all()
    assert (together.references[1] >= 0).all()
    for whole, parts in zip(together, zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize(
    ("shape", "k"), [((128,), 1), ((2, 64), 1), ((1, 128), 0), ((1, 2, 128), 1)]
)
def test_queries_of_another_shape_are_refused(shape: tuple[int, ...], k: int) -> None:
    with pytest.raises(ValueError, match="queries are"):
        MatchIndex("an encoder").search(np.ones(shape, np.float32), k)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_queries_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        MatchIndex("an encoder").search(np.full((1, 128), value, np.float32), 1)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_length_of_a_query_does_not_matter(scale: float) -> None:
    index = filled(SMALL, 3, 10)
    vector = random_print(1, 10).vectors[4].astype(np.float32) * np.float32(scale)
    hits = index.search(vector[None], 1)
    assert (index.id_of(int(hits.references[0, 0])), hits.windows[0, 0]) == ("001", 4)
    assert hits.likeness[0, 0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "vectors",
    [np.zeros((3, 64), np.int8), np.zeros((3, 128), np.float32), np.zeros(128, np.int8)],
)
def test_vectors_of_another_kind_are_refused(vectors: NDArray[np.int8]) -> None:
    index = MatchIndex("an encoder")
    with pytest.raises(ValueError, match="int8"):
        index.add("x", printed(vectors))
    assert len(index) == 0


@pytest.mark.parametrize("count", [0, 5])
def test_silence_is_held_and_never_found(count: int) -> None:
    index = MatchIndex("an encoder", SMALL)
    assert index.add("silent", printed(np.zeros((count, 128), np.int8)))
    assert (len(index), index.vector_count) == (1, count)
    assert not index.add("silent", printed(np.zeros((count, 128), np.int8)))
    assert names(index, np.ones(128, np.int8), 5) == []
    assert index.remove(["silent"]) == 1


def test_much_silence_is_no_reason_to_merge() -> None:
    index = MatchIndex("an encoder", SMALL)
    index.add("silent", printed(np.zeros((500, 128), np.int8)))
    assert not is_due(index)
    index.add("loud", random_print(1, 64))
    assert not is_due(index)
    index.add("louder", random_print(2, 1))
    assert is_due(index)
    index.merge()
    assert not is_due(index)
    assert index.sizes().cold_count == 65
    index.remove(["silent"])
    assert (index.sizes().cold_count, index.sizes().dead_count) == (65, 0)


def test_equals_come_in_the_order_of_their_ids() -> None:
    same = random_print(1, 3)
    index = MatchIndex("an encoder", SMALL)
    for number in np.random.default_rng(4).permutation(60).tolist():
        index.add(f"{number:02}", same)
    assert names(index, same.vectors[1], 5) == ["00", "01", "02", "03", "04"]


def test_equals_do_not_hide_what_is_behind_them() -> None:
    """Copies fill the candidates that are looked at; the other song is the nearest but those."""
    index = filled(IndexSettings(flat_max=64, rescored=16), 5, 40)
    wanted, copied = random_print(1, 40).vectors[7], random_print(900, 1)
    for number in range(300):
        index.add(f"copy {number}", copied)
    index.merge()
    near = copied.vectors[0].astype(np.int16) + wanted // 2
    assert "001" not in names(index, np.clip(near, -127, 127).astype(np.int8), 300)
    assert names(index, np.clip(near, -127, 127).astype(np.int8), 301)[-1] == "001"
    assert index.remove(f"copy {number}" for number in range(300)) == 300
    assert index.sizes().dead_count == 300
    assert names(index, np.clip(near, -127, 127).astype(np.int8), 1) == ["001"]


def test_unlikely_hits_are_none() -> None:
    vectors = np.zeros((2, 128), np.int8)
    vectors[0, :2], vectors[1, 0] = (10, 1), -100
    index = MatchIndex("an encoder", SMALL)
    index.add("x", printed(vectors))
    second = np.eye(128, dtype=np.float32)[1:2]
    assert index.search(second, 3).references.tolist() == [[-1, -1, -1]]
    assert index.search(10 * second + second[:, ::-1], 3).references.tolist() == [[-1, -1, -1]]
    second[0, 0] = 0.1
    assert index.search(second, 3).windows.tolist() == [[0, -1, -1]]


def test_a_slot_means_one_print() -> None:
    index = MatchIndex("an encoder", SMALL)
    index.add("x", random_print(1, 10))
    old = index.slot_of("x")
    assert old is not None
    index.add("x", random_print(2, 10))
    new = index.slot_of("x")
    assert new is not None
    assert (index.id_of(old), index.print_of(old)) == (None, None)
    assert index.id_of(new) == "x"
    index.remove(["x"])
    assert (index.slot_of("x"), index.id_of(new), index.print_of(new)) == (None, None, None)
    assert (index.id_of(99), index.id_of(-1), index.print_of(-1)) == (None, None, None)


def test_a_print_is_not_copied_and_not_to_be_written() -> None:
    index = MatchIndex("an encoder", IndexSettings())
    for number in range(3):
        index.add(f"{number}", random_print(number, 20))
    one, two = index.print_of(1), index.print_of(1)
    assert one is not None
    assert two is not None
    assert np.shares_memory(one.vectors, two.vectors)
    with pytest.raises(ValueError, match="read-only"):
        one.vectors[0] = 0


def test_what_was_given_may_change_afterwards() -> None:
    given = random_print(1, 10)
    index = MatchIndex("an encoder", SMALL)
    index.add("x", given)
    before = bytes(given)
    given.vectors[:], given.peak_frames[:], given.peak_bins[:] = 0, 0, 0
    found = index.print_of(0)
    assert found is not None
    assert bytes(found) == before


def test_what_is_removed_while_it_is_searched_is_no_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    index = filled(SMALL, 3, 10)

    def slow(view: StoreView, queries: NDArray[np.float32], found: Candidates) -> Candidates:
        compared = exact(view, queries, found)
        index.remove(["001"])
        return compared

    monkeypatch.setattr("models.match.index.exact", slow)
    hits = index.search(expanded(random_print(1, 10).vectors[4:5]), 30)
    assert set(hits.references[0].tolist()) <= {0, 2, -1}
    assert len(index) == 2


def test_what_is_removed_while_it_is_merged_is_taken_out_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = filled(IndexSettings(flat_max=64), 10, 20)

    def slow(view: StoreView, begin: int) -> Batches:
        batches = [*evidence_batches(view, begin)]
        index.remove(["003"])
        index.add("new", random_print(50, 5))
        return iter(batches)

    with monkeypatch.context() as patched:
        patched.setattr("models.match.index.evidence_batches", slow)
        index.merge()
    sizes = index.sizes()
    assert (sizes.cold_count, sizes.dead_count, sizes.hot_count) == (180, 20, 5)
    assert "003" not in names(index, random_print(3, 20).vectors[4], 30)
    assert names(index, random_print(50, 5).vectors[4], 1) == ["new"]
    index.merge()
    sizes = index.sizes()
    assert (sizes.cold_count, sizes.dead_count, sizes.hot_count) == (185, 0, 0)


def test_room_of_the_removed_is_taken_back() -> None:
    """Of eight chunks every second one is emptied, and every fourth is left with little."""
    index = filled(IndexSettings(flat_max=64, chunk_rows=40), 32, 10)
    index.merge()
    slots = {name: index.slot_of(name) for name in index}
    index.remove(f"{n:03}" for n in range(32) if n // 4 % 2 or (n // 4 % 4 == 2 and n % 4))
    before = index.sizes()
    assert is_due(index)
    index.merge()
    after = index.sizes()
    assert (before.cold_count + before.dead_count, after.cold_count) == (320, 100)
    assert (before.dead_count, after.dead_count, after.hot_count) == (220, 0, 0)
    assert after.rescoring_bytes < before.rescoring_bytes / 2
    for n in (0, 3, 8, 19, 24):
        assert names(index, random_print(n, 10).vectors[5], 1) == [f"{n:03}"]
        assert index.slot_of(f"{n:03}") == slots[f"{n:03}"], "those that were moved too"
    assert len(index) == 10


def test_coming_and_going_does_not_fill_memory() -> None:
    index = MatchIndex("an encoder", SMALL)
    for number in range(200):
        index.add("x", random_print(number, 20))
        if is_due(index):
            index.merge()
    assert index.sizes().rescoring_bytes + index.sizes().searchable_bytes < 8 * 32 * 132
    assert names(index, random_print(199, 20).vectors[3], 5)[:1] == ["x"]


def test_a_collection_that_shrinks_is_flat_again() -> None:
    index = filled(SMALL, 10, 20)
    index.merge()
    assert index.sizes().cold_count == 200
    index.remove(f"{number:03}" for number in range(7))
    index.merge()
    sizes = index.sizes()
    assert (sizes.hot_count, sizes.cold_count, sizes.dead_count) == (60, 0, 0)
    assert names(index, random_print(8, 20).vectors[3], 1) == ["008"]


def test_it_is_learned_anew_when_it_has_grown(tmp_path: Path) -> None:
    index, learned_from = MatchIndex("an encoder", IndexSettings(flat_max=64, growth_max=2)), []
    for tracks in (5, 10, 11):
        for number in range(tracks):
            index.add(f"{number:03}", random_print(number, 20))
        index.merge()
        index.save(tmp_path)
        learned_from.append(snapshot.verify(tmp_path).trained_on)
    assert learned_from == [100, 100, 220]


def test_a_tenth_removed_is_reason_to_merge() -> None:
    index = filled(IndexSettings(flat_max=64), 20, 10)
    index.merge()
    index.remove(["000", "001"])
    assert not is_due(index)
    index.remove(["002"])
    assert is_due(index)


def test_a_merge_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    index = filled(IndexSettings(flat_max=64), 10, 20)
    index.merge()
    index.remove(["000"])
    index.add("new", random_print(77, 20))

    def failing(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("models.match.cold.faiss.clone_index", failing)
        with pytest.raises(MemoryError):
            index.merge()
    assert index.sizes().dead_count == 20
    assert names(index, random_print(77, 20).vectors[3], 1) == ["new"]
    assert names(index, random_print(4, 20).vectors[3], 1) == ["004"]
    index.merge()
    assert (index.sizes().dead_count, index.sizes().hot_count) == (0, 0)


def test_sizes_say_what_is_searched() -> None:
    index = filled(SMALL, 10, 20)
    flat = index.sizes()
    assert (flat.references, flat.hot_count, flat.searchable_bytes) == (10, 200, 200 * 132)
    assert flat.searchable_bytes + flat.rescoring_bytes == 7 * 32 * 132
    assert flat.peak_bytes == 10 * 2 * 5
    index.merge()
    sizes = index.sizes()
    assert (sizes.hot_count, sizes.cold_count) == (0, 200)
    assert sizes.rescoring_bytes == 7 * 32 * 132


def test_it_learns_from_a_part_of_a_large_collection() -> None:
    assert [list_count(count, SMALL) for count in (100, 5_000, 1_000_000)] == [10, 71, 1_000]
    assert [training_count(count, SMALL) for count in (100, 5_000, 1_000_000)] == [
        *(100, 2_840, 40_000)
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("flat_max", 63), ("likeness_min", 0.0), ("probes", 0), ("growth_max", float("nan"))],
)
def test_a_setting_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        IndexSettings(**{name: value})  # type: ignore[arg-type] # that is the point

"""Rows of the store, and what those who look already see of changes."""

from __future__ import annotations

import numpy as np
import pytest

from models.match.store import StoreView, VectorStore, scales_of

CHUNK = 8


def rows(count: int, first: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
    return np.repeat(np.arange(1 + first, 1 + first + count, dtype=np.int8)[:, None], 128, axis=1)


def filled(*counts: int) -> VectorStore:
    store = VectorStore(CHUNK)
    for count in counts:
        vectors = rows(count, store.end)
        store.append(vectors, scales_of(vectors))
    return store


def numbers(view: StoreView, begin: int, size: int = 100) -> list[int]:
    """Rows that are evidence, by what was put into them."""
    blocks = [block for _, block in view.blocks(begin, size)]
    return [int(v[0]) - 1 for b in blocks for v in b.vectors[b.scales > 0]]


@pytest.mark.parametrize("size", [1, 3, 8, 100])
@pytest.mark.parametrize("begin", [0, 5, 8, 19, 20])
def test_blocks_are_all_rows_from_one_on(begin: int, size: int) -> None:
    view = filled(3, 0, 14, 3).view
    assert numbers(view, begin, size) == [*range(begin, 20)]
    firsts = [(first, int(b.vectors[0, 0]) - 1) for first, b in view.blocks(begin, size)]
    assert all(first == said for first, said in firsts)
    assert max((len(b.scales) for _, b in view.blocks(begin, size)), default=0) <= min(size, CHUNK)


def test_consecutive_rows_come_back_across_chunks() -> None:
    view = filled(20).view
    for first, count in ((0, 20), (3, 4), (7, 2), (8, 8), (19, 1), (5, 0)):
        np.testing.assert_array_equal(view.vectors(first, count), rows(count, first))


def test_a_view_stays_while_others_are_appended() -> None:
    store = filled(5)
    view = store.view
    store.append(rows(9, 5), scales_of(rows(9, 5)))
    assert numbers(view, 0) == [*range(5)]
    assert numbers(store.view, 0) == [*range(14)]


def test_what_is_released_is_evidence_for_nobody() -> None:
    store = filled(10)
    view = store.view
    store.release(6, 3)
    assert numbers(view, 0) == numbers(store.view, 0) == [*range(6), 9]
    assert view.taken(np.array([6, 9])).scales.tolist()[0] == 0
    assert store.held_count == 7


def test_what_is_abandoned_is_still_evidence_for_those_who_look_already() -> None:
    store = filled(10)
    view = store.view
    store.abandon(6, 3)
    assert numbers(view, 0) == [*range(10)]
    assert numbers(store.view, 0) == [*range(6), 9]


def test_a_settled_view_does_not_see_what_is_released() -> None:
    store = filled(10)
    view = store.view.settled()
    store.release(0, 10)
    assert numbers(view, 0) == [*range(10)]


def test_chunks_that_nobody_holds_are_dropped() -> None:
    store = filled(CHUNK, CHUNK, 3)
    view, before = store.view, store.memory_bytes
    store.release(0, CHUNK)
    store.release(2 * CHUNK, 3)
    assert store.sparse_chunks() == [0], "the last one is being filled"
    assert store.wasted_count == CHUNK
    store.drop_empty()
    assert store.memory_bytes == before * 2 // 3
    assert (store.sparse_chunks(), store.wasted_count) == ([], 0)
    assert numbers(store.view, 0) == [*range(CHUNK, 2 * CHUNK)]
    assert store.view.taken(np.array([0, 9])).scales.astype(bool).tolist() == [False, True]
    assert view.vectors(0, 2)[1, 0] == 2, "who looks already keeps it"


def test_unit_vectors_come_of_scales() -> None:
    vectors = np.random.default_rng(1).integers(-127, 128, (50, 128)).astype(np.int8)
    vectors[7] = 0
    scales = scales_of(vectors)
    lengths = np.linalg.norm(vectors * scales[:, None], axis=1)
    np.testing.assert_allclose(np.delete(lengths, 7), 1, atol=1e-6)
    assert scales[7] == 0
    assert scales.dtype == np.float32

"""The index against a dumb one that compares everything, on what Hypothesis draws."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.fingerprint.prints import Print
from models.match import snapshot
from models.match.files import IndexRefused
from models.match.index import MatchIndex
from models.match.settings import IndexSettings

# All lists are probed and all candidates compared, so the compressed part is exact too.
THOROUGH = IndexSettings(flat_max=64, probes=1_000, rescored=100_000, chunk_rows=16)
ENCODER = "an encoder"
IDS = ("ann", "bob", "cid", "dör", "")
Step = tuple[str, str, list[int], int]
Answer = list[list[tuple[str, int, float]]]


def sounds() -> NDArray[np.int8]:
    """A few vectors, some alike, some the same but for length, one of silence."""
    rng = np.random.default_rng(5)
    found = rng.integers(-60, 61, (8, 128)).astype(np.int8)
    found[1] = found[0] // 2 * 2 + 1
    found[2] = 2 * (found[0] // 2)
    found[3] = found[0] // 2
    found[7] = 0
    return found


SOUNDS = sounds()


def printed(numbers: list[int], peaks: int = 0) -> Print:
    frames = np.arange(peaks, dtype=np.int32)
    vectors = SOUNDS[np.array(numbers, np.int64)].reshape(-1, 128)
    return Print(vectors, frames, frames.astype(np.uint8), len(numbers) / 4)


def random_print(rng: np.random.Generator, count: int) -> Print:
    vectors = rng.integers(-60, 61, (count, 128)).astype(np.int8)
    return Print(vectors, np.arange(3, dtype=np.int32), np.zeros(3, np.uint8), count / 4)


def dumb(held: dict[str, Print], queries: NDArray[np.float32], k: int) -> Answer:
    """All cosines, sorted."""
    answer: Answer = []
    for query in queries.astype(np.float64):
        hits = []
        for name, each in held.items():
            for window, vector in enumerate(each.vectors.astype(np.float64)):
                length = np.sqrt((vector @ vector) * (query @ query))
                likeness = float(np.float32(vector @ query / length)) if length else 0.0
                if likeness >= THOROUGH.likeness_min:
                    hits.append((-likeness, name, window))
        answer.append([(name, window, -less) for less, name, window in sorted(hits)[:k]])
    return answer


def asked(index: MatchIndex, queries: NDArray[np.float32], k: int) -> Answer:
    hits = index.search(queries, k)
    assert hits.references.shape == hits.windows.shape == hits.likeness.shape == (len(queries), k)
    answer: Answer = []
    for slots, windows, likeness in zip(*(each.tolist() for each in hits), strict=True):
        count = sum(slot >= 0 for slot in slots)
        assert slots[count:] == windows[count:] == [-1] * (k - count), "empty places are at the end"
        names = [name for slot in slots[:count] if (name := index.id_of(slot)) is not None]
        answer.append(list(zip(names, windows[:count], likeness[:count], strict=True)))
    return answer


numbers = st.one_of(
    st.lists(st.integers(0, 7), max_size=6),
    st.builds(
        lambda part, times: part * times, st.lists(st.integers(0, 7), max_size=8), st.just(9)
    ),
)
adds: st.SearchStrategy[Step] = st.tuples(
    st.just("add"), st.sampled_from(IDS), numbers, st.integers(0, 2)
)
removals: st.SearchStrategy[Step] = st.tuples(
    st.just("remove"), st.sampled_from(IDS), st.just([]), st.just(0)
)
upkeeps: st.SearchStrategy[Step] = st.tuples(
    st.sampled_from(["merge", "reload"]), st.just(""), st.just([]), st.just(0)
)
logs = st.lists(st.one_of(adds, adds, removals, upkeeps), min_size=1, max_size=14)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(log=logs, k=st.integers(1, 30), probe=st.lists(st.integers(0, 7), max_size=3))
@example(
    log=[
        ("add", "ann", [0, 1, 2, 4, 5, 6] * 12, 1),
        ("add", "bob", [0, 1, 2] * 9, 1),
        ("merge", "", [], 0),
        ("remove", "ann", [], 0),
        ("add", "ann", [0, 1, 2, 4, 5, 6] * 12, 1),
        ("reload", "", [], 0),
        ("merge", "", [], 0),
    ],
    k=30,
    probe=[0, 3],
)
def test_it_answers_as_a_dumb_one(log: list[Step], k: int, probe: list[int]) -> None:
    index, held = MatchIndex(ENCODER, THOROUGH), dict[str, Print]()
    queries = SOUNDS[np.array([0, *probe], np.int64)].astype(np.float32)
    with TemporaryDirectory() as folder:
        for what, name, of, peaks in log:
            if what == "add":
                new, known = printed(of, peaks), held.get(name)
                same = known is not None and bytes(known) == bytes(new)
                assert index.add(name, new) is not same
                held[name] = new
            elif what == "remove":
                assert index.remove([name, "never held"]) == (held.pop(name, None) is not None)
            elif what == "merge":
                index.merge()
                assert not index.needs_merge
                assert index.sizes().dead_count == 0
            else:
                index.save(Path(folder), {"offset": str(len(held))})
                index = MatchIndex.load(Path(folder), ENCODER, THOROUGH)
                assert index.note == {"offset": str(len(held))}
            assert asked(index, queries, k) == dumb(held, queries, k)
            assert_holds(index, held)


def assert_holds(index: MatchIndex, held: dict[str, Print]) -> None:
    assert (len(index), set(index)) == (len(held), set(held))
    assert index.vector_count == sum(len(each.vectors) for each in held.values())
    for name, expected in held.items():
        slot = index.slot_of(name)
        assert slot is not None
        found = index.print_of(slot)
        assert found is not None
        assert bytes(found) == bytes(expected)
        assert name in index
    sizes, heard = index.sizes(), sum(int(e.vectors.any(axis=1).sum()) for e in held.values())
    assert sizes.hot_count + sizes.cold_count >= heard - sizes.dead_count


@pytest.mark.parametrize("seed", range(3))
def test_order_of_adds_does_not_matter(seed: int) -> None:
    """Even where the compressed part sees little of it: one list in four, few candidates."""
    rng = np.random.default_rng(seed)
    prints = {f"{number}": random_print(rng, int(rng.integers(1, 40))) for number in range(30)}
    prints |= {f"copy {number}": prints[f"{number}"] for number in range(10)}
    queries = rng.normal(size=(20, 128)).astype(np.float32)
    queries[:10] = [prints[f"{number}"].vectors[0] for number in range(10)]
    limits = IndexSettings(flat_max=64, probes=6, rescored=24, chunk_rows=64)
    answers = []
    for _ in range(3):
        index = MatchIndex(ENCODER, limits)
        for name in rng.permutation(list(prints)).tolist():
            index.add(name, prints[name])
        index.merge()
        assert index.sizes().hot_count == 0
        answers.append(asked(index, queries, 12))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0] != dumb(prints, queries, 12), "or it would be no test of what is compressed"


def test_nothing_is_lost_while_it_is_merged() -> None:
    """One thread merges and saves without end, one asks, and this one adds and removes."""
    rng = np.random.default_rng(8)
    index, held = MatchIndex(ENCODER, THOROUGH), dict[str, Print]()
    for number in range(5):
        held[f"stays {number}"] = random_print(rng, 25)
        index.add(f"stays {number}", held[f"stays {number}"])
    stays = np.stack([each.vectors[3] for each in held.values()]).astype(np.float32)
    expected = [[(name, 3, 1.0)] for name in held]
    done, rounds = threading.Event(), [0, 0]

    def repeated(number: int, folder: Path) -> None:
        while not done.is_set() or rounds[number] < 3:
            if number == 0:
                index.merge()
                index.save(folder)
                MatchIndex.load(folder, ENCODER)
            else:
                assert asked(index, stays, 1) == expected
            rounds[number] += 1

    with TemporaryDirectory() as folder, ThreadPoolExecutor(2) as threads:
        started = [threads.submit(repeated, number, Path(folder)) for number in range(2)]
        try:
            for number in range(150):
                name = f"comes and goes {rng.integers(40)}"
                if held.pop(name, None) is None:
                    held[name] = random_print(rng, int(rng.integers(0, 30)))
                    assert index.add(name, held[name])
                else:
                    assert index.remove([name]) == 1
                gone = index.search(stays, 200)
                names = {
                    index.id_of(slot) for slot in gone.references.ravel().tolist() if slot >= 0
                }
                assert names <= set(held), f"what was removed is found after change {number}"
        finally:
            done.set()
        for each in started:
            each.result(30)
    assert min(rounds) >= 3
    index.merge()
    queries = rng.normal(size=(10, 128)).astype(np.float32)
    assert asked(index, queries, 50) == dumb(held, queries, 50)
    assert_holds(index, held)
    assert index.sizes().cold_count == sum(len(each.vectors) for each in held.values())


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    index = MatchIndex(ENCODER, THOROUGH)
    for number in range(5):
        index.add(f"{number}", random_print(np.random.default_rng(number), 20))
    index.merge()
    index.add("hot", printed([1, 2, 3], 4))
    folder = tmp_path_factory.mktemp("snapshot")
    index.save(folder)
    assert {path.name.split("-")[0] for path in folder.iterdir()} == {
        *("manifest.json", "vectors", "table", "peaks", "cold")
    }
    yield folder
    assert snapshot.verify(folder).reference_count == 6, "each damage was undone"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_damage_is_refused(snapshots: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(snapshots.iterdir())))
    whole = path.read_bytes()
    damage = data.draw(st.sampled_from(["bit", "truncated", "longer", "missing"]))
    damaged = bytearray(whole)
    if damage == "bit":
        damaged[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    elif damage == "truncated":
        del damaged[data.draw(st.integers(0, len(whole) - 1)) :]
    elif damage == "longer":
        damaged += b"\n"
    path.unlink()  # not written over: the loaded ones look at the file
    if damage != "missing":
        path.write_bytes(damaged)
    try:
        with pytest.raises(IndexRefused):
            MatchIndex.load(snapshots, ENCODER)
        with pytest.raises(IndexRefused):
            snapshot.verify(snapshots)
    finally:
        path.write_bytes(whole)

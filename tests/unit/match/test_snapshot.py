"""Snapshots replace one another whole, and are refused where they do not fit."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.fingerprint.prints import Print, expanded
from models.match import files, snapshot
from models.match.files import IndexRefused
from models.match.index import MatchIndex
from models.match.settings import IndexSettings

SMALL = IndexSettings(flat_max=64, chunk_rows=32)


def random_print(seed: int, count: int = 20) -> Print:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-60, 61, (count, 128)).astype(np.int8)
    return Print(
        vectors,
        np.sort(rng.integers(0, 900, 7)).astype(np.int32),
        rng.integers(0, 118, 7).astype(np.uint8),
        count / 4,
    )


def filled(tracks: int) -> MatchIndex:
    index = MatchIndex("an encoder", SMALL)
    for number in range(tracks):
        index.add(f"{number}", random_print(number))
    return index


def files_of(path: Path) -> dict[str, int]:
    """Names and what tells whether a file was written again."""
    return {each.name: each.stat().st_ino for each in path.iterdir()}


def loaded(path: Path) -> MatchIndex:
    return MatchIndex.load(path, "an encoder", SMALL)


def test_all_comes_back(tmp_path: Path) -> None:
    index = filled(9)
    index.merge()
    index.add("hot", random_print(50))
    index.remove(["3"])
    index.save(tmp_path / "new" / "folder", {"references-0": "1234", "ö": "é\n"})
    again = loaded(tmp_path / "new" / "folder")
    assert again.note == {"references-0": "1234", "ö": "é\n"}
    assert list(again) == ["0", "1", "2", "4", "5", "6", "7", "8", "hot"]
    assert again.sizes() == index.sizes()
    queries = np.random.default_rng(1).normal(size=(30, 128)).astype(np.float32)
    assert again.search(queries, 9).likeness.tolist() == index.search(queries, 9).likeness.tolist()
    for name in index:
        slots = (index.slot_of(name) or 0, again.slot_of(name) or 0)
        prints = (index.print_of(slots[0]), again.print_of(slots[1]))
        assert bytes(prints[0] or b"") == bytes(prints[1] or b"?")


def test_an_empty_index_comes_back(tmp_path: Path) -> None:
    MatchIndex("an encoder", SMALL).save(tmp_path)
    again = loaded(tmp_path)
    assert (len(again), again.vector_count, again.note) == (0, 0, {})
    assert again.add("x", random_print(1))


def test_a_loaded_index_goes_on(tmp_path: Path) -> None:
    """It can be added to, removed from, merged and saved over the files it looks at."""
    filled(9).save(tmp_path)
    index = loaded(tmp_path)
    assert not index.add("4", random_print(4))
    assert index.add("4", random_print(44))
    index.remove(["0"])
    index.merge()
    index.save(tmp_path)
    again = loaded(tmp_path)
    assert set(again) == {str(number) for number in range(1, 9)}
    for name, seed in (("1", 1), ("4", 44), ("8", 8)):
        hits = again.search(expanded(random_print(seed).vectors[3:4]), 1)
        assert (again.id_of(int(hits.references[0, 0])), hits.windows[0, 0]) == (name, 3)


def test_an_empty_print_lies_where_another_was_moved_to(tmp_path: Path) -> None:
    """It has no rows, so it takes no room from the one whose rows begin there too."""
    index = filled(6)
    index.add("empty", random_print(9, 0))
    index.remove(["0", "2"])  # the first chunk is left with 12 of 32 rows, which move to the end
    index.merge()
    index.save(tmp_path)
    again = loaded(tmp_path)
    assert set(again) == {"1", "3", "4", "5", "empty"}
    hits = again.search(expanded(random_print(1).vectors[3:4]), 1)
    assert again.id_of(int(hits.references[0, 0])) == "1"


def test_a_second_folder_is_not_taken_for_the_first(tmp_path: Path) -> None:
    """Another index is saved there, whose chunk of that number is another."""
    ours, theirs = filled(9), MatchIndex("an encoder", SMALL)
    theirs.add("other", random_print(99, 70))
    theirs.save(tmp_path / "two")
    ours.save(tmp_path / "one")
    ours.save(tmp_path / "two")
    assert set(loaded(tmp_path / "two")) == set(ours)


def test_what_was_removed_is_not_in_the_files(tmp_path: Path) -> None:
    index = filled(3)
    gone = random_print(1)
    index.remove(["1"])
    index.save(tmp_path)
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert random_print(0).vectors[3].tobytes() in everything
    assert gone.vectors[3].tobytes() not in everything
    assert gone.peak_frames.tobytes() not in everything


def test_what_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    index = filled(9)
    index.merge()
    index.save(tmp_path)
    before = files_of(tmp_path)
    index.add("9", random_print(9))
    index.save(tmp_path)
    after = files_of(tmp_path)
    kinds = {name.split("-")[0] for name, at in after.items() if before.get(name) == at}
    assert kinds == {"vectors", "cold"}
    same = [name for name in after if name.startswith("vectors") and name in before]
    assert len(same) == 5, "180 rows fill five chunks of 32"
    index.remove(["0"])
    index.save(tmp_path)
    assert len([name for name in files_of(tmp_path) if name in same]) == 4
    assert len(loaded(tmp_path)) == 9


def test_another_folder_gets_all_files(tmp_path: Path) -> None:
    index = filled(9)
    index.merge()
    index.save(tmp_path / "one")
    index.save(tmp_path / "two")
    assert set(files_of(tmp_path / "one")) == set(files_of(tmp_path / "two"))
    assert len(loaded(tmp_path / "two")) == 9


def test_the_old_one_stays_until_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save that dies at any of its steps to disk leaves a snapshot that loads."""
    index = filled(5)
    index.save(tmp_path, {"at": "old"})
    syncs, dies_at = 0, 0
    really = os.fsync

    def dying(handle: int) -> None:
        nonlocal syncs
        syncs += 1
        if syncs == dies_at:
            raise OSError("the disk is gone")
        really(handle)

    monkeypatch.setattr(os, "fsync", dying)
    index.add("another", random_print(70))
    notes = []
    for dies_at in range(1, 9):
        syncs = 0
        try:
            index.save(tmp_path, {"at": f"{dies_at}"})
        except OSError:
            again = loaded(tmp_path)
            notes.append(again.note["at"])
            assert len(again) == 5 + (notes[-1] != "old")
        else:
            break
    assert (notes[:-1], notes[-1]) == (["old"] * (len(notes) - 1), f"{len(notes)}")
    assert len(notes) >= 5
    assert not list(tmp_path.glob("*.partial")), "remains of those that died are removed"


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    for name in ("notes.txt", "vectors-of-mine.bin"):
        (tmp_path / name).write_text("mine")
    filled(2).save(tmp_path)
    assert {"notes.txt", "vectors-of-mine.bin"} <= set(files_of(tmp_path))


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    filled(2).save(tmp_path)
    with pytest.raises(IndexRefused, match="encoder an encoder, not of other"):
        MatchIndex.load(tmp_path, "other")
    assert snapshot.verify(tmp_path).configuration == "an encoder"
    with pytest.raises(IndexRefused, match="make the prints again"):
        snapshot.verify(tmp_path, "other")


def test_another_format_is_refused_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b'{"format": 2, "anything": []}')
    with pytest.raises(IndexRefused, match=r"is of format 2; this version reads 1"):
        loaded(tmp_path)


@pytest.mark.parametrize("exists", [True, False])
def test_no_snapshot_is_said_to_be_none(tmp_path: Path, exists: bool) -> None:
    with pytest.raises(IndexRefused, match="holds no snapshot"):
        loaded(tmp_path if exists else tmp_path / "nowhere")


def test_the_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    filled(2).save(tmp_path)
    table = next(tmp_path.glob("table-*"))
    table.write_bytes(table.read_bytes()[:-1] + b"\xff")
    with pytest.raises(IndexRefused, match=f"{table.name} is damaged.*another copy"):
        loaded(tmp_path)
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(IndexRefused, match=rf"{table.name} has \d+ bytes instead of \d+: take"):
        loaded(tmp_path)
    table.unlink()
    with pytest.raises(IndexRefused, match=f"{table.name} cannot be read"):
        loaded(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        *({"vector_count": 41}, {"reference_count": 3}, {"end": 39}, {"end": 70}),
        *({"chunk_rows": 40}, {"chunks": [None, None]}),
    ],
)
def test_a_manifest_that_contradicts_its_files_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    """Its checksum fits: whoever wrote it did not know what it did."""
    filled(2).save(tmp_path)
    manifest = snapshot.verify(tmp_path)
    wrong = msgspec.structs.replace(manifest, **change)
    files.publish(tmp_path, wrong)
    with pytest.raises(IndexRefused):
        loaded(tmp_path)


def test_verify_says_what_is_held(tmp_path: Path) -> None:
    index = filled(6)
    index.merge()
    index.save(tmp_path, {"offset": "5"})
    found = snapshot.verify(tmp_path)
    assert (found.reference_count, found.vector_count, found.note) == (6, 120, {"offset": "5"})
    assert {each.name for each in found.records} | {"manifest.json"} == set(files_of(tmp_path))


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    filled(2).save(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"an encoder", b"\xb3n encoder"))
    with pytest.raises(IndexRefused, match=r"manifest\.json is damaged"):
        loaded(tmp_path)

"""`segue index`: what is built, brought up to date, merged, and refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from models.fingerprint.engine import Engine
from models.match.index import MatchIndex
from segue.cli import segue
from segue.cli.indexing import sources_of
from segue.errors import Misconfigured, SegueError
from segue.testing.recorded import recorded, song


def index(*arguments: object) -> Result:
    return CliRunner().invoke(segue, ["index", *map(str, arguments)], catch_exceptions=False)


def build(*arguments: object) -> Result:
    return index("build", *arguments, "--workers", 1)


def loaded(path: Path) -> MatchIndex:
    return MatchIndex.load(path, Engine().identity)


def info(path: Path) -> dict[str, Any]:
    return dict(json.loads(index("info", path, "--json").stdout))


def test_references_are_named_by_their_paths(built: Path, library: Path) -> None:
    held = loaded(built)
    assert sorted(held) == ["a/one", "a/zero", "b/three", "b/two", "four"]
    assert sources_of(held.note)["b/two"].file == str(library / "b" / "two.opus")


def test_info_tells_what_it_holds_and_takes(built: Path) -> None:
    found = info(built)
    assert found["references"] == 5
    assert found["hours"] == pytest.approx(5 * 24 / 3600, rel=0.01)
    assert found["vectors"] == found["hot_vectors"] == len(loaded(built)) * 93
    assert (found["cold_vectors"], found["dead_vectors"], found["format"]) == (0, 0, 1)
    assert found["searchable_bytes"] == found["vectors"] * 132
    assert found["searchable_bytes_per_hour"] == pytest.approx(
        found["searchable_bytes"] / found["hours"], rel=0.001
    )
    assert found["disk_bytes"] == sum(file.stat().st_size for file in built.iterdir())
    assert found["encoder"] == Engine().identity
    assert "searchable bytes per hour" in index("info", built).stdout


def test_an_update_reads_only_what_changed(tmp_path: Path) -> None:
    folder, into = tmp_path / "library", tmp_path / "index"
    for number, name in enumerate(("same", "touched", "changed", "gone")):
        recorded(folder / f"{name}.wav", song(number, 0.0, 6.0))
    assert build(folder, "--into", into).exit_code == 0
    before = loaded(into)
    os.utime(folder / "touched.wav", (1, 1))
    recorded(folder / "changed.wav", song(7, 0.0, 9.0))
    recorded(folder / "new.wav", song(8, 0.0, 6.0))
    (folder / "gone.wav").unlink()
    result = build(folder, "--into", into, "--update")
    assert result.exit_code == 0, result.output
    assert "5 references (1 added, 1 replaced, 2 unchanged)" in result.stdout
    after = loaded(into)
    assert sorted(after) == ["changed", "gone", "new", "same", "touched"]
    assert sources_of(after.note)["touched"].modified_ns == 1_000_000_000
    for name, is_same in {"same": True, "touched": True, "gone": True, "changed": False}.items():
        assert (print_of(after, name) == print_of(before, name)) is is_same
    missing = build(folder, "--into", into, "--update", "--remove-missing")
    assert "4 references (4 unchanged, 1 removed)" in missing.stdout
    assert "gone" not in loaded(into)


def print_of(held: MatchIndex, name: str) -> bytes:
    slot = held.slot_of(name)
    assert slot is not None
    return bytes(held.print_of(slot) or b"")


def test_a_file_that_broke_since_keeps_its_reference(tmp_path: Path) -> None:
    path, into = recorded(tmp_path / "song.wav", song(1, 0.0, 6.0)), tmp_path / "index"
    build(path, "--into", into)
    before = loaded(into)
    path.write_bytes(b"no sound any more")
    result = build(path, "--into", into, "--update")
    assert result.exit_code == 1
    assert print_of(loaded(into), "song") == print_of(before, "song")
    assert sources_of(loaded(into).note) == sources_of(before.note)


def test_what_cannot_be_a_reference_is_told_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    recorded(folder / "good.mp3", song(1, 0.0, 6.0))
    recorded(folder / "good.wav", song(2, 0.0, 6.0))
    recorded(folder / "short.wav", song(2, 0.0, 0.5))
    recorded(folder / "silent.wav", song(2, 0.0, 6.0) * 0)
    (folder / "bad.flac").write_bytes(b"this is no sound" * 99)
    result = build(folder, "--into", tmp_path / "index")
    assert result.exit_code == 1
    assert [*loaded(tmp_path / "index")] == ["good"]
    told = dict(line.split(": ", 1) for line in result.stderr.splitlines() if ": " in line)
    assert {Path(name).name: reason for name, reason in told.items()} == {
        "good.wav": f"its name 'good' is already that of {folder / 'good.mp3'}",
        "short.wav": "shorter than a second: nothing in it could be recognised",
        "silent.wav": "silent: nothing in it could be recognised",
        "bad.flac": "unreadable: not one sample of it could be decoded",
    }


def test_without_any_reference_no_index_is_written(tmp_path: Path) -> None:
    (tmp_path / "bad.flac").write_bytes(b"no sound")
    with pytest.raises(SegueError, match="no reference could be made"):
        build(tmp_path / "bad.flac", "--into", tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_an_index_is_not_written_over_something_else(built: Path, library: Path) -> None:
    with pytest.raises(Misconfigured, match="holds an index already") as caught:
        build(library, "--into", built)
    assert "--update" in caught.value.remedy
    with pytest.raises(Misconfigured, match="holds other files"):
        build(library, "--into", library)


def test_references_that_are_the_same_are_told(tmp_path: Path) -> None:
    folder, into = tmp_path / "library", tmp_path / "index"
    recorded(folder / "part.opus", song(1, 6.1, 16.1))
    recorded(folder / "whole.wav", song(1))
    recorded(folder / "zother.wav", song(2))
    result = build(folder, "--into", into)
    assert result.exit_code == 0
    [line] = [line for line in result.stdout.splitlines() if "⊇" in line]
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["whole", "⊇ part", "100%"]
    again = build(folder, "--into", tmp_path / "again", "--no-duplicates")
    assert "⊇" not in again.stdout


def test_two_indexes_become_one(built: Path, tmp_path: Path) -> None:
    recorded(tmp_path / "a" / "zero.wav", song(9, 0.0, 6.0))
    recorded(tmp_path / "a" / "nine.wav", song(9, 6.0, 12.0))
    other, into = tmp_path / "other", tmp_path / "both"
    build(tmp_path / "a", "--into", other)
    result = index("merge", built, other, "--into", into)
    assert result.exit_code == 0, result.output
    held = loaded(into)
    assert sorted(held) == ["a/one", "a/zero", "b/three", "b/two", "four", "nine", "zero"]
    assert print_of(held, "b/two") == print_of(loaded(built), "b/two")
    assert print_of(held, "nine") == print_of(loaded(other), "nine")
    assert [*sources_of(held.note)] == sorted(held)
    same = index("merge", built, built, into, "--into", tmp_path / "same")
    assert same.exit_code == 0
    assert sorted(loaded(tmp_path / "same")) == sorted(held)


def test_one_name_for_two_prints_needs_a_choice(tmp_path: Path) -> None:
    for number, name in enumerate(("mine", "yours")):
        recorded(tmp_path / name / "song.wav", song(number, 0.0, 5.0))
        build(tmp_path / name, "--into", tmp_path / "indexes" / name)
    mine, yours = tmp_path / "indexes" / "mine", tmp_path / "indexes" / "yours"
    with pytest.raises(SegueError, match=r"1 references have the same name.*: song") as caught:
        index("merge", mine, yours, "--into", tmp_path / "both")
    assert "--prefix" in caught.value.remedy
    assert not (tmp_path / "both").exists()
    index("merge", mine, yours, "--into", tmp_path / "both", "--prefix")
    assert sorted(loaded(tmp_path / "both")) == ["mine/song", "yours/song"]
    index("merge", yours, mine, "--into", tmp_path / "first", "--prefer-first")
    assert print_of(loaded(tmp_path / "first"), "song") == print_of(loaded(yours), "song")


def test_a_whole_index_is_verified(built: Path) -> None:
    result = index("verify", built)
    assert result.exit_code == 0
    assert "is whole: 5 references, 465 vectors, of this version's encoder" in result.stdout


@pytest.mark.parametrize("kind", ["vectors", "table", "peaks"])
def test_a_damaged_index_is_refused_everywhere(
    built: Path, library: Path, tmp_path: Path, kind: str
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in built.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    [file] = broken.glob(f"{kind}-*")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    for command in (["verify", broken], ["info", broken]):
        with pytest.raises(SegueError, match=f"{kind}-.* is damaged.*build the index again"):
            index(*command)
    with pytest.raises(Misconfigured, match="is damaged") as caught:
        CliRunner().invoke(
            segue,
            ["check", str(library / "four.wav"), "--references", str(broken)],
            catch_exceptions=False,
        )
    assert caught.value.exit_code == 2


def test_an_index_of_another_encoder_is_told_apart(tmp_path: Path, library: Path) -> None:
    MatchIndex("another").save(tmp_path / "index")
    with pytest.raises(SegueError, match="made by encoder another") as caught:
        index("verify", tmp_path / "index")
    assert "segue index build" in caught.value.remedy
    with pytest.raises(Misconfigured, match="of encoder another"):
        build(library, "--into", tmp_path / "index", "--update")


def test_a_folder_that_is_no_index_is_told(tmp_path: Path) -> None:
    with pytest.raises(SegueError, match="holds no snapshot of an index"):
        index("verify", tmp_path)

"""`segue check`: what is found in files, how it is told, and what goes wrong without stopping."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from segue.cli import segue
from segue.errors import Misconfigured
from segue.testing.recorded import faster, recorded, song

FIELDS = [
    *("reference", "probability", "query_start_s", "query_end_s"),
    *("reference_start_s", "reference_end_s", "speed", "pitch_semitones", "tempo", "repeats"),
]


def check(*arguments: object, given: str | bytes | None = None, workers: int = 1) -> Result:
    named = ["check", *map(str, arguments), "--workers", str(workers)]
    return CliRunner().invoke(segue, named, input=given, catch_exceptions=False)


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_part_in_another_format_is_told_as_one_line(built: Path, tmp_path: Path) -> None:
    upload = recorded(tmp_path / "upload.opus", song(1, 7.0, 17.0))
    result = check(upload, "--references", built, "--json")
    assert result.exit_code == 0, result.output
    [row] = rows(result)
    assert [*row] == ["file", "matches"]
    assert row["file"] == str(upload)
    [match] = row["matches"]
    assert [*match] == FIELDS
    assert match["reference"] == "a/one"
    assert 0.9 <= match["probability"] <= 1
    spans = [match[name] for name in FIELDS[2:6]]
    assert spans == pytest.approx([0.0, 10.0, 7.0, 17.0], abs=0.4)
    changed = [match[name] for name in FIELDS[6:9]]
    assert changed == pytest.approx([1.0, 0.0, 1.0], abs=0.01)


def test_a_folder_of_files_will_do_for_references(library: Path, tmp_path: Path) -> None:
    upload = recorded(tmp_path / "upload.mp3", faster(song(3, 2.0, 22.0), 1.25))
    keep = tmp_path / "kept"
    found = check(upload, "--references", library, "--json", "--save-index", keep)
    assert found.exit_code == 0, found.output
    [match] = rows(found)[0]["matches"]
    assert match["reference"] == "b/three"
    assert (match["speed"], match["tempo"]) == pytest.approx((1.25, 1.0), abs=0.01)
    assert match["pitch_semitones"] == 0
    again = check(upload, "--references", keep, "--json")
    assert again.stdout == found.stdout
    with pytest.raises(Misconfigured, match="holds an index already"):
        check(upload, "--references", library, "--save-index", keep)


def test_songs_in_a_row_are_each_told_in_order(built: Path, tmp_path: Path) -> None:
    upload = recorded(tmp_path / "set.flac", np.concatenate((song(0, 3, 13), song(4, 9, 21))))
    [row] = rows(check(upload, "--references", built, "--json"))
    assert [match["reference"] for match in row["matches"]] == ["a/zero", "four"]
    spans = [[match[name] for name in FIELDS[2:6]] for match in row["matches"]]
    assert spans[0] == pytest.approx([0.0, 10.0, 3.0, 13.0], abs=0.8)
    assert spans[1] == pytest.approx([10.0, 22.0, 9.0, 21.0], abs=0.8)


def test_tables_are_for_people(built: Path, tmp_path: Path) -> None:
    upload = recorded(tmp_path / "fast [1].wav", faster(song(1, 0.0, 20.0), 1.25))
    foreign = recorded(tmp_path / "foreign.wav", song(50, 0.0, 3.0))
    result = check(upload, foreign, "--references", built)
    assert result.exit_code == 0, result.output
    assert f"{upload}:\n" in result.stdout
    assert "a/one" in result.stdout and "speed × 1.25" in result.stdout
    assert f"{foreign}: nothing found" in result.stdout


def test_least_probability_decides_what_is_told(built: Path, tmp_path: Path) -> None:
    """Of a song that no reference holds, the likeliest guess, if guesses are asked for."""
    upload = recorded(tmp_path / "foreign.wav", song(9, 5.0, 9.0))
    asked = (upload, "--references", built, "--json")
    [row] = rows(check(*asked, "--min-probability", 0))
    probable = sorted(match["probability"] for match in row["matches"])
    assert probable[-1] < 0.5
    least = 0.99 * probable[-1]
    told = rows(check(*asked, "--min-probability", least))
    assert [match["probability"] for match in told[0]["matches"]] == probable[-1:]
    assert rows(check(*asked))[0]["matches"] == []


def test_what_cannot_be_read_is_told_and_the_others_are_checked(
    built: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.mp3").write_bytes(b"this is no sound" * 99)
    recorded(tmp_path / "good.mp3", song(2, 5.0, 11.0))
    (tmp_path / "text.txt").write_text("nor is this")
    (tmp_path / "empty.flac").write_bytes(b"this is no sound" * 99)
    names = ("bad.mp3", "lacks.wav", "good.mp3", "text.txt", "empty.flac")
    files = [tmp_path / name for name in names]
    result = check(*files, "--references", built, "--json")
    assert result.exit_code == 1
    found = rows(result)
    assert [row["file"] for row in found] == [str(file) for file in files]
    assert [row["error"] for row in found if "error" in row] == [
        "unreadable: Invalid data found when processing input",
        "unreadable: No such file or directory",
        "unreadable: Invalid data found when processing input",
        "unreadable: not one sample of it could be decoded",
    ]
    assert [row["matches"] == [] for row in found] == [True, True, False, True, True]
    assert "error" not in found[2]


@pytest.mark.parametrize("dash", [[], ["-"]])
def test_paths_come_from_standard_input(built: Path, tmp_path: Path, dash: list[str]) -> None:
    one = recorded(tmp_path / "with spaces, ünd.mp3", song(2, 5.0, 9.0))
    two = tmp_path / "lacks.wav"
    given = f"{one}\r\n\n{two}\n{one}".encode()
    result = check(*dash, "--references", built, "--json", given=given)
    assert result.exit_code == 1
    assert [row["file"] for row in rows(result)] == [str(one), str(two), str(one)]
    assert rows(result)[0]["matches"][0]["reference"] == "b/two"


def test_names_that_are_no_text_are_told_as_they_can_be(built: Path, tmp_path: Path) -> None:
    sound = recorded(tmp_path / "sound.wav", song(2, 5.0, 9.0))
    odd = bytes(tmp_path) + b"/caf\xe9.wav"
    Path(sound).rename(odd.decode("utf-8", "surrogateescape"))
    [row] = rows(check("-", "--references", built, "--json", given=odd + b"\na\0b\n"))[:1]
    assert row["file"].endswith("/caf�.wav")
    assert row["matches"][0]["reference"] == "b/two"


def test_no_list_is_no_failure(built: Path) -> None:
    result = check("-", "--references", built, "--json", given="")
    assert (result.exit_code, result.stdout) == (0, "")


def test_several_processes_tell_the_same_in_the_same_order(built: Path, tmp_path: Path) -> None:
    long = recorded(tmp_path / "long.wav", song(1, 0.0, 9.0))
    short = recorded(tmp_path / "short.wav", song(3, 4.0, 8.0))
    files = [long, tmp_path / "lacks.wav", short, short]
    alone = check(*files, "--references", built, "--json")
    together = check(*files, "--references", built, "--json", workers=2)
    assert [row["file"] for row in rows(alone)] == [str(each) for each in files]
    assert together.stdout == alone.stdout
    assert together.exit_code == alone.exit_code == 1


def test_a_line_is_answered_before_the_next_is_there(built: Path, tmp_path: Path) -> None:
    """The list is that of another program, which may wait for the answer."""
    short = recorded(tmp_path / "short.wav", song(3, 4.0, 8.0))
    command = [sys.executable, "-m", "segue.cli", "check", "-", "--json", "--workers", "2"]
    with subprocess.Popen(
        [*command, "--references", str(built)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for _ in range(2):
            process.stdin.write(f"{short}\n".encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["file"] == str(short)
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_nothing_of_a_reference_that_cannot_be_read_is_silent(tmp_path: Path) -> None:
    recorded(tmp_path / "library" / "good.wav", song(2))
    (tmp_path / "library" / "bad.mp3").write_bytes(b"no sound")
    upload = recorded(tmp_path / "upload.wav", song(2, 3.0, 9.0))
    result = check(upload, "--references", tmp_path / "library", "--json")
    assert rows(result)[0]["matches"][0]["reference"] == "good"
    assert "bad.mp3: unreadable: " in result.stderr
    assert result.exit_code == 1


def test_a_folder_without_sound_is_no_reference(tmp_path: Path) -> None:
    upload = recorded(tmp_path / "upload.wav", song(2, 3.0, 5.0))
    (tmp_path / "empty").mkdir()
    with pytest.raises(Misconfigured, match="neither an index nor sound") as caught:
        check(upload, "--references", tmp_path / "empty")
    assert "segue index build" in caught.value.remedy


def test_one_file_is_drawn_as_one_picture(built: Path, tmp_path: Path) -> None:
    upload = recorded(tmp_path / "set.flac", np.concatenate((song(0, 3, 9), song(4, 9, 15))))
    picture = tmp_path / "picture.png"
    result = check(upload, "--references", built, "--plot", picture)
    assert result.exit_code == 0, result.output
    header = picture.read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    width, height = (int.from_bytes(header[at : at + 4]) for at in (16, 20))
    assert (width, height > 1_000) == (1430, True), "two references, one below the other"


def test_several_files_are_drawn_into_a_folder(built: Path, tmp_path: Path) -> None:
    files = [
        recorded(tmp_path / "one" / "same.wav", song(1, 3.0, 7.0)),
        recorded(tmp_path / "two" / "same.wav", song(2, 3.0, 7.0)),
        recorded(tmp_path / "foreign $x$.wav", song(50, 0.0, 3.0)),
    ]
    result = check(*files, "--references", built, "--plot", tmp_path / "pictures")
    assert result.exit_code == 0, result.output
    drawn = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert drawn == ["same.wav-2.png", "same.wav.png"]
    assert f"{files[2]}: nothing to draw" in result.stderr
    with pytest.raises(Misconfigured, match="one picture"):
        check(*files, "--references", built, "--plot", tmp_path / "picture.png")


def test_references_whose_files_are_gone_are_drawn_by_their_peaks(tmp_path: Path) -> None:
    reference = recorded(tmp_path / "library" / "song.wav", song(2))
    upload = recorded(tmp_path / "upload.wav", song(2, 3.0, 9.0))
    keep, picture = tmp_path / "kept", tmp_path / "picture.png"
    check(upload, "--references", reference.parent, "--save-index", keep, "--plot", picture)
    with_sound = picture.read_bytes()
    reference.unlink()
    result = check(upload, "--references", keep, "--plot", picture)
    assert result.exit_code == 0, result.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.read_bytes() != with_sound


def test_what_is_on_a_stop_list_is_not_told(built: Path, tmp_path: Path) -> None:
    stops = tmp_path / "stops"
    stops.mkdir()
    recorded(stops / "jingle.wav", song(1, 7.0, 17.0))
    upload = recorded(tmp_path / "upload.wav", song(1, 8.0, 16.0))
    assert rows(check(upload, "--references", built, "--json"))[0]["matches"] != []
    stopped = check(upload, "--references", built, "--json", "--stop", stops)
    assert stopped.exit_code == 0, stopped.output
    assert rows(stopped)[0]["matches"] == []


@pytest.mark.parametrize("lacking", ["av", "faiss", "onnxruntime"])
def test_the_extra_that_lacks_is_named(
    built: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    monkeypatch.setitem(sys.modules, lacking, None)
    with pytest.raises(Misconfigured, match=f"{lacking} is not installed") as caught:
        check("a.wav", "--references", built)
    assert caught.value.remedy == "install segue[protect]"

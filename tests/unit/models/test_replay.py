from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from segue.cli.replay import replay
from segue.errors import Misconfigured, SegueError


def log_file(folder: Path, extra: str = "") -> Path:
    path = folder / "plays.csv"
    lines = [f"u{n},t{i},{1_600_000_000 + 600 * n + 60 * i}" for n in range(30) for i in range(4)]
    path.write_text("\n".join(["user,item,ts", *lines]) + "\n" + extra)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(replay, [str(argument) for argument in arguments])


def test_replay_prints_scores_and_writes_them(tmp_path: Path) -> None:
    scores, plot = tmp_path / "scores.json", tmp_path / "plot.png"
    result = run(log_file(tmp_path), "--lag", 1, "--json", scores, "--plot", plot)
    assert result.exit_code == 0, result.output
    assert "HR@10" in result.output and "120 plays (120 applied)" in result.output
    report = json.loads(scores.read_bytes())
    assert (report["plays"], report["outcomes"]) == (120, {"applied": 120})
    assert report["scores"]["all.segue"]["trials"] == 120
    assert report["scores"]["all.segue"]["hr10"] > 0.9
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_replaying_twice_gives_the_same_scores(tmp_path: Path) -> None:
    path, first, second = log_file(tmp_path), tmp_path / "1.json", tmp_path / "2.json"
    run(path, "--json", first)
    run(path, "--json", second)
    assert first.read_bytes() == second.read_bytes()


def test_rows_that_are_no_plays_fail_the_command_after_the_scores(tmp_path: Path) -> None:
    result = run(log_file(tmp_path, "u1,,1600000000\n"))
    assert isinstance(result.exception, SegueError)
    assert "1 rows of plays.csv are no plays" in str(result.exception)
    assert "120 plays" in result.output


def test_a_folder_that_is_not_there_is_said_before_the_work(tmp_path: Path) -> None:
    result = run(log_file(tmp_path), "--json", tmp_path / "nowhere" / "scores.json")
    assert isinstance(result.exception, Misconfigured)
    assert "--json" in str(result.exception)

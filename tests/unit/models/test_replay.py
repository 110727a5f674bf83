from __future__ import annotations

import json
from pathlib import Path

import pytest
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
    options = ("--lag", 0, "--warmup", 0.5, "--json", scores, "--plot", plot)
    result = run(log_file(tmp_path), *options)
    assert result.exit_code == 0, result.output
    assert "NDCG@20" in result.output and "(120 applied)" in result.output
    report = json.loads(scores.read_bytes())
    assert (report["plays"], report["outcomes"]) == (120, {"applied": 120})
    assert report["seconds"] > 0
    assert [*report["arms"]] == ["default", "popular"]
    assert [*report["arms"]["default"]] == ["new", "any"]
    found = report["arms"]["default"]["any"]
    assert [*found] == ["hr@10", "hr@20", "mrr@20", "ndcg@20", "count", "hr@10_margin"]
    assert found["hr@10"] > 0.9 and found["count"] == 60
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_arms_are_compared_with_the_first_on_the_same_plays(tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    arms = ("--arms", "default,popular,without-again", "--lag", 0, "--json", scores)
    path = tmp_path / "plays.csv"
    groups = [
        f"u{n},g{n % 9}-{i},{1_600_000_000 + 600 * n + 60 * i}" for n in range(90) for i in range(3)
    ]
    path.write_text("\n".join(["user,item,ts", *groups]) + "\n")
    result = run(path, *arms)
    assert result.exit_code == 0, result.output
    found = json.loads(scores.read_bytes())["arms"]
    assert "hr@10_more" not in found["default"]["any"]
    popular, same = (found[arm]["any"]["hr@10_more"] for arm in ("popular", "without-again"))
    rates = [found[arm]["any"]["hr@10"] for arm in ("popular", "default")]
    assert popular["value"] == pytest.approx(rates[0] - rates[1])
    assert popular["value"] < 0 < popular["margin"] and popular["said"] == "worse"
    assert same == {"value": 0.0, "margin": 0.0, "said": "no difference seen"}
    assert "HR@10 against default" in result.output
    assert f"{popular['value']:+.4f} ± {popular['margin']:.4f} " in result.output
    assert "+0.0000 ± 0.0000, within chance" in result.output


def test_one_listener_says_nothing_of_chance(tmp_path: Path) -> None:
    path, scores = tmp_path / "plays.csv", tmp_path / "scores.json"
    rows = [f"ann,t{i % 5},{1_600_000_000 + 60 * i}" for i in range(40)]
    path.write_text("\n".join(["user,item,ts", *rows]) + "\n")
    result = run(path, "--json", scores)
    found = json.loads(scores.read_bytes())["arms"]["popular"]["any"]
    assert found["hr@10_margin"] is None and found["hr@10_more"]["margin"] is None
    assert found["hr@10_more"]["said"] == "too few listeners to tell"
    assert "±" not in result.output


def test_replaying_twice_gives_the_same_scores(tmp_path: Path) -> None:
    path, first, second = log_file(tmp_path), tmp_path / "1.json", tmp_path / "2.json"
    for scores in (first, second):
        run(path, "--evaluate", 20, "--json", scores)
    one, other = (json.loads(scores.read_bytes()) | {"seconds": 0} for scores in (first, second))
    assert one == other
    assert one["arms"]["default"]["any"]["count"] == 20


def test_an_arm_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    result = run(log_file(tmp_path), "--arms", "default,best")
    assert result.exit_code == 2
    assert "no arm is called 'best'; there are default, popular, without-" in result.output


def test_arms_are_scored_in_the_order_asked(tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    run(log_file(tmp_path), "--arms", "without-together,popular,default", "--json", scores)
    arms = json.loads(scores.read_bytes())["arms"]
    assert [*arms] == ["without-together", "popular", "default"]
    assert arms["without-together"]["any"]["count"] == arms["popular"]["any"]["count"] > 0
    run(log_file(tmp_path), "--arms", "popular", "--json", scores)
    for asked in arms["popular"].values():
        del asked["hr@10_more"]
    assert json.loads(scores.read_bytes())["arms"] == {"popular": arms["popular"]}


def test_baseline_is_scored_beside_the_others_and_changes_nothing_of_theirs(tmp_path: Path) -> None:
    path, plot = log_file(tmp_path), tmp_path / "plot.png"
    alone, beside = tmp_path / "alone.json", tmp_path / "beside.json"
    run(path, "--lag", 0, "--json", alone)
    arms = ("--arms", "default,popular,biased-mf")
    result = run(path, "--lag", 0, *arms, "--json", beside, "--plot", plot)
    assert result.exit_code == 0, result.output
    assert result.output.count("biased-mf") == 4, "two questions in two tables"
    without, found = (json.loads(scores.read_bytes()) for scores in (alone, beside))
    assert [*found["arms"]] == ["default", "popular", "biased-mf"]
    baseline = found["arms"].pop("biased-mf")
    assert found["arms"] == without["arms"]
    assert [baseline[asked]["count"] for asked in ("new", "any")] == [108, 108]
    # Each track was played by everybody: a factorisation ranks the four of them first.
    assert baseline["new"]["hr@10"] == 1.0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_baseline_repeats_under_its_seed_and_is_scored_alone_too(tmp_path: Path) -> None:
    path, scores, found = log_file(tmp_path), tmp_path / "scores.json", []
    for seed in (1, 1, 2):
        run(path, "--arms", "biased-mf", "--seed", seed, "--json", scores)
        found.append(json.loads(scores.read_bytes())["arms"])
    assert [*found[0]] == ["biased-mf"]
    assert found[0] == found[1] != found[2]


def test_identifiers_may_be_numbers(tmp_path: Path) -> None:
    path, scores = tmp_path / "plays.csv", tmp_path / "scores.json"
    rows = [f"{n},{i},{1_600_000_000 + 600 * n + 60 * i}" for n in range(30) for i in range(4)]
    path.write_text("\n".join(["user,item,ts", *rows]) + "\n")
    run(path, "--arms", "default", "--json", scores)
    assert [*json.loads(scores.read_bytes())["arms"]] == ["default"]


def test_rows_that_are_no_plays_fail_the_command_after_the_scores(tmp_path: Path) -> None:
    result = run(log_file(tmp_path, "u1,,1600000000\n"))
    assert isinstance(result.exception, SegueError)
    assert "1 rows of plays.csv are no plays" in str(result.exception)
    assert "120 plays" in result.output


def test_a_folder_that_is_not_there_is_said_before_the_work(tmp_path: Path) -> None:
    result = run(log_file(tmp_path), "--json", tmp_path / "nowhere" / "scores.json")
    assert isinstance(result.exception, Misconfigured)
    assert "--json" in str(result.exception)


def test_tune_says_what_to_change_and_by_how_much(tmp_path: Path) -> None:
    path, scores = tmp_path / "slow.csv", tmp_path / "scores.json"
    rows = [
        f"u{n},g{n % 40}-{i},{1_600_000_000 + 18_000 * n + 3_600 * i}"
        for n in range(240)
        for i in range(4)
    ]
    path.write_text("\n".join(["user,item,ts", *rows]) + "\n")
    result = run(path, "--tune", "--lag", 0, "--arms", "popular", "--json", scores)
    assert result.exit_code == 0, result.output
    report = json.loads(scores.read_bytes())
    assert [*report["arms"]] == ["popular", "tuned"]
    tune = report["tune"]
    gap = tune["settings"]["SEGUE_SESSION_GAP_MS"]
    assert gap["now"] == 1_800_000 and gap["tuned"] >= 3_600_000
    assert f"SEGUE_SESSION_GAP_MS: 1800000 -> {gap['tuned']}" in result.output
    found = tune["hr@10"]["new"]
    assert found["difference"] > 0.5 and 0 <= found["margin"] < 0.2
    assert tune["plays"] == 480 and len(tune["trials"]) == 12
    more = f"+{found['difference']:.4f} ± {found['margin']:.4f}"
    assert f"HR@10 new, on plays after them: {more}\n" in result.output


def test_tune_with_a_sample_asks_on_both_sides(tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    result = run(log_file(tmp_path), "--tune", "--evaluate", 10, "--json", scores)
    assert result.exit_code == 0, result.output
    report = json.loads(scores.read_bytes())
    assert report["arms"]["default"]["any"]["count"] == 10
    assert all(trial["plays"] in (15, 30, 60) for trial in report["tune"]["trials"])

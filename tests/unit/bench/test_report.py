"""The pure parts of the benchmarks: medians, ratios, targets, the table and the JSON."""

import io
import os
import time
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from bench.all import BENCHMARKS
from bench.consumers.meter import Meter
from bench.measure import Figure, Peer, Plan, process_cpu_s
from bench.plays import small_plays
from bench.report import as_json, figure_table, machine, number, show, target_text
from schemas.codec import EventDecoder, Rejected, encode_event
from schemas.events import PlayEvent

MACHINE = {"cpu": "made up", "cores": 2, "commit": "abc"}
PEER = Peer("slow peer", (10.0, 20.0, 30.0), ratio_min=3.0)
FASTER = Figure("eaten", "events", (40.0, 40.0, 150.0), target_min=30.0, peer=PEER)


def shown(figures: list[Figure], plan: Plan) -> str:
    out = io.StringIO()
    show(Console(file=out, width=140), figures, MACHINE, plan=plan)
    return out.getvalue()


def test_ratio_is_the_median_of_the_runs_made_in_turns() -> None:
    assert FASTER.median == 40.0
    assert FASTER.ratio == 4.0


def test_ratio_of_unequal_runs_is_that_of_the_medians() -> None:
    figure = Figure("eaten", "events", (40.0,), peer=PEER)
    assert figure.ratio == 2.0


def test_figure_is_reached_only_if_all_its_targets_are() -> None:
    assert FASTER.reached is True
    assert Figure("eaten", "events", (20.0,), target_min=10.0, peer=PEER).reached is False
    assert Figure("eaten", "events", (90.0,), target_min=91.0, peer=PEER).reached is False
    assert Figure("waited", "s", (5.0,), target_max=5.0).reached is True
    assert Figure("waited", "s", (5.1,), target_max=5.0).reached is False


def test_figure_without_targets_is_neither_reached_nor_missed() -> None:
    assert Figure("eaten", "events", (1.0,)).reached is None
    assert Figure("eaten", "events", (1.0,), peer=Peer("peer", (1.0,))).reached is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(151_234.0, "151,000"), (1_234.0, "1,230"), (99.94, "99.9"), (0.456789, "0.457"), (25, "25")],
)
def test_number_keeps_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_targets_are_told_in_words() -> None:
    assert target_text(FASTER) == "≥ 30, ≥ 3 ×"
    assert target_text(Figure("waited", "ms", (1.0,), target_max=50.0)) == "≤ 50"
    assert target_text(Figure("eaten", "events", (1.0,))) == ""


def test_table_has_a_row_for_each_figure() -> None:
    assert figure_table([FASTER, FASTER]).row_count == 2


def test_shown_table_tells_number_target_peer_ratio_runs_and_machine() -> None:
    text = shown([FASTER], Plan())
    for part in ("eaten, events", "≥ 30, ≥ 3 ×", "slow peer", "4 ×", "3: 40-150", "reached"):
        assert part in text
    assert "cpu made up, cores 2, commit abc" in text
    assert "--quick" not in text


def test_missed_target_and_quick_run_are_said() -> None:
    text = shown([Figure("waited", "s", (9.0,), target_max=5.0)], Plan(runs=1, quick=True))
    assert "MISSED" in text
    assert "--quick" in text


def test_json_holds_all_runs_and_what_follows_from_them() -> None:
    report = orjson.loads(as_json([FASTER], MACHINE, Plan()))
    (figure,) = report["figures"]
    assert report["machine"] == MACHINE
    assert report["quick"] is False
    assert figure["runs"] == [40.0, 40.0, 150.0]
    assert figure["peer"] == {"name": "slow peer", "runs": [10.0, 20.0, 30.0], "ratio_min": 3.0}
    assert (figure["median"], figure["ratio"], figure["reached"]) == (40.0, 4.0, True)


def test_machine_names_cores_and_commit() -> None:
    found = machine()
    assert found["cores"] == os.cpu_count()
    assert found["commit"]


def test_quick_plan_does_a_tenth() -> None:
    assert Plan(quick=True).size(200_000) == 20_000
    assert Plan().size(200_000) == 200_000
    assert Plan(quick=True).size_s(30.0) == 6.0


def test_cpu_of_a_process_grows_as_it_works() -> None:
    before_s = process_cpu_s(os.getpid())
    until_s = time.process_time() + 0.1
    while time.process_time() < until_s:
        pass
    assert process_cpu_s(os.getpid()) - before_s >= 0.08


def test_process_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ProcessLookupError):
        process_cpu_s(2**22 + 1)


def test_meter_leaves_the_first_and_the_last_tenth_out(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter(100)
    for _ in range(10):
        meter.add(10)
    result = orjson.loads(capsys.readouterr().out)
    assert result["events"] == 80
    assert 0.0 <= result["cpu_s"] <= result["wall_s"] + 0.05
    assert meter.done


def test_small_plays_are_valid_and_of_188_bytes() -> None:
    decode = EventDecoder(PlayEvent).decode
    for play in small_plays(100):
        raw = encode_event(play)
        assert len(raw) == 188
        assert not isinstance(decode(raw), Rejected)


def test_every_benchmark_is_in_all() -> None:
    folder = Path(__file__).parents[3] / "bench"
    runnable = {
        path.stem
        for path in folder.glob("*.py")
        if "run_benchmarks(__doc__, [" in path.read_text(encoding="utf-8")
    }
    assert {name for name, _ in BENCHMARKS} == runnable

"""How answers are counted, on cases that a person can check."""

import io

import numpy as np
import pytest
from rich.console import Console

from bench.disguises.queries import Truth
from bench.disguises.results import Outcome, as_data, costs_table, length_table
from bench.disguises.scoring import Alerts, Cell, alerts, calibration_error, scored, threshold
from bench.fingerprinters.asking import Asking
from bench.fingerprinters.system import NONE, Answer

TRUTHS = [Truth(0, (10.0,)), Truth(1, (5.0, 25.0)), Truth(2, (7.0,)), Truth(3, (1.0,))]


def shown(table: object) -> str:
    out = io.StringIO()
    Console(file=out, width=140).print(table)
    return out.getvalue()


def test_one_in_a_hundred_foreign_queries_may_exceed_the_threshold() -> None:
    foreign = [Answer(0, 0.0, float(i)) for i in range(300)]
    above = threshold(foreign)
    assert above == 296.0
    assert sum(answer.score > above for answer in foreign) == 3


def test_equal_scores_do_not_pass_together() -> None:
    foreign = [Answer(0, 0.0, 5.0)] * 100
    assert threshold(foreign) == 5.0


def test_foreign_queries_without_an_answer_let_every_score_pass() -> None:
    assert threshold([NONE] * 200) == float("-inf")


def test_right_sure_and_offsets_are_counted_apart() -> None:
    answers = [
        Answer(0, 10.4, 9.0),  # right, sure, in time
        Answer(1, 24.8, 3.0),  # right, in time at the repetition, not sure
        Answer(2, 7.6, 9.0),  # right, sure, too late
        Answer(0, 1.0, 9.0),  # another recording
    ]
    cell = scored(TRUTHS, answers, above=3.0)
    assert cell == Cell(queries=4, right=3, sure=2, offsets=2)
    assert (cell.top1, cell.top1_sure) == (75.0, 50.0)


def test_no_answer_is_a_miss() -> None:
    assert scored(TRUTHS, [NONE] * 4, above=float("-inf")).right == 0


def test_alerts_are_counted_by_kind() -> None:
    answers = [Answer(0, 0.0, 1.0, p) for p in (0.99, 0.5, 0.95, 0.1)] + [NONE]
    kinds = ["music", "music", "speech", "noise", "noise"]
    found = alerts(answers, kinds, 0.95)
    assert found == Alerts(5, {"music": 1, "noise": 0, "speech": 1})
    assert found.percent == 40.0


def test_calibration_error_is_zero_where_probabilities_are_shares() -> None:
    said = [0.25] * 40 + [0.75] * 40
    right = ([True] + [False] * 3) * 10 + ([True] * 3 + [False]) * 10
    assert calibration_error(said, right, bins=2) == pytest.approx(0.0)
    assert calibration_error(said, [not each for each in right], bins=2) == pytest.approx(0.5)


def test_calibration_bins_hold_equally_many() -> None:
    said = np.concatenate([np.full(90, 0.01), np.full(10, 0.9)])
    right = np.concatenate([np.zeros(90, bool), np.zeros(10, bool)])
    assert calibration_error(said, right, bins=10) == pytest.approx(0.9 * 0.01 + 0.1 * 0.9)


def test_the_mean_is_of_the_conditions_that_stand_in_it() -> None:
    outcome = Outcome("one", "1", {2.0: {"clean": Cell(10, 10, 8, 9), "sp+13": Cell(10, 0, 0, 0)}})
    outcome.thresholds[2.0] = float("-inf")
    assert outcome.mean(2.0, sure=False) == 100.0
    assert outcome.mean(2.0, sure=True) == 80.0
    assert outcome.mean(2.0, sure=True, off_grid=True) == 0.0
    assert outcome.offsets(2.0) == 90.0
    table = shown(length_table([outcome], 2.0))
    assert "100 (80)" in table
    assert "100.0 (80.0)" in table
    assert "sp+13" in table
    data = as_data(outcome)["lengths"]["2"]
    assert data["threshold"] is None
    assert data["conditions"]["clean"]["top1_at_1_percent_fp"] == 80.0


def test_costs_are_blank_where_answers_were_kept() -> None:
    outcome = Outcome("one", "one 1.0", calibration_error=0.0123)
    assert "0.012" in shown(costs_table([outcome]))


class Parrot:
    """Answers every query with its first sample."""

    version = "parrot 1"

    def __init__(self) -> None:
        self.fitted = 0

    def fit(self, references: object) -> None:
        self.fitted += 1

    def ask(self, queries: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> list[Answer]:
        return [Answer(int(query[0]), 0.0, 1.0) for query in queries]


def test_answers_are_kept_by_version_and_asked_for_once(tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    queries = np.arange(120, dtype=np.int16).reshape(120, 1)
    first = Asking(Parrot(), [], tmp_path)
    assert [each.reference for each in first.answers("cell", queries)] == [*range(120)]
    parrot = Parrot()
    again = Asking(parrot, [], tmp_path)
    assert [each.reference for each in again.answers("cell", queries[:70])] == [*range(70)]
    assert parrot.fitted == 0
    assert again.asked == 0

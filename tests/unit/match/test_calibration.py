"""What is said to be probable is so often right."""

from __future__ import annotations

import numpy as np
import pytest

from models.fingerprint.engine import Engine
from models.match.calibrating import fit, reliability
from models.match.evidence import FEATURES, Calibration, Evidence, shipped


def made(seed: int, count: int) -> tuple[list[Evidence], list[bool]]:
    rng = np.random.default_rng(seed)
    true = Calibration((-9.0, 6.0, 8.0, 2.0, 5.0, 0.3), 1)
    seconds, alike = rng.uniform(1, 8, count), rng.uniform(0.3, 1, count)
    hits = rng.integers(0, 50, count)
    evidence = [
        Evidence(float(s), float(x), int(h), 60)
        for s, x, h in zip(seconds, alike, hits, strict=True)
    ]
    return evidence, [bool(rng.random() < true.probability(one, 1)) for one in evidence]


def test_what_was_fitted_holds_for_others() -> None:
    fitted = Calibration(fit(*made(1, 3_000)), 1)
    evidence, right = made(2, 3_000)
    said = np.array([fitted.probability(one, 1) for one in evidence])
    error, bins = reliability(said, np.array(right))
    assert error < 0.03
    assert len(bins) == 15
    assert bins[0][1] < 0.1
    assert bins[-1][1] > 0.9


def test_an_overconfident_calibration_is_noticed() -> None:
    sure = Calibration(tuple(3 * weight for weight in fit(*made(1, 3_000))), 1)
    evidence, right = made(2, 3_000)
    said = np.array([sure.probability(one, 1) for one in evidence])
    assert reliability(said, np.array(right))[0] > 0.05


def test_one_outcome_alone_teaches_nothing() -> None:
    evidence, _ = made(3, 10)
    with pytest.raises(ValueError, match="right and matches that are wrong"):
        fit(evidence, [True] * 10)


def test_among_ten_times_as_many_the_odds_are_a_tenth() -> None:
    calibration, one = (
        Calibration((0.0, 1.0, 0.0, 0.0, 0.0, 0.0), 1_000),
        Evidence(2.0, 0.8, 10, 50),
    )
    few, same, many = (calibration.log_odds(one, count) for count in (10, 1_000, 10_000))
    assert few == same
    assert same - many == pytest.approx(np.log(10))


def test_more_of_everything_is_more_probable() -> None:
    calibration = shipped()
    base = Evidence(3.0, 0.6, 20, 70)
    for better in (
        base._replace(likeness=0.8),
        base._replace(peak_hits=40),
        base._replace(seconds=6.0, peak_hits=40, peak_count=140),
    ):
        assert calibration.log_odds(better, 50_000) > calibration.log_odds(base, 50_000)


def test_what_is_shipped_was_fitted_with_the_shipped_encoder() -> None:
    assert len(shipped().weights) == len(FEATURES)
    assert shipped().encoder == Engine().identity

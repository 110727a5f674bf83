"""`segue arms`: sums over workers, intervals that know that a listener's plays are alike."""

from __future__ import annotations

import math
import random

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from models.evaluate.comparing import Estimate, difference, ratio, verdict
from segue.cli.arms import arms
from segue.demo.arms import ArmSums, arm_rows, explored_rows, shown_rows
from segue.errors import Misconfigured, Unavailable

TRIALS = "segue_prequential_trials_total"


def page(*rows: tuple[str, str, str, int, float]) -> str:
    """A page of metrics: arm, list, measure, cohort, value."""
    names = {
        "trials": (TRIALS, ""),
        "hr@10": ("segue_prequential_hits_total", ',k="10"'),
        "hr@20": ("segue_prequential_hits_total", ',k="20"'),
        "mrr@20": ("segue_prequential_reciprocal_ranks_total", ""),
        "ndcg@20": ("segue_prequential_gains_total", ""),
    }
    lines: dict[str, list[str]] = {}
    for arm, name, measure, cohort, value in rows:
        family, more = names[measure]
        labels = f'arm="{arm}",list="{name}",cohort="{cohort}"{more}'
        lines.setdefault(family, []).append(f"{family}{{{labels}}} {value}")
    return "".join(
        f"# TYPE {family} counter\n" + "\n".join(found) + "\n" for family, found in lines.items()
    )


def sums_of(*pages: str) -> ArmSums:
    return ArmSums(text_string_to_metric_families(text) for text in pages)


def test_sums_of_all_workers_are_added_and_default_comes_first() -> None:
    one = page(("popular", "next", "trials", 0, 10), ("popular", "next", "hr@10", 0, 1))
    two = page(
        ("default", "next", "trials", 0, 30),
        ("popular", "next", "trials", 0, 10),
        ("popular", "next", "hr@10", 0, 3),
        ("popular", "next", "hr@20", 0, 8),
        ("popular", "next", "mrr@20", 0, 2),
        ("popular", "next", "ndcg@20", 0, 4),
    )
    found = sums_of(one, two)
    assert found.arms == ["default", "popular"]
    row = next(r for r in arm_rows(found) if (r["list"], r["arm"]) == ("next", "popular"))
    values = [row[measure]["value"] for measure in ("hr@10", "hr@20", "mrr@20", "ndcg@20")]
    assert (row["trials"], values) == (20, [0.2, 0.4, 0.1, 0.2])
    assert row["hr@10"]["margin"] is None  # one cohort says nothing of chance
    assert row["hr@10"]["said"] == "too few listeners to tell"


def test_what_was_shown_is_added_by_arm_list_and_source() -> None:
    def shown(arm: str, source: str, action: str, count: int) -> str:
        labels = f'arm="{arm}",list="next",source="{source}",action="{action}"'
        return f"segue_entries_shown_total{{{labels}}} {count}"

    head = "# TYPE segue_entries_shown_total counter"
    one = [head, shown("default", "after", "seen", 5), shown("default", "after", "tapped", 1)]
    two = [head, shown("default", "after", "seen", 2), shown("default", "again", "dismissed", 4)]
    rows = shown_rows(sums_of("\n".join([*one, ""]), "\n".join([*two, ""])))
    keys = ("source", "shown", "seen", "tapped", "dismissed")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("after", 8, 7, 1, 0),
        ("again", 4, 0, 0, 4),
    ]


def test_explored_tracks_are_added_by_strategy() -> None:
    def explored(strategy: str, tracks: float, tapped: float) -> str:
        label = f'source="{strategy}"'
        names = (
            ("segue_explored_weight_total", tracks),
            (
                "segue_explored_tapped_weight_total",
                tapped,
            ),
        )
        return "".join(
            f"# TYPE {name} counter\n{name}{{{label}}} {value}\n" for name, value in names
        )

    pages = (explored("explore_new", 300, 30), explored("explore_new", 100, 10))
    assert explored_rows(sums_of(*pages)) == [
        {"strategy": "explore_new", "tracks": 400, "tapped": 40, "acceptance": 0.1}
    ]
    assert explored_rows(sums_of(explored("explore_new", 0, 0))) == []


def test_list_that_was_never_tested_has_no_rates() -> None:
    rows = arm_rows(sums_of(page(("default", "next", "trials", 0, 10))))
    (discover,) = [row for row in rows if row["list"] == "discover"]
    assert (discover["trials"], discover["hr@10"]) == (0, None)


def test_interval_holds_the_truth_nineteen_times_of_twenty_though_listeners_differ() -> None:
    seed = 7
    rng = random.Random(seed)
    runs, held, naive_held = 400, 0, 0
    for _ in range(runs):
        sums, trials = [0.0] * 16, [0.0] * 16
        for listener in range(160):
            mine = rng.betavariate(1, 4)  # each has a rate of their own; 0.2 in the mean
            sums[listener % 16] += sum(rng.random() < mine for _ in range(20))
            trials[listener % 16] += 20
        found = ratio(sums, trials)
        assert found is not None
        held += found.low <= 0.2 <= found.high
        naive = 1.96 * math.sqrt(0.2 * 0.8 / sum(trials))
        naive_held += abs(found.value - 0.2) <= naive
    assert held / runs == pytest.approx(0.95, abs=0.03), f"seed {seed}"
    assert naive_held / runs < 0.75, "what taking plays for independent would give"


def test_equal_arms_are_told_apart_once_in_twenty_at_most() -> None:
    rng = random.Random(8)

    def arm(rate: float) -> Estimate:
        hits = [float(sum(rng.random() < rate for _ in range(200))) for _ in range(16)]
        found = ratio(hits, [200.0] * 16)
        assert found is not None
        return found

    said = [verdict(difference(arm(0.2), arm(0.2))) for _ in range(200)]
    assert said.count("no difference seen") >= 185
    said = [verdict(difference(arm(0.3), arm(0.2))) for _ in range(50)]
    assert said.count("better") >= 49
    assert verdict(difference(arm(0.1), arm(0.2))) == "worse"


def test_worker_that_is_none_and_nobody_at_all_are_said() -> None:
    run = CliRunner()
    with pytest.raises(Misconfigured, match="'here' is not HOST:PORT"):
        run.invoke(arms, ["--worker", "here"], catch_exceptions=False)
    with pytest.raises(Unavailable, match="no worker answers"):
        run.invoke(arms, ["--worker", "127.0.0.1:1"], catch_exceptions=False)

"""`segue arms`: sums over workers, intervals that know that a listener's plays are alike."""

from __future__ import annotations

import math
import random

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from models.evaluate.comparing import (
    Estimate,
    design_effect,
    difference,
    ratio,
    share,
    verdict,
)
from segue.cli.arms import arms
from segue.demo.arms import (
    ArmSums,
    accepted_rows,
    accepted_table,
    arm_rows,
    explored_rows,
    explored_table,
    shown_rows,
    shown_table,
)
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
        "entries": ("segue_cohort_entries_shown_total", ""),
        "tapped": ("segue_cohort_entries_tapped_total", ""),
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


def shown_page(*rows: tuple[str, str, str, str, float]) -> str:
    """Entries on screens: arm, list, source, action, count."""
    lines = [
        f'segue_entries_shown_total{{arm="{arm}",list="{name}",source="{source}",'
        f'action="{action}"}} {count}'
        for arm, name, source, action, count in rows
    ]
    return "\n".join(["# TYPE segue_entries_shown_total counter", *lines, ""])


def tapping(arm: str, *tapped: float, entries: float = 100) -> str:
    """How many of its entries of `next` each cohort of an arm tapped."""
    rows = [
        row
        for cohort, count in enumerate(tapped)
        for row in (
            (arm, "next", "entries", cohort, entries),
            (arm, "next", "tapped", cohort, count),
        )
    ]
    return page(*rows)


def test_what_was_tapped_of_each_arms_lists_has_an_interval_and_is_compared() -> None:
    sums = sums_of(
        page(("default", "next", "trials", 0, 1)),
        shown_page(("default", "next", "after", "seen", 1600), ("big", "next", "after", "seen", 9)),
        tapping("default", *([9, 11] * 8)),
        tapping("big", *([19, 21] * 8)),
    )
    first, other = accepted_rows(sums)
    assert (first["arm"], other["arm"]) == ("default", "big"), "the first arm stands first"
    # By hand: the variance over 16 cohorts of 1 point each way is 1 / 15 for their mean.
    margin = 2.131 * 0.01 * math.sqrt(1 / 15)
    assert first["tapped"] == {"value": 0.1, "margin": pytest.approx(margin)}
    assert other["tapped"]["more"] == pytest.approx(0.1)
    assert other["tapped"]["said"] == "better"
    assert sums.arms == ["default"], "what was shown makes no arm that was tested"


def test_source_is_as_uncertain_as_its_list_and_a_source_of_few_entries_has_an_interval() -> None:
    sums = sums_of(
        tapping("default", *([0, 20] * 8)),  # some listeners tap, others never
        shown_page(
            ("default", "next", "after", "seen", 900),
            ("default", "next", "after", "tapped", 100),
            ("default", "next", "again", "seen", 5),
            ("default", "discover", "after", "seen", 5),
        ),
    )
    discover, after, again = shown_rows(sums)
    assert discover["tapped_interval"] is None, "nothing is known of how its listeners differ"
    effect = sums.effect("next", "default")
    assert effect == pytest.approx((2.131 / 1.96) ** 2 * 0.01 / 15 / (0.1 * 0.9 / 1600))
    assert after["tapped_interval"] == share(100, 1000, effect=effect)
    independent = share(100, 1000, effect=1.0)
    assert after["tapped_interval"][0] < independent[0] < independent[1] < 0.13
    assert after["tapped_interval"][1] > 0.16
    assert again["tapped_interval"][0] == 0.0 and again["tapped_interval"][1] > 0.43


def test_interval_of_a_share_is_wilsons_and_of_all_entries_as_wide_as_that_of_cohorts() -> None:
    low, high = share(10, 100, effect=1.0)
    assert (low, high) == pytest.approx((0.0552, 0.1744), abs=1e-4)  # Wilson's score interval
    assert share(20, 200, effect=2.0) == pytest.approx((low, high))
    found = Estimate(0.1, 0.02)
    low, high = share(2_000, 20_000, effect=design_effect(found, 20_000))
    assert (high - low) / 2 == pytest.approx(found.margin, rel=0.01)
    assert share(7, 7, effect=1.0)[1] == 1.0


def test_design_effect_is_never_below_one_and_infinite_where_nothing_is_known() -> None:
    assert design_effect(Estimate(0.1, 0.0001), 100) == 1.0
    assert design_effect(Estimate(0.0, 0.0), 100) == 1.0
    assert design_effect(Estimate(0.1, math.inf), 100) == math.inf


def test_interval_of_a_source_holds_the_truth_though_entries_of_a_listener_are_alike() -> None:
    seed = 11
    rng = random.Random(seed)
    runs, held, naive_held = 300, 0, 0
    for _ in range(runs):
        entries, tapped, mine = [0.0] * 16, [0.0] * 16, [0, 0]
        for listener in range(160):
            rate = rng.betavariate(1, 9)  # 0.1 in the mean
            taps = [rng.random() < rate for _ in range(40)]
            entries[listener % 16] += 40
            tapped[listener % 16] += sum(taps)
            mine[0] += sum(taps[:20])  # half of the entries are of this source
            mine[1] += 20
        found = ratio(tapped, entries)
        assert found is not None
        low, high = share(*mine, effect=design_effect(found, sum(entries)))
        held += low <= 0.1 <= high
        low, high = share(*mine, effect=1.0)
        naive_held += low <= 0.1 <= high
    assert held / runs > 0.93, f"seed {seed}"
    assert naive_held / runs < 0.85, "what taking entries for independent would give"


def explored_page(*rows: tuple[str, int, float, float]) -> str:
    """Strategy, cohort, tracks that its explored entries stand for, and of them those tapped."""
    lines = []
    for place, name in enumerate(("segue_explored_weight", "segue_explored_tapped_weight"), 2):
        lines.append(f"# TYPE {name}_total counter")
        lines += [
            f'{name}_total{{source="{row[0]}",cohort="{row[1]}"}} {row[place]}' for row in rows
        ]
    return "\n".join([*lines, ""])


def test_explored_tracks_are_added_by_strategy() -> None:
    pages = (explored_page(("explore_new", 3, 300, 30)), explored_page(("explore_new", 3, 100, 10)))
    assert explored_rows(sums_of(*pages)) == [
        {
            **{"strategy": "explore_new", "tracks": 400, "tapped": 40},
            **{"acceptance": 0.1, "margin": None},
        }
    ]
    assert explored_rows(sums_of(explored_page(("explore_new", 0, 0, 0)))) == []


def test_estimate_by_inverse_propensity_has_an_interval_that_knows_of_heavy_entries() -> None:
    """Two strategies of equal acceptance; one entry of the second stands for half of all."""
    even = [("explore_near", cohort, 100.0, 9.0 + 2 * (cohort % 2)) for cohort in range(16)]
    heavy = [("explore_new", cohort, 100.0, 0.0) for cohort in range(15)]
    last = ("explore_new", 15, 100.0 * 15, 300.0)
    near, new = explored_rows(sums_of(explored_page(*even, *heavy, last)))
    assert (near["acceptance"], new["acceptance"]) == (0.1, 0.1)
    assert near["margin"] == pytest.approx(2.131 * 0.01 * math.sqrt(1 / 15))
    assert new["margin"] > 0.2


def test_tables_say_shares_with_their_intervals() -> None:
    sums = sums_of(
        tapping("default", *([9, 11] * 8)),
        shown_page(
            ("default", "next", "after", "seen", 90), ("default", "next", "after", "tapped", 10)
        ),
        explored_page(*(("explore_new", cohort, 100.0, 10.0) for cohort in range(8))),
    )
    tables = (
        accepted_table(accepted_rows(sums)),
        shown_table(shown_rows(sums)),
        explored_table(explored_rows(sums)),
    )
    cells = [[*column.cells] for table in tables for column in table.columns]
    assert ["10.00 ± 0.55"] in cells
    assert ["10.0 %"] in cells and ["5.5 to 17.4"] in cells
    assert ["10.00 ± 0.00"] in cells


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

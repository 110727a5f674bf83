"""What the workers' metrics say of each experiment arm, as data and as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, get_args

from prometheus_client.metrics_core import Metric
from rich.table import Table

from models.evaluate.comparing import Estimate, difference, ratio, verdict
from schemas.impressions import Action
from segue.demo.scrape import family_name, totals
from segue.telemetry import metrics

__all__ = [
    "ArmSums",
    "arm_rows",
    "arms_table",
    "explored_rows",
    "explored_table",
    "shown_rows",
    "shown_table",
]

LISTS: Final = {"next": "next track", "discover": "new track"}
MEASURES: Final = {"hr@10": "HR@10", "hr@20": "HR@20", "mrr@20": "MRR@20", "ndcg@20": "NDCG@20"}
ACTIONS: Final = get_args(Action)
_TRIALS: Final = "trials"
_SHOWN: Final = family_name(metrics.SHOWN)
_EXPLORED: Final = {
    family_name(metrics.EXPLORED): "tracks",
    family_name(metrics.EXPLORED_TAPPED): "tapped",
}
_NAMES: Final = {
    family_name(metrics.TRIALS): _TRIALS,
    family_name(metrics.RECIPROCAL_RANKS): "mrr@20",
    family_name(metrics.GAINS): "ndcg@20",
    family_name(metrics.HITS): "hr@",
}

# A row holds numbers, words and, where nothing can be said, None: it is only ever written out.
Row = dict[str, Any]


class ArmSums:
    """Sums of all workers by list, arm, measure and cohort; arms in the order first seen."""

    def __init__(self, pages: Iterable[Iterable[Metric]]) -> None:
        self._sums: dict[tuple[str, str, str], dict[str, float]] = {}
        self.arms: list[str] = []
        self.shown: dict[tuple[str, str, str], dict[str, int]] = {}
        """Entries on screens by arm, list and source, then by what became of them."""
        self.explored: dict[str, dict[str, float]] = {}
        """By strategy, how many tracks explored entries stand for, and of them those tapped."""
        for page in pages:
            for family in page:
                if family.name in _NAMES:
                    self._add(family)
                elif family.name == _SHOWN:
                    self._add_shown(family)
                elif family.name in _EXPLORED:
                    self._add_explored(family)
        self.arms.sort(key=lambda arm: arm != "default")

    def _add(self, family: Metric) -> None:
        for row in totals(family):
            labels = row.labels
            name = _NAMES[family.name] + labels.get("k", "")
            if labels["arm"] not in self.arms:
                self.arms.append(labels["arm"])
            cohorts = self._sums.setdefault((labels["list"], labels["arm"], name), {})
            cohort = labels["cohort"]
            cohorts[cohort] = cohorts.get(cohort, 0.0) + row.value

    def _add_shown(self, family: Metric) -> None:
        for row in totals(family):
            labels = row.labels
            key = labels["arm"], labels["list"], labels["source"]
            actions = self.shown.setdefault(key, dict.fromkeys(ACTIONS, 0))
            actions[labels["action"]] = actions.get(labels["action"], 0) + round(row.value)

    def _add_explored(self, family: Metric) -> None:
        for row in totals(family):
            sums = self.explored.setdefault(row.labels["source"], {"tracks": 0.0, "tapped": 0.0})
            sums[_EXPLORED[family.name]] += row.value

    def trials(self, name: str, arm: str) -> int:
        """How often a list of an arm was tested."""
        return round(sum(self._of(name, arm, _TRIALS).values()))

    def estimate(self, name: str, arm: str, measure: str) -> Estimate | None:
        """A measure of a list of an arm; None without trials."""
        trials, sums = self._of(name, arm, _TRIALS), self._of(name, arm, measure)
        return ratio([sums.get(cohort, 0.0) for cohort in trials], [*trials.values()])

    def _of(self, name: str, arm: str, measure: str) -> Mapping[str, float]:
        return self._sums.get((name, arm, measure), {})


def arm_rows(sums: ArmSums) -> list[Row]:
    """One row for each list and arm, for JSON."""
    return [
        {
            "list": name,
            "arm": arm,
            "trials": sums.trials(name, arm),
            **{measure: _measured(sums, name, arm, measure) for measure in MEASURES},
        }
        for name in LISTS
        for arm in sums.arms
    ]


def arms_table(rows: Sequence[Row]) -> Table:
    """The same for people: percents with intervals of 95 %, and what the first arm has more."""
    table = Table(title="Arms: where the next play stood in the list served before")
    for heading in ("asked", "arm"):
        table.add_column(heading)
    for heading in ("trials", *MEASURES.values()):
        table.add_column(heading, justify="right")
    table.add_column("HR@10 against the first arm")
    for name, asked in LISTS.items():
        for row in rows:
            if row["list"] == name:
                cells = [_cell(row[measure]) for measure in MEASURES]
                table.add_row(asked, row["arm"], f"{row['trials']:,}", *cells, _said(row["hr@10"]))
        table.add_section()
    return table


def shown_rows(sums: ArmSums) -> list[Row]:
    """One row for each arm, list and source of which entries were on a screen, for JSON."""
    return [
        {"arm": arm, "list": name, "source": source, "shown": sum(actions.values()), **actions}
        for (arm, name, source), actions in sorted(sums.shown.items())
    ]


def shown_table(rows: Sequence[Row]) -> Table:
    """The same for people, with what was tapped and dismissed as shares."""
    table = Table(title="Acceptance: what listeners did with the entries they saw")
    for heading in ("arm", "list", "source"):
        table.add_column(heading)
    for heading in ("shown", "tapped", "dismissed"):
        table.add_column(heading, justify="right")
    for row in rows:
        shares = [f"{100 * row[action] / row['shown']:.1f} %" for action in ACTIONS[1:]]
        table.add_row(row["arm"], row["list"], row["source"], f"{row['shown']:,}", *shares)
    return table


def explored_rows(sums: ArmSums) -> list[Row]:
    """One row for each strategy of exploring, for JSON: which share of its tracks is accepted."""
    return [
        {"strategy": strategy, **found, "acceptance": found["tapped"] / found["tracks"]}
        for strategy, found in sorted(sums.explored.items())
        if found["tracks"]
    ]


def explored_table(rows: Sequence[Row]) -> Table:
    """The same for people."""
    table = Table(title="Exploration: of all tracks that might have been drawn")
    table.add_column("strategy")
    for heading in ("tracks", "tapped"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(row["strategy"], f"{row['tracks']:,.0f}", f"{100 * row['acceptance']:.1f} %")
    return table


def _measured(sums: ArmSums, name: str, arm: str, measure: str) -> Row | None:
    found = sums.estimate(name, arm, measure)
    if found is None:
        return None
    row: Row = {"value": found.value, "margin": _finite(found.margin)}
    first = sums.estimate(name, sums.arms[0], measure)
    if arm != sums.arms[0] and first is not None:
        more = difference(found, first)
        row |= {"more": more.value, "more_margin": _finite(more.margin), "said": verdict(more)}
    return row


def _finite(margin: float) -> float | None:
    return margin if math.isfinite(margin) else None


def _cell(measured: Row | None) -> str:
    if measured is None:
        return "–"
    margin = measured["margin"]
    about = "" if margin is None else f" ± {100 * margin:.2f}"
    return f"{100 * measured['value']:.2f}{about}"


def _said(measured: Row | None) -> str:
    if measured is None or "said" not in measured:
        return ""
    margin = measured["more_margin"]
    about = "" if margin is None else f" ± {100 * margin:.2f}"
    return f"{100 * measured['more']:+.2f}{about}: {measured['said']}"

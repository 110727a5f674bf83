"""What the workers' metrics say of each experiment arm, as data and as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, get_args

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample as MetricRow
from rich.table import Table

from models.evaluate.comparing import (
    Estimate,
    design_effect,
    difference,
    finite_margin,
    rate,
    share,
    verdict,
)
from models.evaluate.scores import DEFAULT
from schemas.impressions import Action
from segue.demo.scrape import family_name, totals
from segue.telemetry import metrics

__all__ = [
    "ArmSums",
    "accepted_rows",
    "accepted_table",
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
_ENTRIES: Final = "entries"
_TAPPED: Final = "tapped"
_SHOWN: Final = family_name(metrics.SHOWN)
_EXPLORED: Final = {
    family_name(metrics.EXPLORED): "tracks",
    family_name(metrics.EXPLORED_TAPPED): _TAPPED,
}
_NAMES: Final = {
    family_name(metrics.TRIALS): _TRIALS,
    family_name(metrics.RECIPROCAL_RANKS): "mrr@20",
    family_name(metrics.GAINS): "ndcg@20",
    family_name(metrics.HITS): "hr@",
    family_name(metrics.COHORT_SHOWN): _ENTRIES,
    family_name(metrics.COHORT_TAPPED): _TAPPED,
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
        self.explored: dict[str, dict[str, dict[str, float]]] = {}
        """By strategy, how many tracks explored entries stand for, and those tapped, by cohort."""
        for page in pages:
            for family in page:
                if family.name in _NAMES:
                    self._add(family)
                elif family.name == _SHOWN:
                    self._add_shown(family)
                elif family.name in _EXPLORED:
                    self._add_explored(family)
        self.arms.sort(key=lambda arm: arm != DEFAULT)

    def _add(self, family: Metric) -> None:
        for row in totals(family):
            labels = row.labels
            name = _NAMES[family.name] + labels.get("k", "")
            if name == _TRIALS and labels["arm"] not in self.arms:
                self.arms.append(labels["arm"])
            _add_row(self._sums.setdefault((labels["list"], labels["arm"], name), {}), row)

    def _add_shown(self, family: Metric) -> None:
        for row in totals(family):
            labels = row.labels
            key = labels["arm"], labels["list"], labels["source"]
            actions = self.shown.setdefault(key, dict.fromkeys(ACTIONS, 0))
            actions[labels["action"]] = actions.get(labels["action"], 0) + round(row.value)

    def _add_explored(self, family: Metric) -> None:
        for row in totals(family):
            sums = self.explored.setdefault(row.labels["source"], {"tracks": {}, _TAPPED: {}})
            _add_row(sums[_EXPLORED[family.name]], row)

    @property
    def first(self) -> str:
        """The arm that others are compared with."""
        return self.arms[0] if self.arms else DEFAULT

    def trials(self, name: str, arm: str) -> int:
        """How often a list of an arm was tested."""
        return round(sum(self._of(name, arm, _TRIALS).values()))

    def estimate(self, name: str, arm: str, measure: str) -> Estimate | None:
        """A measure of a list of an arm; None without trials."""
        of = _ENTRIES if measure == _TAPPED else _TRIALS
        return _ratio(self._of(name, arm, measure), self._of(name, arm, of))

    def effect(self, name: str, arm: str) -> float:
        """The design effect of what was tapped of a list of an arm."""
        found = self.estimate(name, arm, _TAPPED)
        entries = sum(self._of(name, arm, _ENTRIES).values())
        return math.inf if found is None else design_effect(found, entries)

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


def accepted_rows(sums: ArmSums) -> list[Row]:
    """One row for each arm and list of which entries were on a screen: what share was tapped."""
    lists = {(name, arm != sums.first, arm) for arm, name, _ in sums.shown}
    return [
        {"list": name, "arm": arm, _TAPPED: _measured(sums, name, arm, _TAPPED)}
        for name, _, arm in sorted(lists)
    ]


def shown_rows(sums: ArmSums) -> list[Row]:
    """One row for each arm, list and source of which entries were on a screen, for JSON."""
    return [
        {
            "arm": arm,
            "list": name,
            "source": source,
            "shown": sum(actions.values()),
            **actions,
            "tapped_interval": _interval(actions, sums.effect(name, arm)),
        }
        for (arm, name, source), actions in sorted(sums.shown.items())
    ]


def accepted_table(rows: Sequence[Row]) -> Table:
    """What was tapped of the lists of each arm, and what the first arm has more."""
    table = Table(title="Acceptance: entries tapped, of 100 on a screen")
    for heading in ("list", "arm", "tapped", "against the first arm"):
        table.add_column(heading, justify="right" if heading == _TAPPED else "left")
    for row in rows:
        tapped = row[_TAPPED]
        table.add_row(row["list"], row["arm"], _cell(tapped), _said(tapped))
    return table


def shown_table(rows: Sequence[Row]) -> Table:
    """The same by source, with what was dismissed."""
    table = Table(title="Acceptance by source: what listeners did with the entries they saw")
    for heading in ("arm", "list", "source"):
        table.add_column(heading)
    for heading in ("shown", "tapped", "interval", "dismissed"):
        table.add_column(heading, justify="right")
    for row in rows:
        tapped, dismissed = (f"{100 * row[action] / row['shown']:.1f} %" for action in ACTIONS[1:])
        ends = row["tapped_interval"]
        interval = "–" if ends is None else " to ".join(f"{100 * end:.1f}" for end in ends)
        about = row["arm"], row["list"], row["source"]
        table.add_row(*about, f"{row['shown']:,}", tapped, interval, dismissed)
    return table


def explored_rows(sums: ArmSums) -> list[Row]:
    """One row for each strategy of exploring, for JSON: which share of its tracks is accepted."""
    rows = []
    for strategy, found in sorted(sums.explored.items()):
        acceptance = _ratio(found[_TAPPED], found["tracks"])
        if acceptance is not None:
            totals_of = {name: sum(cohorts.values()) for name, cohorts in found.items()}
            value, margin = acceptance.value, finite_margin(acceptance)
            rows.append({"strategy": strategy, **totals_of, "acceptance": value, "margin": margin})
    return rows


def explored_table(rows: Sequence[Row]) -> Table:
    """The same for people."""
    table = Table(title="Exploration: of 100 tracks that might have been drawn")
    table.add_column("strategy")
    for heading in ("tracks", "tapped"):
        table.add_column(heading, justify="right")
    for row in rows:
        tapped = _cell({"value": row["acceptance"], "margin": row["margin"]})
        table.add_row(row["strategy"], f"{row['tracks']:,.0f}", tapped)
    return table


def _add_row(cohorts: dict[str, float], row: MetricRow) -> None:
    cohort = row.labels["cohort"]
    cohorts[cohort] = cohorts.get(cohort, 0.0) + row.value


def _ratio(sums: Mapping[str, float], weights: Mapping[str, float]) -> Estimate | None:
    return rate([sums.get(cohort, 0.0) for cohort in weights], [*weights.values()])


def _interval(actions: Mapping[str, int], effect: float) -> tuple[float, float] | None:
    """Of the share tapped; None where nothing can be said."""
    if math.isinf(effect):
        return None
    return share(actions[_TAPPED], sum(actions.values()), effect=effect)


def _measured(sums: ArmSums, name: str, arm: str, measure: str) -> Row | None:
    found = sums.estimate(name, arm, measure)
    if found is None:
        return None
    row: Row = {"value": found.value, "margin": finite_margin(found)}
    first = sums.estimate(name, sums.first, measure)
    if arm != sums.first and first is not None:
        more = difference(found, first)
        row |= {"more": more.value, "more_margin": finite_margin(more), "said": verdict(more)}
    return row


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

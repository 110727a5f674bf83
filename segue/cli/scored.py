"""What `segue replay` says of its arms: their rates, and which differences are more than chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from rich.table import Table

from models.evaluate.comparing import Estimate
from models.evaluate.scores import QUESTIONS

if TYPE_CHECKING:
    from models.evaluate.prequential import Report

__all__ = ["difference_text", "differences_table", "scores_table"]

_ASKED: Final = "new: a track new to the listener; any: repeats included"


def scores_table(report: Report, title: str) -> Table:
    """Rates of each arm, HR@10 with its interval of 95 %. Fits in 80 columns."""
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in report.outcomes.items())
    table = Table(title=f"{title} ({outcomes or 'none'})", caption=_ASKED)
    table.add_column("")
    table.add_column("arm", no_wrap=True)
    for heading in ("trials", "HR@10", "HR@20", "MRR@20", "NDCG@20"):
        table.add_column(heading, justify="right")
    for question in QUESTIONS:
        for arm, scores in report.scores.items():
            score = scores[question]
            hr10, *rates = [f"{rate:.4f}" for rate in score.rates.values()]
            if score.hits10:  # no hit at all says nothing of how far cohorts differ
                hr10 += _margin(report.hr10(arm, question))
            table.add_row(question, arm, f"{score.trials:,}", hr10, *rates)
        table.add_section()
    return table


def differences_table(report: Report) -> Table:
    """What each further arm has more than the first, on the same plays."""
    table = Table(title=f"HR@10 against {report.first}")
    for heading in ("", "arm", "difference"):
        table.add_column(heading, no_wrap=True)
    for question in QUESTIONS:
        for arm in report.scores:
            if (more := report.more(arm, question)) is not None:
                table.add_row(question, arm, difference_text(more))
        table.add_section()
    return table


def difference_text(found: Estimate) -> str:
    """A difference of HR@10, and whether it may be chance.

    >>> difference_text(Estimate(0.0121, 0.0042)), difference_text(Estimate(-0.0011, 0.0042))
    ('+0.0121 ± 0.0042', '-0.0011 ± 0.0042, within chance')
    """
    if math.isinf(found.margin):
        return f"{found.value:+.4f}, too few listeners to tell"
    is_chance = found.low <= 0 <= found.high
    return f"{found.value:+.4f}{_margin(found)}{', within chance' if is_chance else ''}"


def _margin(found: Estimate | None) -> str:
    return "" if found is None or math.isinf(found.margin) else f" ± {found.margin:.4f}"

"""What `segue replay --tune` says: which settings it would change, and what that is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from models.evaluate.comparing import finite_margin
from segue.cli.scored import difference_text
from segue.config import Settings

if TYPE_CHECKING:
    from models.evaluate.tuning import Tuning

__all__ = ["current_values", "tuning_dict", "tuning_lines", "tuning_table"]


def current_values(settings: Settings) -> dict[str, float]:
    """The settings that are searched, as they are."""
    from models.evaluate.tuning import GRID

    return {name: getattr(settings, name) for name in GRID}


def tuning_table(tuning: Tuning, now: dict[str, float]) -> Table:
    """Every candidate as it did when it was last looked at, the longest in the race first."""
    table = Table(title=f"tuned on the first {tuning.plays:,} plays")
    for heading in (*map(_variable, now), "plays", "NDCG@20"):
        table.add_column(heading, justify="right", overflow="fold")
    for trial in tuning.trials:
        values = [f"{(trial.values or now)[name]:,}" for name in now]
        mark = " (as it is)" if not trial.values else ""
        table.add_row(*values, f"{trial.plays:,}", f"{trial.ndcg20:.4f}{mark}")
    return table


def tuning_lines(tuning: Tuning, now: dict[str, float]) -> list[str]:
    """What to change, and how much better it was on plays that had no say in it."""
    if tuning.chosen is None:
        return ["nothing to change: no candidate did better than the settings as they are"]
    changed = [name for name in now if tuning.chosen[name] != now[name]]
    lines = [f"{_variable(name)}: {now[name]} -> {tuning.chosen[name]}" for name in changed]
    for question in ("new", "any"):
        found = tuning.difference(question)
        if found is not None:
            lines.append(f"HR@10 {question}, on plays after them: {difference_text(found)}")
    return lines


def tuning_dict(tuning: Tuning, now: dict[str, float]) -> dict[str, Any]:  # Any: for JSON
    """The same for JSON."""
    chosen = tuning.chosen or now
    found = {question: tuning.difference(question) for question in ("new", "any")}
    return {
        "plays": tuning.plays,
        "settings": {_variable(name): {"now": now[name], "tuned": chosen[name]} for name in now},
        "hr@10": {
            question: {"difference": more.value, "margin": finite_margin(more)}
            for question, more in found.items()
            if more is not None
        },
        "trials": [
            {
                "settings": {_variable(k): v for k, v in (trial.values or now).items()},
                "plays": trial.plays,
                "ndcg@20": trial.ndcg20,
            }
            for trial in tuning.trials
        ],
    }


def _variable(name: str) -> str:
    return f"SEGUE_{name.upper()}"

"""What became of the events of a poll, as a metric."""

from collections.abc import Mapping

from segue.telemetry import metrics

__all__ = ["count_outcomes"]


def count_outcomes(agent: str, outcomes: Mapping[str, int]) -> None:
    """Count what became of an agent's events; before anything is awaited, so none is missed."""
    for outcome, count in outcomes.items():
        metrics.EVENTS.labels(agent, outcome).inc(count)

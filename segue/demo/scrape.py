"""Reads the workers' Prometheus metrics, as a monitoring system would, and adds them up."""

from __future__ import annotations

import asyncio
import http.client
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as MetricRow

from segue.telemetry import metrics

__all__ = [
    "Latency",
    "MetricsReader",
    "Sample",
    "family_name",
    "quantile_s",
    "read_pages",
    "totals",
]

TIMEOUT_S: Final = 2.0
_LOOPBACK: Final = "127.0.0.1"

Since = Literal["event", "append"]


def family_name(metric: MetricWrapperBase) -> str:
    """The name of a metric's family on the page; a counter's is without `_total`."""
    return next(iter(metric.describe())).name


_EVENTS: Final = family_name(metrics.EVENTS)
_PLAY_TO_LIST: Final = family_name(metrics.PLAY_TO_LIST)
_LAG: Final = family_name(metrics.LAG)
_HITS: Final = family_name(metrics.HITS)
_TRIALS: Final = family_name(metrics.TRIALS)
_HELD: Final = family_name(metrics.HELD)
_SUSPECTED: Final = family_name(metrics.SUSPECTED)

Buckets = dict[float, float]
"""Upper bound in seconds (infinity included) to the number of observations not above it."""


@dataclass(slots=True)
class Sample:
    """The sums over all workers at one time. Counters count from the start of each worker."""

    at_s: float
    workers: int = 0
    outcomes: dict[str, float] = field(default_factory=dict)
    """Plays by outcome: applied, duplicate, late ..."""
    latency: dict[str, Buckets] = field(default_factory=dict)
    """Play to list, by what it counts from: `event` or `append`."""
    lag: float = 0.0
    hits: dict[str, float] = field(default_factory=dict)
    """Plays among the first ten of a list, by list, in all arms."""
    trials: float = 0.0
    """Plays that `next` was tested by."""
    held: dict[str, float] = field(default_factory=dict)
    """Plays held back, by reason."""
    suspected: float = 0.0

    @property
    def plays(self) -> float:
        """All plays that were taken in, whatever became of them."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles of the plays between two samples, in milliseconds; None without plays."""

    p50_ms: float | None
    p99_ms: float | None

    @classmethod
    def between(cls, earlier: Sample, later: Sample, since: Since) -> Latency:
        """What was observed after `earlier` and up to `later`."""
        before, after = earlier.latency.get(since, {}), later.latency.get(since, {})
        buckets = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
        return cls(_ms(quantile_s(buckets, 0.5)), _ms(quantile_s(buckets, 0.99)))


class MetricsReader:
    """Reads /metrics of the workers at some loopback ports."""

    def __init__(self, ports: Sequence[int], *, plays_agent: str) -> None:
        self._ports = tuple(ports)
        self._plays_agent = plays_agent

    async def read(self, at_s: float) -> Sample:
        """One sample. A worker that does not answer within 2 s is left out of it."""
        sample = Sample(at_s)
        for page in await read_pages([(_LOOPBACK, port) for port in self._ports]):
            sample.workers += 1
            self._add(sample, page)
        return sample

    def _add(self, sample: Sample, families: Iterable[Metric]) -> None:
        for family in families:
            if family.name == _EVENTS:
                self._add_outcomes(sample, family)
            elif family.name == _PLAY_TO_LIST:
                _add_latency(sample, family)
            elif family.name == _LAG:
                sample.lag += sum(row.value for row in family.samples)
            elif family.name == _HITS:
                for row in totals(family):
                    if row.labels["k"] == "10":
                        name = row.labels["list"]
                        sample.hits[name] = sample.hits.get(name, 0.0) + row.value
            elif family.name == _HELD:
                for row in totals(family):
                    reason = row.labels["reason"]
                    sample.held[reason] = sample.held.get(reason, 0.0) + row.value
            elif family.name == _SUSPECTED:
                sample.suspected += sum(row.value for row in totals(family))
            elif family.name == _TRIALS:
                next_rows = (row for row in totals(family) if row.labels["list"] == "next")
                sample.trials += sum(row.value for row in next_rows)

    def _add_outcomes(self, sample: Sample, family: Metric) -> None:
        for row in totals(family):
            if row.labels["agent"] == self._plays_agent:
                outcome = row.labels["outcome"]
                sample.outcomes[outcome] = sample.outcomes.get(outcome, 0.0) + row.value


def quantile_s(buckets: Buckets, share: float) -> float | None:
    """The quantile of cumulative buckets, linear within one, as Prometheus computes it.

    Beyond the last finite bound it is that bound: a lower limit. None without observations.

    >>> quantile_s({0.01: 50.0, 0.02: 100.0, math.inf: 100.0}, 0.75)
    0.015
    """
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] <= 0:
        return None
    wanted, low_s, below = share * buckets[bounds[-1]], 0.0, 0.0
    for bound_s in bounds:
        count = buckets[bound_s]
        if count >= wanted:
            if math.isinf(bound_s):
                return low_s
            return low_s + (bound_s - low_s) * (wanted - below) / max(count - below, 1e-12)
        low_s, below = bound_s, count
    return low_s


async def read_pages(workers: Sequence[tuple[str, int]]) -> list[list[Metric]]:
    """The metrics of the workers, by host and port, that answer within 2 s."""
    pages = await asyncio.gather(*(asyncio.to_thread(_page, *worker) for worker in workers))
    return [page for page in pages if page is not None]


def totals(family: Metric) -> Iterable[MetricRow]:
    """The counts of a counter, without the times when they were made."""
    return (row for row in family.samples if row.name.endswith("_total"))


def _add_latency(sample: Sample, family: Metric) -> None:
    for row in family.samples:
        if row.name.endswith("_bucket"):
            buckets = sample.latency.setdefault(row.labels["since"], {})
            bound_s = float(row.labels["le"])
            buckets[bound_s] = buckets.get(bound_s, 0.0) + row.value


def _page(host: str, port: int) -> list[Metric] | None:
    """The metrics of one worker, parsed: that takes 5 ms, so it is done in the thread as well."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        if response.status != http.client.OK:
            return None
        return list(text_string_to_metric_families(response.read().decode()))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000.0 * seconds

"""Every metric of Segue, declared once: name, help, labels, the panel that shows it.

Names are `segue_noun_unit[_total]` in base units. Label values are few and known (topics, stages,
outcomes), never a listener or a track. All live in `REGISTRY`, our own, so that a page shows
nothing that a library registered; the process's memory and CPU are added on purpose.
`PANELS` names the dashboard panel that owns each metric, and docs/reference/metrics.md is
generated from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
)
from prometheus_client.metrics import MetricWrapperBase

__all__ = ["METRICS", "PANELS", "REGISTRY", "metric_name"]

REGISTRY: Final = CollectorRegistry()
METRICS: Final[dict[str, MetricWrapperBase]] = {}
"""Every metric by its full name."""
PANELS: Final[dict[str, str]] = {}
"""The dashboard panel of every metric, by its full name."""

_WAITS_S: Final = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
_CALLS_S: Final = (
    *(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 30.0),
)

MetricT = TypeVar("MetricT", bound=MetricWrapperBase)


def _owned(metric: MetricT, panel: str) -> MetricT:
    name = metric_name(metric)
    METRICS[name] = metric
    PANELS[name] = panel
    return metric


def metric_name(metric: MetricWrapperBase) -> str:
    """Return the full name as a query uses it; a counter's ends in `_total`."""
    name = next(iter(metric.describe())).name
    return f"{name}_total" if isinstance(metric, Counter) else name


def _counter(name: str, doc: str, panel: str, labels: Sequence[str] = ()) -> Counter:
    return _owned(Counter(name, doc, labels, registry=REGISTRY), panel)


def _gauge(name: str, doc: str, panel: str, labels: Sequence[str] = ()) -> Gauge:
    return _owned(Gauge(name, doc, labels, registry=REGISTRY), panel)


def _histogram(
    name: str, doc: str, panel: str, labels: Sequence[str] = (), *, buckets: Sequence[float]
) -> Histogram:
    return _owned(Histogram(name, doc, labels, registry=REGISTRY, buckets=buckets), panel)


# ---------------------------------------------------------------- events
EVENTS: Final = _counter(
    "segue_events_total",
    "Events handled, each counted with exactly one outcome.",
    "Throughput",
    ("agent", "outcome"),
)
FORWARDED: Final = _counter(
    "segue_forwarded_events_total",
    "Events that arrived in another partition than their key's and were sent to their own.",
    "Throughput",
    ("topic",),
)
DEAD_LETTERS: Final = _counter(
    "segue_dead_letters_total",
    "Messages that could not be read and went to the dead letters.",
    "Bad messages",
    ("topic", "reason"),
)
PAUSED: Final = _gauge(
    "segue_partitions_paused",
    "Partitions that stand still because too many of their messages are bad.",
    "Bad messages",
    ("topic",),
)
PLAY_TO_LIST: Final = _histogram(
    "segue_play_to_list_seconds",
    "From a play to the lists that follow from it in Redis, since the play ended on the device "
    "(event) or since Kafka stored it (append).",
    "Latency",
    ("since",),
    buckets=_WAITS_S,
)

# ---------------------------------------------------------------- partitions and state
LAG: Final = _gauge(
    "segue_lag_records",
    "Records that wait in this worker's partitions of a topic.",
    "Lag",
    ("topic",),
)
ASSIGNED: Final = _gauge(
    "segue_partitions_assigned", "Partitions this worker has of a stage.", "Lag", ("stage",)
)
STATE: Final = _gauge(
    "segue_state_entries", "Keys that this worker's state holds.", "State", ("state",)
)
EVICTIONS: Final = _counter(
    "segue_state_evictions_total",
    "Keys dropped from state because it was full.",
    "State",
    ("state",),
)
STATEMENTS_FORGOTTEN: Final = _counter(
    "segue_statements_forgotten_total",
    "Likes, blocks and the like that gave way to newer ones of their listener.",
    "State",
)
RESTORE: Final = _counter(
    "segue_restore_records_total",
    "Changelog records from which state was restored.",
    "State",
    ("state",),
)
RESTORE_SECONDS: Final = _histogram(
    "segue_restore_seconds",
    "Time to restore the state of one partition.",
    "State",
    buckets=(0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 300.0),
)
BROADCAST: Final = _counter(
    "segue_broadcast_records_total",
    "Records of topics that every worker reads whole: applied, deleted (their value is empty) or "
    "bad (not readable, skipped).",
    "State",
    ("topic", "outcome"),
)

# ---------------------------------------------------------------- writing
FLUSH: Final = _histogram(
    "segue_flush_seconds",
    "Time of one transaction: changelog, outputs and offsets.",
    "Writing",
    ("group",),
    buckets=_CALLS_S,
)
FLUSHED: Final = _counter(
    "segue_flushed_records_total",
    "Records written to Kafka by committed transactions.",
    "Writing",
    ("group",),
)
REDIS_WRITE: Final = _histogram(
    "segue_redis_write_seconds", "Time of one batch's write to Redis.", "Writing", buckets=_CALLS_S
)
REDIS_KEYS: Final = _counter(
    "segue_redis_keys_total",
    "Values sent to Redis: written, or refused because Redis holds a newer one.",
    "Writing",
    ("kind", "outcome"),
)
REDIS_RETRIES: Final = _counter(
    "segue_redis_retries_total", "Writes to Redis that failed and were tried again.", "Writing"
)

# ---------------------------------------------------------------- quality
_TRIED: Final = ("arm", "list", "cohort")
TRIALS: Final = _counter(
    "segue_prequential_trials_total",
    "Plays that a list served before could have held: `next`; `discover`, if the track was new to "
    "the listener; `popular`, the market's most played tracks, for comparison.",
    "Quality",
    _TRIED,
)
HITS: Final = _counter(
    "segue_prequential_hits_total",
    "Those of the trials whose track was among the first k of the list.",
    "Quality",
    (*_TRIED, "k"),
)
RECIPROCAL_RANKS: Final = _counter(
    "segue_prequential_reciprocal_ranks_total",
    "Sum over the trials of 1 / place, for places up to 20: by the trials, MRR@20.",
    "Quality",
    _TRIED,
)
GAINS: Final = _counter(
    "segue_prequential_gains_total",
    "Sum over the trials of 1 / log2(place + 1), for places up to 20: by the trials, NDCG@20.",
    "Quality",
    _TRIED,
)
SHOWN: Final = _counter(
    "segue_entries_shown_total",
    "Entries of lists that were on a screen, by what became of them: seen, tapped or dismissed.",
    "Quality",
    ("arm", "list", "source", "action"),
)
# Apart, and not with the labels above: 16 cohorts of each would be a thousand series an arm.
COHORT_SHOWN: Final = _counter(
    "segue_cohort_entries_shown_total",
    "The entries shown of an arm's list, by cohort of the listeners: what intervals follow from.",
    "Quality",
    _TRIED,
)
COHORT_TAPPED: Final = _counter(
    "segue_cohort_entries_tapped_total",
    "Those of them that were tapped.",
    "Quality",
    _TRIED,
)
EXPLORED: Final = _counter(
    "segue_explored_weight_total",
    "Tracks that the explored entries seen, tapped or dismissed stand for: sum of 1 / propensity, "
    "each at most that of one track of 1,000; by cohort of the listeners.",
    "Quality",
    ("source", "cohort"),
)
EXPLORED_TAPPED: Final = _counter(
    "segue_explored_tapped_weight_total",
    "The same of those that were tapped: by the other, a strategy's acceptance.",
    "Quality",
    ("source", "cohort"),
)
RECENT_HITS: Final = _gauge(
    "segue_prequential_recent_hits_ratio",
    "HR@10 of late: since it last changed for good (ADWIN's window).",
    "Quality",
    ("arm", "list"),
)
QUALITY_DRIFTS: Final = _counter(
    "segue_quality_drifts_total",
    "Times that HR@10 changed for good, up or down, as ADWIN sees it.",
    "Quality",
    ("arm", "list"),
)

TREND_SHIFTS: Final = _counter(
    "segue_trend_shifts_total",
    "Times that plays were seen to turn away from what leads in a market.",
    "Quality",
)

# ---------------------------------------------------------------- fraud
HELD: Final = _counter(
    "segue_held_plays_total",
    "Plays kept out of what others get, by the first reason: a listener with more listening than "
    "time (overlap), without rest (restless), of plays cut short (cut) or of the same few tracks "
    "for days (loop); or the play alone (repeat).",
    "Fraud",
    ("reason",),
)
SUSPECTED: Final = _counter(
    "segue_suspected_listeners_total",
    "How often a listener came to be suspected, by reason.",
    "Fraud",
    ("reason",),
)
TRUSTED: Final = _counter(
    "segue_trusted_again_listeners_total",
    "How often nothing was held against a suspected listener any more.",
    "Fraud",
)
ANOMALY: Final = _histogram(
    "segue_listener_anomaly_score_ratio",
    "How unusual listeners drawn at random listen, from 0 to 1, by half-space trees; acted on by "
    "nothing.",
    "Fraud",
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
)

# ---------------------------------------------------------------- process
LOOP_DELAY: Final = _histogram(
    "segue_loop_delay_seconds",
    "How much later than asked the event loop woke up: what everything on it waits at least.",
    "Process",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)

ProcessCollector(namespace="segue", registry=REGISTRY)
GCCollector(registry=REGISTRY)

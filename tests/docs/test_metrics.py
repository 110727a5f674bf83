"""Every metric has a name by the rules, help, a panel and code that moves it."""

import re
from pathlib import Path

import pytest
from prometheus_client import Counter, Histogram

from segue.telemetry import metrics
from segue.telemetry.metrics import METRICS, PANELS, REGISTRY, metric_name
from segue.telemetry.reference import label_names

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "metrics.md"
LABELS = {
    *("agent", "outcome", "since", "topic", "state", "stage", "group", "kind", "reason", "arm"),
    *("list", "cohort", "k", "source", "action"),
}
"""Labels whose values are few by construction."""
UNITS = ("seconds", "bytes", "records", "entries", "assigned", "paused", "ratio")


def test_every_metric_of_the_registry_file_is_declared() -> None:
    constants = {id(value) for name, value in vars(metrics).items() if name.isupper()}
    assert [name for name, metric in METRICS.items() if id(metric) not in constants] == []
    assert METRICS.keys() == PANELS.keys()


@pytest.mark.parametrize("name", METRICS)
def test_name_is_lower_case_and_ends_with_a_unit_or_total(name: str) -> None:
    assert re.fullmatch(r"segue(_[a-z]+)+", name)
    is_counter = isinstance(METRICS[name], Counter)
    assert name.endswith("_total") if is_counter else name.endswith(UNITS)


@pytest.mark.parametrize("name", METRICS)
def test_metric_has_help_and_panel(name: str) -> None:
    (family,) = METRICS[name].describe()
    assert family.documentation.endswith(".")
    assert PANELS[name]


@pytest.mark.parametrize("name", METRICS)
def test_labels_are_bounded(name: str) -> None:
    assert set(label_names(METRICS[name])) <= LABELS


@pytest.mark.parametrize("name", METRICS)
def test_metric_is_on_the_page_with_its_labels(name: str) -> None:
    (row,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{name}` ")]
    assert all(f"`{label}`" in row for label in label_names(METRICS[name]))


def test_every_metric_is_moved_by_some_code() -> None:
    readers = {ROOT / "segue" / "demo", ROOT / "segue" / "cli"}
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for top in ("streams", "agents", "segue")
        for path in (ROOT / top).rglob("*.py")
        if path.name != "metrics.py" and not readers.intersection(path.parents)
    )
    constants = {id(value): name for name, value in vars(metrics).items() if name.isupper()}
    unmoved = [
        name
        for name, metric in METRICS.items()
        if not re.search(rf"\b{constants[id(metric)]}\.(labels|inc|dec|observe|set)\(", code)
    ]
    assert unmoved == []


def test_buckets_of_latency_reach_from_1_ms_to_60_s() -> None:
    histogram = metrics.PLAY_TO_LIST
    assert isinstance(histogram, Histogram)
    bounds = [bound for bound in histogram._upper_bounds if bound != float("inf")]
    assert (bounds[0], bounds[-1]) == (0.001, 60.0)


def test_registry_is_our_own() -> None:
    names = {family.name for family in REGISTRY.collect()}
    assert metric_name(metrics.REDIS_RETRIES).removesuffix("_total") in names
    assert {name for name in names if not name.startswith(("segue_", "python_gc_"))} == set()

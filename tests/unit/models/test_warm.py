from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import numba
import pytest

from models.recommend import ListenerLimits, RowCache, warm
from models.recommend.laws.driving import keep_last, restore
from models.recommend.pipeline import Pipeline
from schemas.events import PlayEvent
from schemas.frames import decode_pairs, decode_trend_counts, encode_pairs, encode_trend_counts
from segue.testing.stage_a import said

KERNELS = ("grouping", "listening", "ring", "rows", "serving", "table", "trending")


def compiled() -> dict[str, int]:
    """How many signatures of each kernel are compiled in this process."""
    counts = {}
    for name in KERNELS:
        module = import_module(f"models.recommend.kernels.{name}")
        for attribute, value in vars(module).items():
            if isinstance(value, numba.core.registry.CPUDispatcher):
                counts[attribute] = len(value.signatures)
    return counts


def test_after_warming_nothing_is_compiled_on_the_way() -> None:
    warm()
    before = compiled()
    pipeline = Pipeline(ListenerLimits(listeners_max=3))
    events = [
        PlayEvent(
            f"e{i}", f"u{i % 5}", f"t{i % 7}", 1_700_000_000_000 + i, 1, 1, "finished", market="SE"
        )
        for i in range(50)
    ]
    for at in range(0, 50, 10):
        learned = pipeline.learn(events[at : at + 10])
        pipeline.listeners.apply_feedback([said("block_track", "t1", "u1")])
        for pairs in pipeline.listeners.drain_pairs(lambda name: len(name) % 2).values():
            pipeline.neighbours.learn(decode_pairs(encode_pairs(pairs)))
        for counts in pipeline.listeners.drain_trend_counts():
            pipeline.trends.learn(decode_trend_counts(encode_trend_counts(counts)))
        pipeline.recommend(learned.touched)
        cache = RowCache(pipeline.vocabulary)
        pipeline.recommender.rows = cache
        pipeline.recommend(learned.touched)
        pipeline.recommender.rows = pipeline.neighbours
    pipeline.neighbours.drain_published(10)
    for state in (pipeline.listeners, pipeline.neighbours, pipeline.trends):
        changelog: dict[bytes, bytes | None] = {}
        keep_last(changelog, state.changes())
        restore(state, changelog)
    assert compiled() == before
    assert sum(before.values()) > 10


def test_after_warming_nothing_is_imported_on_the_way() -> None:
    code = """if True:
        import sys
        from models.recommend import warm
        warm()
        before = {*sys.modules}
        from models.recommend.forest import ConductForest
        from models.recommend.shifts import ShareDetector
        ConductForest().score([0.0] * 8)
        ShareDetector().update(0.5)
        print("river" in before, {*sys.modules} - before)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True set()", done.stdout


@pytest.mark.parametrize("module", ["river", "matplotlib", "pyarrow", "faust", "torch", "asyncio"])
def test_importing_the_recommender_does_not_import(module: str) -> None:
    code = f"import models.recommend, sys; print({module!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False", done.stdout

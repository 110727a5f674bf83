"""What the recommender's model costs, without Kafka and Redis: microseconds on one core.

    python -m bench.recommend_model [--json FILE]

A made-up log (20,000 tracks by Zipf's law, 10,000 listeners in sessions) goes through the stages in
batches of 1,000 plays. Each figure is CPU time, the median of rounds after the code was compiled
and the first half of the log was learned.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from models.recommend import (
    ListenerState,
    NeighbourState,
    Recommender,
    RowCache,
    TrendState,
    Vocabulary,
    warm,
)
from models.recommend.vectors import VectorState
from schemas.events import PlayEvent
from schemas.frames import PairsFrame, TrendCountsFrame
from schemas.murmur2 import partition_of
from schemas.outputs import encode_list, encode_similar, format_version

PLAYS, BATCH, TRACKS, LISTENERS = 200_000, 1_000, 20_000, 10_000
PARTITIONS = 4
VERSION = format_version(0, 0)

T = TypeVar("T")


class Stopwatch:
    """Microseconds per item of each step, kept per round."""

    def __init__(self) -> None:
        self.costs: dict[str, list[float]] = {}
        self.keep = False

    def time(self, name: str, items: int, step: Callable[[], T]) -> T:
        """Run a step and note what it cost per item, if keeping."""
        started_ns = time.process_time_ns()
        result = step()
        if self.keep and items:
            cost_us = (time.process_time_ns() - started_ns) / 1000 / items
            self.costs.setdefault(name, []).append(cost_us)
        return result

    def medians(self) -> dict[str, float]:
        """The median of each step."""
        return {name: round(statistics.median(costs), 3) for name, costs in self.costs.items()}


def made_up_plays() -> list[PlayEvent]:
    """Listeners who stay in a region of the catalogue for a session of about ten plays."""
    rng = np.random.default_rng(7)
    region = rng.integers(0, 200, LISTENERS)
    popular = np.minimum(rng.zipf(1.2, PLAYS), TRACKS) - 1
    listeners = rng.integers(0, LISTENERS, PLAYS)
    near = rng.random(PLAYS) < 0.7
    plays = []
    for i in range(PLAYS):
        listener = int(listeners[i])
        place = int(region[listener]) * 100 + int(popular[i]) % 100
        track = place if near[i] else int(popular[i])
        plays.append(
            PlayEvent(
                event_id=f"play-{i:012d}",
                user_id=f"listener-{listener:07d}",
                track_id=f"track-{track:07d}",
                started_at_ms=1_700_000_000_000 + i * 50,
                played_ms=180_000,
                duration_ms=200_000,
                end_reason="finished",
                artist=f"Artist {track % 4000}",
                market=("SE", "DE", "FR", "BR")[listener % 4],
            )
        )
    return plays


class Pipeline:
    """All stages in one process, one partition each, timed step by step."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch
        vocabulary = Vocabulary()
        self.listeners = ListenerState(vocabulary)
        self.neighbours = NeighbourState(vocabulary)
        self.trends = TrendState(vocabulary)
        self.cache = RowCache(vocabulary)
        self.vectors = VectorState(vocabulary)
        self.recommender = Recommender(vocabulary, self.cache, tastes=self.vectors)
        self.now_s = 0.0

    def step(self, plays: Sequence[PlayEvent]) -> None:
        """One batch through everything."""
        time_it, count = self.watch.time, len(plays)
        self.fetch(plays)
        learned = time_it(
            "learn and train, per play",
            count,
            lambda: self.listeners.learn(plays, lists=self.recommender),
        )
        self.serve(learned.touched)
        frames = time_it(
            "drain_pairs, per play",
            count,
            lambda: self.listeners.drain_pairs(lambda name: partition_of(name.encode(), 4)),
        )
        counts = time_it("drain_trend_counts, per play", count, self.listeners.drain_trend_counts)
        time_it("NeighbourState.learn, per play", count, lambda: self.learn_rows(frames))
        time_it("TrendState.learn, per play", count, lambda: self.learn_trends(counts))
        found = self.listeners.drain_discoveries()
        if found is not None:
            size = len(found.track)
            time_it("VectorState.learn, per discovery", size, lambda: self.vectors.learn(found))
        changes = time_it(
            "ListenerState.changes, per record", len(learned.touched), self.listeners.changes
        )
        assert len(changes) >= len(learned.touched) + 1, "and the rankers"

    def published(self, name: str) -> bytes | None:
        """A row as other workers read it."""
        row = self.neighbours.row(name, 50)
        if row is None:
            return None
        columns = (row.names, row.weights, row.forward, row.fading.astype(np.int64))
        return encode_similar(VERSION, name, at_ms=0, plays=row.plays, columns=columns)

    def fetch(self, plays: Sequence[PlayEvent]) -> None:
        """Rows for the listeners of a batch."""
        time_it, slot = self.watch.time, self.listeners.slot
        self.now_s += 0.05
        slots = [found for play in plays if (found := slot(play.user_id)) is not None]
        needs = time_it(
            "needs, per play",
            len(plays),
            lambda: self.recommender.needs(self.listeners, slots, plays),
        )
        tracks = np.unique(needs.rows)
        missing = time_it(
            "RowCache.missing, per row",
            len(tracks),
            lambda: self.cache.missing(tracks, self.now_s),
        )
        time_it(
            "RowCache.put_own, per row",
            len(missing),
            lambda: self.cache.put_own(missing, self.neighbours.source, self.now_s),
        )
        names = [self.cache.vocabulary.names[track] for track in missing.tolist()]
        raw = [(name, self.published(name)) for name in names]
        time_it("RowCache.put, per row", len(raw), lambda: self.put(raw))

    def serve(self, touched: list[int]) -> None:
        """Lists and their JSON for the listeners of a batch."""
        time_it, count = self.watch.time, len(touched)
        lists = time_it(
            "recommend, per listener",
            count,
            lambda: self.recommender.recommend(self.listeners, touched),
        )
        encoded = time_it(
            "encode both lists, per listener",
            count,
            lambda: [
                (
                    encode_list(
                        VERSION,
                        user,
                        kind="next",
                        arm=arm,
                        at_ms=0,
                        session=session,
                        columns=following,
                    ),
                    encode_list(
                        VERSION,
                        user,
                        kind="discover",
                        arm=arm,
                        at_ms=0,
                        session=session,
                        columns=discover,
                    ),
                )
                for user, arm, session, following, discover, _ in lists
            ],
        )
        assert len(encoded) == count

    def put(self, rows: list[tuple[str, bytes | None]]) -> None:
        """Give the cache what was fetched."""
        for name, row in rows:
            self.cache.put(name, row, self.now_s)

    def learn_rows(self, frames: dict[int, PairsFrame]) -> None:
        """Stage B, for all partitions."""
        for frame in frames.values():
            self.neighbours.learn(frame)

    def learn_trends(self, counts: list[TrendCountsFrame]) -> None:
        """Stage C."""
        for frame in counts:
            self.trends.learn(frame)
        for market in self.trends.drain_dirty_markets():
            names, scores = self.trends.trending(market, "day", 100)
            self.recommender.set_trending(market, names, scores.tolist())


def measure_records(pipeline: Pipeline, watch: Stopwatch) -> None:
    """Snapshot and restore of whole states, and publishing."""
    neighbours = pipeline.neighbours
    records = neighbours.changes()
    pipeline.trends.changes()
    neighbours.mark_all_published_dirty()
    watch.time("drain_published, per row", 1000, lambda: neighbours.drain_published(1000))
    changes = whole_listeners(pipeline.listeners)
    for _ in range(3):
        restored = restore(NeighbourState(Vocabulary()), records, watch)
        assert restored == len(neighbours)
        assert restore(ListenerState(Vocabulary()), changes, watch) == len(changes)


def whole_listeners(state: ListenerState) -> list[tuple[bytes, bytes | None]]:
    """A record of every listener."""
    state.arrays.dirty[: len(state)] = 1
    state.arrays.counters[0] = len(state)
    return state.changes()


def restore(
    state: ListenerState | NeighbourState,
    records: list[tuple[bytes, bytes | None]],
    watch: Stopwatch,
) -> int:
    """Read a changelog into empty state; returns the keys it holds then."""

    def read() -> None:
        for key, value in records:
            state.restore(key, value)

    watch.time(f"{type(state).__name__}.restore, per record", len(records), read)
    return len(state)


def main() -> None:
    """Print the figures, and write them if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    started_s = time.perf_counter()
    warm()
    warm_s = time.perf_counter() - started_s
    plays = made_up_plays()
    watch = Stopwatch()
    pipeline = Pipeline(watch)
    for at in range(0, PLAYS, BATCH):
        watch.keep = at >= PLAYS // 2
        pipeline.step(plays[at : at + BATCH])
    measure_records(pipeline, watch)
    figures = watch.medians()
    for name, cost_us in figures.items():
        print(f"{name:<40}{cost_us:>10.2f} us")
    report = {
        "benchmark": "recommend_model",
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "plays": PLAYS,
        "batch": BATCH,
        "warm_s": round(warm_s, 2),
        "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "microseconds": figures,
    }
    print(f"warm {report['warm_s']} s, {report['max_rss_mb']} MB at most")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

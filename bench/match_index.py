"""The index of prints on one core: size, speed, recall, stalls, snapshots, at 10⁶ and 10⁷ vectors.

    python -m bench.match_index [--json FILE] [--quick] [--sizes 1000000 10000000]

Made-up prints of 600 vectors (`bench.made_up_prints`); queries are 26 consecutive vectors of one,
each at cosine .69 of what it was. Recall is against the index itself while it is flat and exact.
No Kafka or Redis. Takes about 1 and 15 minutes of a core, and 0.6 and 3 GB of memory.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bench.made_up_prints import PER_TRACK, made_up_prints, made_up_queries
from bench.measure import Figure, Plan
from bench.report import as_json, machine, number, show
from models.fingerprint.prints import Print
from models.match.candidates import Hits
from models.match.index import MatchIndex

ENCODER = "none"
QUERY, K, QUERIES, EXACT_QUERIES = 26, 20, 200, 20
PER_HOUR = 4 * 3600
NEIGHBOURS = 2  # windows away that vote for the same place
FRESH = 100  # tracks that come while it is merged
STALL_MAX_S = 1.0

T = TypeVar("T")
Say = Callable[[str], None]


def timed(step: Callable[[], T]) -> tuple[float, T]:
    """Seconds that a step took, and what it gave."""
    started_s = time.perf_counter()
    result = step()
    return time.perf_counter() - started_s, result


class Bench:
    """One size, step after step; each step leaves figures."""

    def __init__(self, count: int, say: Say) -> None:
        self.count = count
        self.tracks = count // PER_TRACK
        self.figures: list[Figure] = []
        self.index = MatchIndex(ENCODER)
        self.rng = np.random.default_rng(3)
        self.say = say

    def note(self, name: str, unit: str, *runs: float, most: float | None = None) -> None:
        """Keep a figure."""
        self.say(f"{name}: {number(float(np.median(runs)))} {unit}")
        self.figures.append(Figure(f"{self.count:,} vectors: {name}", unit, runs, target_max=most))

    def run(self) -> list[Figure]:
        """All steps."""
        self.fill()
        starts = self.rng.integers(0, PER_TRACK - QUERY, QUERIES)
        tracks = self.rng.integers(0, self.tracks, QUERIES)
        queries = [self.query(*each) for each in zip(tracks.tolist(), starts.tolist(), strict=True)]
        flat_ms, exact = self.searched(queries[:EXACT_QUERIES])
        self.note("search of 26 before the merge, p50", "ms", float(np.median(flat_ms)))
        self.note("first merge", "s", timed(self.index.merge)[0])
        self.sizes()
        times_ms, found = self.searched(queries)
        self.note("search of 26, p50", "ms", float(np.median(times_ms)))
        self.note("search of 26, p99", "ms", float(np.percentile(times_ms, 99)), most=300)
        self.recall(found, exact, tracks, starts)
        self.live(queries)
        self.snapshots()
        return self.figures

    def fill(self) -> None:
        """Add all tracks, some made at a time so that making them is not counted."""
        spent_s = 0.0
        for n, each in enumerate(made_up_prints(self.tracks, 1)):
            spent_s += timed(partial(self.index.add, f"track {n}", each))[0]
        self.note("added each second", "vectors", self.index.vector_count / spent_s)

    def query(self, track: int, start: int) -> NDArray[np.float32]:
        """26 vectors of a track in disguise."""
        return made_up_queries(self.printed(track).vectors[start : start + QUERY], track)

    def printed(self, track: int) -> Print:
        """The print of a track that is held."""
        slot = self.index.slot_of(f"track {track}")
        assert slot is not None, "a track that was added"
        found = self.index.print_of(slot)
        assert found is not None, "a track that was added"
        return found

    def searched(self, queries: Sequence[NDArray[np.float32]]) -> tuple[list[float], list[Hits]]:
        """Milliseconds and hits of each."""
        self.index.search(queries[0], K)
        found = [timed(partial(self.index.search, query, K)) for query in queries]
        return [1000 * spent_s for spent_s, _ in found], [hits for _, hits in found]

    def sizes(self) -> None:
        """Bytes of what is searched and of what is beside it."""
        sizes = self.index.sizes()
        each = sizes.searchable_bytes / (sizes.hot_count + sizes.cold_count)
        self.note("searchable", "bytes/vector", each)
        self.note("searchable, of an hour at 4 a second", "MB", each * PER_HOUR / 1e6, most=1.0)
        held = sizes.rescoring_bytes / self.index.vector_count
        self.note("re-scoring store", "bytes/vector", held)

    def recall(
        self,
        found: Sequence[Hits],
        exact: Sequence[Hits],
        tracks: NDArray[np.int64],
        starts: NDArray[np.int64],
    ) -> None:
        """How often the vector, or one beside it, is among the 20, and how much of the exact 20."""
        slots = [self.index.slot_of(f"track {track}") for track in tracks.tolist()]
        right = np.array(slots)[:, None, None]
        window = (starts[:, None] + np.arange(QUERY))[:, :, None]
        for name, far in (("vector itself", 0), (f"vector or {NEIGHBOURS} beside it", NEIGHBOURS)):
            for kind, every in (("", found), (" by exact search", exact)):
                hits = Hits(*map(np.stack, zip(*every, strict=True)))
                count = len(every)
                near = np.abs(hits.windows - window[:count]) <= far
                share = ((hits.references == right[:count]) & near).any(axis=2).mean()
                self.note(f"{name} among 20{kind}", "%", 100 * float(share))
        kept = [
            len(set(zip(*few, strict=True)) & set(zip(*all_, strict=True))) / K
            for some, whole in zip(found, exact, strict=False)
            for few, all_ in zip(_pairs(some), _pairs(whole), strict=True)
        ]
        self.note("of the exact 20 found", "%", 100 * float(np.mean(kept)))

    def live(self, queries: Sequence[NDArray[np.float32]]) -> None:
        """Adds, removals and searches by themselves, then while another thread merges."""
        index, fresh = self.index, [*made_up_prints(2 * FRESH, 2)]
        for n, each in enumerate(fresh[:FRESH]):
            index.add(f"fresh {n}", each)
        gone = [timed(partial(index.remove, [f"track {n}"]))[0] for n in range(FRESH)]
        self.note("remove a track, p99", "ms", 1000 * float(np.percentile(gone, 99)))
        spent_s, merging = 0.0, threading.Thread(target=index.merge)
        longest = {"search": 0.0, "add": 0.0, "remove": 0.0}
        started_s = time.perf_counter()
        merging.start()
        while merging.is_alive():
            for n in range(FRESH):
                steps: dict[str, Callable[[], object]] = {
                    "search": partial(index.search, queries[n], K),
                    "add": partial(index.add, f"fresher {n}", fresh[FRESH + n]),
                    "remove": partial(index.remove, [f"fresher {n - 5}"]),
                }
                for name, step in steps.items():
                    longest[name] = max(longest[name], timed(step)[0])
                spent_s = time.perf_counter() - started_s
                if not merging.is_alive():
                    break
        merging.join()
        self.note(f"merge of {PER_TRACK * FRESH:,} vectors beside searches", "s", spent_s)
        for name, most_s in longest.items():
            most_ms = 1000 * STALL_MAX_S
            self.note(f"longest {name} during the merge", "ms", 1000 * most_s, most=most_ms)

    def snapshots(self) -> None:
        """Save, save again after a track came, load and look."""
        index = self.index
        with TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
            path = Path(folder)
            self.note("first snapshot", "s", timed(lambda: index.save(path))[0])
            size = sum(each.stat().st_size for each in path.iterdir())
            self.note("snapshot", "MB", size / 1e6)
            index.add("one more", next(iter(made_up_prints(1, 9))))
            self.note("snapshot after another track", "s", timed(lambda: index.save(path))[0])
            spent_s, again = timed(lambda: MatchIndex.load(path, ENCODER))
            self.note("load", "s", spent_s, most=10)
            query = self.query(self.tracks - 1, 0)
            first_s, hits = timed(lambda: again.search(query, K))
            self.note("first search after it", "ms", 1000 * first_s)
            assert np.array_equal(hits.likeness, index.search(query, K).likeness), "as before"


def _pairs(hits: Hits) -> list[tuple[list[int], list[int]]]:
    return list(zip(hits.references.tolist(), hits.windows.tolist(), strict=True))


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="a tenth of the vectors")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**6, 10**7], help="vectors")
    arguments = parser.parse_args()
    plan, console = Plan(1, arguments.quick), Console(width=140)
    begin_s = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - begin_s:6.0f} s  {text}", highlight=False, markup=False)

    measured_on, figures = machine(), list[Figure]()
    for count in arguments.sizes:
        say(f"{plan.size(count):,} vectors")
        figures += Bench(plan.size(count), say).run()
    medians = [figure.median for figure in figures if figure.name.endswith("search of 26, p50")]
    if len(medians) > 1:
        growth = Figure("time of a search, largest by smallest", "×", (medians[-1] / medians[0],))
        figures.append(growth)
    show(console, figures, measured_on, plan=plan)
    if arguments.json is not None:
        arguments.json.write_bytes(as_json(figures, measured_on, plan))


if __name__ == "__main__":
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # it is read when NumPy is imported
        one_core = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        again = [sys.executable, "-m", "bench.match_index", *sys.argv[1:]]
        os.execve(sys.executable, again, one_core)
    main()

"""Dejavu (Drevo, 2013) by PyDejavu-Rollong: its landmarks and its alignment, in memory.

Its databases are servers; here a dictionary stands in for them. Nothing else is ours.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import numpy as np

warnings.filterwarnings("ignore", category=DeprecationWarning)  # it uses SciPy's old names

from dejavu import Dejavu  # noqa: E402
from dejavu.config.settings import DEFAULT_FS  # noqa: E402
from dejavu.logic.fingerprint import fingerprint  # noqa: E402
from scipy.signal import resample_poly  # noqa: E402

from bench.disguises.samples import RATE, Samples  # noqa: E402
from bench.fingerprinters.system import NONE, Answer  # noqa: E402

__all__ = ["VERSION", "DejavuPeer"]

VERSION: Final = f"PyDejavu-Rollong {version('PyDejavu-Rollong')}"


class _Memory:
    """What it asks of a database."""

    def __init__(self) -> None:
        self.places: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.totals: dict[int, int] = {}

    def return_matches(
        self, hashes: Sequence[tuple[str, int]]
    ) -> tuple[list[tuple[int, int]], dict[int, int]]:
        """Reference and offset of each match, and how many hashes matched in each reference."""
        asked: dict[str, list[int]] = defaultdict(list)
        for code, at in hashes:
            asked[code].append(at)
        matches: list[tuple[int, int]] = []
        matched: dict[int, int] = defaultdict(int)
        for code, ats in asked.items():
            for reference, there in self.places.get(code, ()):
                matched[reference] += 1
                matches += [(reference, there - at) for at in ats]
        return matches, matched

    def get_song_by_id(self, reference: int) -> dict[str, Any]:
        """Of a reference, what its answer repeats."""
        return {
            "song_name": str(reference),
            "total_hashes": self.totals[reference],
            "file_sha1": "",
        }


class DejavuPeer:
    """The score is the number of hashes that agree on an offset."""

    def __init__(self) -> None:
        self._dejavu = Dejavu.__new__(Dejavu)  # its constructor connects to a server
        self._memory = self._dejavu.db = _Memory()

    def fit(self, references: Sequence[Samples]) -> None:
        """Keep the hashes of each."""
        for i, samples in enumerate(references):
            hashes = set(_hashes(samples))
            self._memory.totals[i] = max(1, len(hashes))
            for code, at in hashes:
                self._memory.places[code].append((i, at))

    def ask(self, queries: Samples) -> list[Answer]:
        """Each on its own."""
        return [self._answer(query) for query in queries]

    def _answer(self, query: Samples) -> Answer:
        hashes = list(set(_hashes(query)))
        matches, matched, _ = self._dejavu.find_matches(hashes)
        if not matches:
            return NONE
        best = self._dejavu.align_matches(matches, matched, len(hashes), topn=1)[0]
        agreeing = matches.count((best["song_id"], best["offset"]))
        return Answer(int(best["song_id"]), float(best["offset_seconds"]), float(agreeing))


def _hashes(samples: Samples) -> list[tuple[str, int]]:
    sound = resample_poly(samples.astype(np.float32), DEFAULT_FS // 100, RATE // 100)
    found = fingerprint(np.clip(sound, -32_768, 32_767), Fs=DEFAULT_FS)
    return [(code, int(at)) for code, at in found]

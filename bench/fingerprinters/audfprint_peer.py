"""audfprint (Ellis, after Wang 2003) by its fork audfprint2: landmarks in a hash table.

Its settings are those of its command line, but for four shifts of each query, which it advises for
short ones, and a match of one hash, so that the score alone decides.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from audfprint2 import Analyzer, HashTable, Matcher
from audfprint2.core.analyzer import landmarks2hashes
from scipy.signal import resample_poly

from bench.disguises.samples import RATE, Samples
from bench.fingerprinters.system import NONE, Answer

__all__ = ["VERSION", "Audfprint"]

VERSION: Final = f"audfprint2 {version('audfprint2')}"
_SHIFTS: Final = 4
_DENSITY: Final = 20.0


class Audfprint:
    """The score is the number of hashes that agree on an offset."""

    def __init__(self) -> None:
        logging.disable(logging.INFO)
        random.seed(1)  # a full bucket keeps what chance says
        self._analyzer = Analyzer(density=_DENSITY)
        # Times are kept modulo 2^bits: 14 would alias after 380 s.
        self._table = HashTable(hashbits=20, depth=100, maxtime=1 << 15)
        self._matcher = Matcher()
        self._matcher.threshcount = 1
        self._matcher.window = 2  # its command line's

    def fit(self, references: Sequence[Samples]) -> None:
        """Store the hashes of each."""
        for i, samples in enumerate(references):
            hashes = self._hashes(samples, 1)
            self._table.store(str(i), [(int(at), int(code)) for at, code in hashes])

    def ask(self, queries: Samples) -> list[Answer]:
        """Each on its own."""
        return [self._answer(query) for query in queries]

    def _answer(self, query: Samples) -> Answer:
        hashes = self._hashes(query, _SHIFTS)
        if not len(hashes):
            return NONE
        found = self._matcher.match_hashes(self._table, hashes)
        if not len(found):
            return NONE
        which, count, frames = (int(number) for number in found[0][:3])
        step_s = self._analyzer.n_hop / self._analyzer.target_sr
        return Answer(int(self._table.names[which]), frames * step_s, float(count))

    def _hashes(self, samples: Samples, shifts: int) -> Any:  # Any: it is not typed for us
        rate, hop = self._analyzer.target_sr, self._analyzer.n_hop
        sound = resample_poly(samples.astype(np.float32) / 32_768, rate // 25, RATE // 25)
        parts = []
        for shift in range(shifts):
            peaks = self._analyzer.find_peaks(sound[shift * hop // shifts :], rate)
            if peaks:
                landmarks = self._analyzer.peaks2landmarks(peaks)
                if landmarks:
                    parts.append(landmarks2hashes(landmarks))
        if not parts:
            return np.zeros((0, 2), np.int32)
        return np.unique(np.concatenate(parts), axis=0)

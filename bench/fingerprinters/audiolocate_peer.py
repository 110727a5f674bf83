"""audiolocate: landmarks (Wang, 2003), one recording against another.

It has no index of many recordings: a query is matched with each of the references, and the most
agreeing hashes answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

import numpy as np
from audiolocate import AudioFingerprint
from scipy.signal import resample_poly

from bench.disguises.samples import RATE, Samples
from bench.fingerprinters.system import NONE, Answer

__all__ = ["VERSION", "Audiolocate"]

VERSION: Final = f"audiolocate {version('audiolocate')}"


class Audiolocate:
    """The score is the number of hashes that agree on an offset."""

    def __init__(self) -> None:
        self._engine = AudioFingerprint()
        self._tables: list[dict[int, list[int]]] = []

    def fit(self, references: Sequence[Samples]) -> None:
        """Hash each."""
        self._tables = [self._hashes(each) for each in references]

    def ask(self, queries: Samples) -> list[Answer]:
        """Each on its own."""
        return [self._answer(self._hashes(query)) for query in queries]

    def _answer(self, hashes: dict[int, list[int]]) -> Answer:
        best = NONE
        for i, table in enumerate(self._tables):
            found = self._engine.match(table, hashes)
            if found.match_count > best.score and found.match_count > 0:
                offset_s = found.offset_frames * self._engine.hop_length / self._engine.sr
                best = Answer(i, offset_s, float(found.match_count))
        return best

    def _hashes(self, samples: Samples) -> dict[int, list[int]]:
        sound = resample_poly(samples.astype(np.float32) / 32_768, self._engine.sr, RATE)
        hashes: dict[int, list[int]]
        hashes, _ = self._engine.fingerprint_audio(sound.astype(np.float32))
        return hashes

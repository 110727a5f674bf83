"""pith-audio: spectral peaks and a histogram of time differences, in Rust."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

import numpy as np
from pith_audio import AudioIndex, FfiError, parse_match_stream
from scipy.signal import resample_poly

from bench.disguises.samples import RATE, Samples
from bench.fingerprinters.system import NONE, Answer

__all__ = ["VERSION", "Pith"]

VERSION: Final = f"pith-audio {version('pith-audio')}"
_THEIR_RATE: Final = 44_100  # it has no notion of rate; its frames are laid out for this one
_HOP: Final = 2_048


class Pith:
    """The score is the number of votes for an offset."""

    def __init__(self) -> None:
        self._index = AudioIndex()
        self._numbers: list[int] = []

    def fit(self, references: Sequence[Samples]) -> None:
        """Add each."""
        for i, samples in enumerate(references):
            try:
                self._index.add(_bytes(samples), 1)
            except FfiError:
                continue  # it refuses what has no peaks
            self._numbers.append(i)

    def ask(self, queries: Samples) -> list[Answer]:
        """Each on its own."""
        return [self._answer(query) for query in queries]

    def _answer(self, query: Samples) -> Answer:
        try:
            found = parse_match_stream(self._index.match(_bytes(query), 1)).matches
        except FfiError:
            return NONE
        if not found:
            return NONE
        best = max(found, key=lambda each: each.votes)
        return Answer(self._numbers[best.id], -best.delta_t * _HOP / _THEIR_RATE, float(best.votes))


def _bytes(samples: Samples) -> bytes:
    sound = resample_poly(samples.astype(np.float32), _THEIR_RATE // 100, RATE // 100)
    data: bytes = np.clip(np.rint(sound), -32_768, 32_767).astype("<i4").tobytes()
    return data

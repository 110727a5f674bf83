"""Chromaprint (AcoustID) by pyacoustid, which needs the library (apt-get install libchromaprint1).

Chromaprint gives fingerprints and compares two of whole files; it has no search for an excerpt. So
a query slides over all of the references' fingerprints, and the place with the fewest differing
bits answers: an upper bound of what an index of them can find.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

import chromaprint
import numpy as np
from numpy.typing import NDArray

from bench.disguises.samples import RATE, Samples
from bench.fingerprinters.system import NONE, Answer

__all__ = ["VERSION", "Chromaprint"]

VERSION: Final = f"pyacoustid {version('pyacoustid')}"
_STEP_S: Final = 1_365 / 11_025  # from one number of a fingerprint to the next
_BITS: Final = 32

Codes = NDArray[np.uint32]


class Chromaprint:
    """Exhaustive alignment by Hamming distance. The score is the share of equal bits."""

    def __init__(self) -> None:
        self._codes: Codes = np.zeros(0, np.uint32)
        self._of: NDArray[np.int64] = np.zeros(0, np.int64)
        self._at: NDArray[np.int64] = np.zeros(0, np.int64)

    def fit(self, references: Sequence[Samples]) -> None:
        """Fingerprint all."""
        codes = [_codes(each) for each in references]
        self._codes = np.concatenate(codes)
        self._of = np.concatenate([np.full(len(each), i) for i, each in enumerate(codes)])
        self._at = np.concatenate([np.arange(len(each)) for each in codes])

    def ask(self, queries: Samples) -> list[Answer]:
        """Each on its own."""
        return [self._answer(_codes(query)) for query in queries]

    def _answer(self, query: Codes) -> Answer:
        count = len(query)
        if count == 0:  # it needs 2.6 s for the first number
            return NONE
        places = len(self._codes) - count + 1
        differing = np.zeros(places, np.int32)
        for i, code in enumerate(query):
            differing += np.bitwise_count(self._codes[i : i + places] ^ code)
        differing[self._of[:places] != self._of[count - 1 :]] = _BITS * count  # over an end
        best = int(differing.argmin())
        score = 1.0 - float(differing[best]) / (_BITS * count)
        return Answer(int(self._of[best]), float(self._at[best]) * _STEP_S, score)


def _codes(samples: Samples) -> Codes:
    printer = chromaprint.Fingerprinter()
    printer.start(RATE, 1)
    printer.feed(np.ascontiguousarray(samples).tobytes())
    numbers, _ = chromaprint.decode_fingerprint(printer.finish())
    return np.array(numbers, np.int64).astype(np.uint32)

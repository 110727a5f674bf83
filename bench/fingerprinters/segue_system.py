"""Segue's fingerprinter as the benchmark asks it: as the product does."""

from __future__ import annotations

from collections.abc import Sequence

import av
import numpy as np
from numpy.typing import NDArray

from bench.disguises.samples import RATE, Samples
from bench.fingerprinters.system import NONE, Answer
from models.fingerprint.decoding import SAMPLE_RATE
from models.fingerprint.engine import Engine
from models.fingerprint.printing import printed
from models.match.evidence import PROBABILITY_MIN
from models.match.index import MatchIndex
from models.match.matcher import Matcher

__all__ = ["Segue"]


class Segue:
    """The score is the probability's log-odds."""

    alert_probability: float | None = PROBABILITY_MIN

    def __init__(self) -> None:
        engine = Engine()
        self.version = f"encoder {engine.identity[:8]}"
        self._matcher = Matcher(engine, MatchIndex(engine.identity))

    def fit(self, references: Sequence[Samples]) -> None:
        """Print each."""
        index = self._matcher.index
        assert isinstance(index, MatchIndex)
        for number, each in enumerate(references):
            index.add(str(number), printed([_resampled(each)], self._matcher.engine))

    def ask(self, queries: Samples) -> list[Answer]:
        """Each on its own; the surest of its findings."""
        return [self._answer(query) for query in queries]

    def _answer(self, query: Samples) -> Answer:
        found = self._matcher.match([_resampled(query)])
        if not found:
            return NONE
        best = max(found, key=lambda one: one.log_odds)
        speed = best.transform.speed * best.transform.tempo
        begins_s = best.span.reference_start_s - best.span.query_start_s * speed
        return Answer(int(best.reference), begins_s, best.log_odds, best.probability)


def _resampled(samples: Samples) -> NDArray[np.float32]:
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples)[None, :], format="s16", layout="mono"
    )
    frame.sample_rate = RATE
    resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    found: NDArray[np.float32] = np.concatenate([part.to_ndarray()[0] for part in parts])
    return found

"""What a calibration is fitted on: disguised music that an index knows, and music that it does not.

Half of the recordings are indexed; the other half, other sounds and speech are foreign.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from models.fingerprint.degrading import Degrader
from models.fingerprint.engine import Engine
from models.fingerprint.pools import Pool
from models.fingerprint.printing import printed
from models.match.evidence import Evidence
from models.match.index import MatchIndex
from models.match.matcher import Matcher
from segue.corpus.disguising import disguised

__all__ = ["Asked", "filled", "halves", "queries"]


class Asked(NamedTuple):
    """The best match of a query, if there was any, and whether it was right."""

    is_foreign: bool
    evidence: Evidence | None
    log_odds: float
    is_right: bool


def halves(music: Pool) -> tuple[Pool, Pool]:
    """Every other recording, and the rest."""
    return Pool(music.samples[::2]), Pool(music.samples[1::2])


def filled(index: MatchIndex, known: Pool, engine: Engine) -> Iterator[int]:
    """Add the prints of recordings, named by their number; yields how many there are."""
    for number, samples in enumerate(known.samples):
        sound = samples.astype(np.float32) / np.float32(32_768)
        index.add(str(number), printed([sound], engine))
        yield number + 1


def queries(
    matcher: Matcher, known: tuple[Pool, Degrader], foreign: tuple[Pool, Degrader], seed: int
) -> Iterator[Asked]:
    """Ask in turn what is known and what is foreign, for ever."""
    number = 0
    while True:
        rng = np.random.default_rng([seed, number])
        is_foreign = bool(number % 2)
        which, sound = disguised(*(foreign if is_foreign else known), rng)
        found = matcher.match([sound])
        best = max(found, key=lambda one: one.log_odds, default=None)
        right = best is not None and not is_foreign and best.reference == str(which)
        yield Asked(
            is_foreign,
            None if best is None else best.evidence,
            -np.inf if best is None else best.log_odds,
            right,
        )
        number += 1

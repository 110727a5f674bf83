"""What the compressed part of an index learns from and is filled with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.match.cold import training_count
from models.match.references import Reference
from models.match.settings import IndexSettings
from models.match.store import StoreView

__all__ = ["evidence_batches", "training_vectors"]

_BATCH_ROWS: Final = 16_384


def training_vectors(
    view: StoreView, references: Sequence[Reference], settings: IndexSettings
) -> NDArray[np.float32]:
    """Unit vectors (n, 128) evenly out of all references in the order of their ids.

    So they do not depend on the order in which references came.
    """
    ordered = sorted(references, key=lambda held: held.reference_id)
    total, heard = sum(held.count for held in ordered), sum(held.heard for held in ordered)
    wanted = training_count(heard, settings)
    found = _spread(view, ordered, min(total, wanted * total // heard))
    # Long silence at regular distances may hide nearly all of what there is.
    return found if len(found) > wanted // 2 else _spread(view, ordered, total)[: 2 * wanted]


def _spread(view: StoreView, ordered: Sequence[Reference], count: int) -> NDArray[np.float32]:
    """Every so many-th vector, as many as `count`, without those that are no evidence."""
    firsts = np.array([held.first for held in ordered], np.int64)
    counts = np.array([held.count for held in ordered], np.int64)
    ends = np.cumsum(counts)
    chosen = np.arange(count) * int(ends[-1]) // count
    of = np.searchsorted(ends, chosen, side="right")
    vectors, scales = view.taken(firsts[of] + chosen - (ends - counts)[of])
    return vectors[scales > 0] * scales[scales > 0, None]


def evidence_batches(
    view: StoreView, begin: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Numbers and unit vectors of rows from `begin` on that are neither removed nor silent."""
    for first, block in view.blocks(begin, _BATCH_ROWS):
        scales = block.scales.copy()  # a removal may come between
        at = np.flatnonzero(scales)
        if len(at):
            yield first + at, block.vectors[at] * scales[at, None]

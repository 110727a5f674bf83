"""From candidates to hits: exact likeness, best first, the same whatever order things came in."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.match.store import StoreView

__all__ = ["Candidates", "Hits", "exact", "flat_candidates", "hits_of"]

_MARGIN: Final = 1e-5
"""What single precision may add to a cosine of 128 numbers, and more."""
_BLOCK_ROWS: Final = 4_096
"""Rows that are compared at once: 2 MiB of floats stay near the processor."""


class Hits(NamedTuple):
    """Of each query the k vectors most like it: (q, k) each, best first.

    `references`: slots, -1 where there are fewer than k. `windows`: which vector of the print.
    `likeness`: cosine. Equals are in the order of reference id and window.
    """

    references: NDArray[np.int32]
    windows: NDArray[np.int32]
    likeness: NDArray[np.float32]

    @classmethod
    def none(cls, queries: int, k: int) -> Hits:
        """As many places, all empty."""
        shape = (queries, k)
        nobody = np.full(shape, -1, np.int32)
        return cls(nobody, np.full(shape, -1, np.int32), np.zeros(shape, np.float32))


class Candidates(NamedTuple):
    """Pairs of a query and a row: (n) each."""

    queries: NDArray[np.int64]
    rows: NDArray[np.int64]
    likeness: NDArray[np.float32]

    @classmethod
    def none(cls) -> Candidates:
        """No pair."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))

    @classmethod
    def all_of(cls, parts: list[Candidates]) -> Candidates:
        """Those of all parts."""
        return cls(*map(np.concatenate, zip(*parts, strict=True))) if parts else cls.none()

    def where(self, mask: NDArray[np.bool_]) -> Candidates:
        """Some of them."""
        return Candidates(self.queries[mask], self.rows[mask], self.likeness[mask])


def flat_candidates(
    view: StoreView, begin: int, queries: NDArray[np.float32], *, k: int, likeness_min: float
) -> Candidates:
    """All rows from `begin` on that may be among the k nearest of unit vectors (q, 128).

    All that are as near as the k-th are among them, so that the order of rows decides nothing.
    """
    parts = []
    bound = np.full(len(queries), likeness_min, np.float32)
    for first, block in view.blocks(begin, _BLOCK_ROWS):
        scores = (queries @ block.vectors.astype(np.float32).T) * block.scales
        if k < scores.shape[1]:
            kth = np.partition(scores, -k, axis=1)[:, -k]
            bound = np.maximum(bound, kth)
        flat = np.flatnonzero(scores >= bound[:, None] - np.float32(_MARGIN))
        near, at = np.divmod(flat, scores.shape[1])
        parts.append(Candidates(near, first + at, scores.ravel()[flat]))
    found = Candidates.all_of(parts)
    return found.where(found.likeness >= bound[found.queries] - np.float32(_MARGIN))


def exact(view: StoreView, queries: NDArray[np.float32], found: Candidates) -> Candidates:
    """Candidates with their cosine, in double precision, so that it depends on the two alone.

    Those that are removed or silent are left out.
    """
    vectors, scales = view.taken(found.rows)
    evidence = scales > 0
    found = found.where(evidence)
    wide, asked = vectors[evidence].astype(np.float64), queries[found.queries].astype(np.float64)
    norms = np.sqrt(np.einsum("nd,nd->n", wide, wide) * np.einsum("nd,nd->n", asked, asked))
    likeness = (np.einsum("nd,nd->n", wide, asked) / norms).astype(np.float32)
    return Candidates(found.queries, found.rows, likeness)


def hits_of(
    found: Candidates,
    located: tuple[NDArray[np.int32], NDArray[np.int32]],
    ranks: NDArray[np.int64],
    shape: tuple[int, int],
) -> Hits:
    """The best of each query.

    `located`: slots and windows (n) of the candidates; `ranks`: places (n) of their ids in order;
    `shape`: queries and k.
    """
    slots, windows = located
    hits = Hits.none(*shape)
    order = np.lexsort((windows, ranks, -found.likeness, found.queries))
    queries = found.queries[order]
    place = np.arange(len(order)) - np.searchsorted(queries, queries)
    order, queries, place = (each[place < shape[1]] for each in (order, queries, place))
    hits.references[queries, place] = slots[order]
    hits.windows[queries, place] = windows[order]
    hits.likeness[queries, place] = found.likeness[order]
    return hits

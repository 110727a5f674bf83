"""The compressed part of an index: inverted lists of 4-bit product codes, 42 bytes a vector.

It is never changed. What is merged into it makes another one while searches go on in this one, so
nobody waits, and searches and snapshots need no lock; for that time memory holds both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import faiss
import numpy as np
from numpy.typing import NDArray

from models.fingerprint.prints import DIMENSIONS
from models.match.candidates import Candidates
from models.match.settings import IndexSettings

__all__ = ["ColdSegment", "list_count", "training_count"]

_LEARNED_MIN: Final = 1_024
_POINTS_PER_LIST: Final = 40
_ROUNDS: Final = 8
_BLOCK: Final = 32  # codes of a list are kept in blocks of so many
_CODE_BYTES: Final = DIMENSIONS // 4  # four bits for each two numbers
_ID_BYTES: Final = 8


class ColdSegment:
    """Rows of the store by likeness, roughly."""

    def __init__(self, index: faiss.Index, trained_on: int) -> None:
        self._index = _of_its_kind(index)
        self.trained_on = trained_on

    @classmethod
    def trained(
        cls, vectors: NDArray[np.float32], count: int, settings: IndexSettings
    ) -> ColdSegment:
        """An empty one, learned from unit vectors (n, 128) of a collection of `count`."""
        faiss.omp_set_num_threads(settings.threads)
        lists = min(list_count(count, settings), len(vectors))
        kind = f"IVF{lists},PQ64x4fs"
        index = _of_its_kind(faiss.index_factory(DIMENSIONS, kind, faiss.METRIC_INNER_PRODUCT))
        for learned in (index.cp, index.pq.cp):
            learned.min_points_per_centroid = 1  # else it complains on standard error
        index.cp.niter = _ROUNDS
        index.cp.max_points_per_centroid = 2 * _POINTS_PER_LIST
        index.train(np.ascontiguousarray(vectors))
        return cls(index, count)

    @property
    def rows(self) -> int:
        """How many there are, removed ones included."""
        return int(self._index.ntotal)

    @property
    def memory_bytes(self) -> int:
        """What lists, ids, codes and centroids take."""
        lists = self._index.invlists
        assert lists is not None, "an index of lists has them"
        sizes = [lists.list_size(number) for number in range(self._index.nlist)]
        codes = sum(-(-size // _BLOCK) * _BLOCK * _CODE_BYTES for size in sizes)
        return codes + sum(sizes) * _ID_BYTES + self._index.nlist * DIMENSIONS * 4

    def extended(
        self,
        batches: Iterable[tuple[NDArray[np.int64], NDArray[np.float32]]],
        *,
        without: NDArray[np.int64],
        threads: int,
    ) -> ColdSegment:
        """A copy that lacks some rows and has others, given as numbers and unit vectors."""
        faiss.omp_set_num_threads(threads)
        index = faiss.clone_index(self._index)
        if len(without):
            index.remove_ids(faiss.IDSelectorBatch(without))
        for rows, vectors in batches:
            index.add_with_ids(vectors, rows)
        return ColdSegment(index, self.trained_on)

    def candidates(
        self, queries: NDArray[np.float32], count: int, settings: IndexSettings
    ) -> tuple[Candidates, NDArray[np.bool_]]:
        """About the `count` nearest rows of unit vectors (q, 128), and (q) whether there are more.

        Of equals at the end either all are given or none, so that their order decides nothing.
        """
        faiss.omp_set_num_threads(settings.threads)
        count = min(count, self.rows)
        probes = min(settings.probes, int(self._index.nlist))
        efforts = faiss.SearchParametersIVF(nprobe=probes)  # type: ignore[call-arg] # SWIG's stub
        scores, rows = self._index.search(queries, count, params=efforts)
        more = (rows[:, -1] >= 0) & (count < self.rows)
        chosen = (rows >= 0) & ~(more[:, None] & (scores == scores[:, -1:]))
        near, place = np.nonzero(chosen)
        return Candidates(near, rows[near, place], scores[near, place]), more

    def write(self, path: Path) -> None:
        """Write it to a file. Raises OSError."""
        try:
            faiss.write_index(self._index, str(path))
        except RuntimeError as error:
            raise OSError(f"{path} cannot be written: {error}") from error

    @classmethod
    def read(cls, path: Path, trained_on: int) -> ColdSegment:
        """What was written. Raises ValueError: the file holds something else."""
        try:
            return cls(faiss.read_index(str(path)), trained_on)
        except RuntimeError as error:
            raise ValueError(f"{path} cannot be read: {error}") from error


def _of_its_kind(index: faiss.Index) -> faiss.IndexIVFPQFastScan:
    """What FAISS made or read: of the class it is, and the owner of its memory."""
    if not isinstance(index, faiss.IndexIVFPQFastScan) or index.d != DIMENSIONS:
        raise ValueError(f"this is an index of another kind: {type(index).__name__}")
    return index


def list_count(count: int, settings: IndexSettings) -> int:
    """Inverted lists for a collection of `count` vectors."""
    return max(1, round(settings.lists_per_root * math.sqrt(count)))


def training_count(count: int, settings: IndexSettings) -> int:
    """Vectors that are learned from."""
    return min(count, max(_LEARNED_MIN, _POINTS_PER_LIST * list_count(count, settings)))

"""Vectors of prints in one byte a number, by row: what every likeness is computed from in the end.

Rows are given in order and never again. They lie in chunks, so that growing copies nothing. Readers
take a `StoreView` and need no lock: rows are only appended, and a chunk that shrinks is replaced.
A row that is no evidence, being removed or silent, has the scale 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.prints import DIMENSIONS

__all__ = ["Chunk", "StoreView", "VectorStore", "scales_of"]


class Chunk(NamedTuple):
    """Vectors (n, 128) int8 and `scales` (n) float32, which make them unit vectors, or 0."""

    vectors: NDArray[np.int8]
    scales: NDArray[np.float32]


class StoreView(NamedTuple):
    """The rows below `end` as they were at one moment, except for scales that became 0 since."""

    chunks: tuple[Chunk | None, ...]
    chunk_rows: int
    end: int

    def settled(self) -> StoreView:
        """The same with scales of its own, that stay as they are now."""
        chunks = (chunk and Chunk(chunk.vectors, chunk.scales.copy()) for chunk in self.chunks)
        return self._replace(chunks=tuple(chunks))

    def blocks(self, begin: int, size: int) -> Iterator[tuple[int, Chunk]]:
        """Rows from `begin` on in blocks, each with its first row's number. Dropped ones lack."""
        for number in range(begin // self.chunk_rows, len(self.chunks)):
            chunk, base = self.chunks[number], number * self.chunk_rows
            if chunk is None:
                continue
            upto = min(self.end - base, len(chunk.scales))
            for at in range(max(0, begin - base), upto, size):
                part = slice(at, min(upto, at + size))
                yield base + at, Chunk(chunk.vectors[part], chunk.scales[part])

    def taken(self, rows: NDArray[np.int64]) -> Chunk:
        """Copies of some rows; of dropped ones zeros."""
        vectors = np.zeros((len(rows), DIMENSIONS), np.int8)
        scales = np.zeros(len(rows), np.float32)
        numbers, offsets = np.divmod(rows, self.chunk_rows)
        for number in np.unique(numbers).tolist():
            chunk = self.chunks[number]
            if chunk is not None:
                of_it = np.flatnonzero(numbers == number)
                vectors[of_it] = chunk.vectors[offsets[of_it]]
                scales[of_it] = chunk.scales[offsets[of_it]]
        return Chunk(vectors, scales)

    def vectors(self, first: int, count: int) -> NDArray[np.int8]:
        """Consecutive rows (count, 128); without a copy where they lie in one chunk."""
        parts = [
            chunk.vectors[part]
            for number, part in _parts(first, count, self.chunk_rows)
            if (chunk := self.chunks[number]) is not None
        ]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty((0, DIMENSIONS), np.int8)


class VectorStore:
    """The chunks. Not to be changed by two threads at once; views may be read meanwhile."""

    def __init__(self, chunk_rows: int) -> None:
        self._chunk_rows = chunk_rows
        self._chunks: list[Chunk | None] = []
        self._held: list[int] = []  # rows of each chunk that somebody still holds
        self.end = 0

    @classmethod
    def of(cls, view: StoreView, held: Iterable[tuple[int, int]]) -> VectorStore:
        """A store that goes on where a view ended; `held` are first rows and counts."""
        store = cls(view.chunk_rows)
        store._chunks = list(view.chunks)
        store._held = [0] * len(view.chunks)
        store.end = view.end
        for first, count in held:
            for number, part in _parts(first, count, view.chunk_rows):
                store._held[number] += part.stop - part.start
        at = view.end % view.chunk_rows
        if at:  # the last chunk is to be filled, so it must be writable and whole
            last, whole = store._chunks[-1], store._new_chunk()
            if last is not None:
                whole.vectors[:at], whole.scales[:at] = last
            store._chunks[-1] = whole
        return store

    @property
    def view(self) -> StoreView:
        """All rows as of now."""
        return StoreView(tuple(self._chunks), self._chunk_rows, self.end)

    @property
    def held_count(self) -> int:
        """Rows that were appended and not released."""
        return sum(self._held)

    @property
    def wasted_count(self) -> int:
        """Rows of full chunks that nobody holds and that take room."""
        full = self.end // self._chunk_rows
        pairs = zip(self._chunks[:full], self._held[:full], strict=True)
        return sum(self._chunk_rows - held for chunk, held in pairs if chunk is not None)

    @property
    def memory_bytes(self) -> int:
        """What the chunks take, whether all rows are in use or not."""
        held = (chunk for chunk in self._chunks if chunk is not None)
        return sum(chunk.vectors.nbytes + chunk.scales.nbytes for chunk in held)

    def append(self, vectors: NDArray[np.int8], scales: NDArray[np.float32]) -> int:
        """Keep rows; returns the number of the first."""
        first, at = self.end, 0
        for number, part in _parts(first, len(vectors), self._chunk_rows):
            if number == len(self._chunks):
                self._chunks.append(self._new_chunk())
                self._held.append(0)
            chunk = self._chunks[number]
            assert chunk is not None, "the last chunk is not dropped while it has room"
            count = part.stop - part.start
            chunk.vectors[part] = vectors[at : at + count]
            chunk.scales[part] = scales[at : at + count]
            self._held[number] += count
            at += count
        self.end = first + len(vectors)
        return first

    def release(self, first: int, count: int) -> None:
        """Rows are evidence no more, for those who look already too."""
        for number, part in _parts(first, count, self._chunk_rows):
            chunk = self._chunks[number]
            assert chunk is not None, "a dropped chunk had no rows that somebody held"
            chunk.scales[part] = 0
            self._held[number] -= part.stop - part.start

    def abandon(self, first: int, count: int) -> None:
        """As `release`, but those who look already still find what they began with."""
        for number, _ in _parts(first, count, self._chunk_rows):
            chunk = self._chunks[number]
            assert chunk is not None, "a dropped chunk had no rows that somebody held"
            self._chunks[number] = Chunk(chunk.vectors, chunk.scales.copy())
        self.release(first, count)

    def sparse_chunks(self) -> list[int]:
        """Chunks, except the one that is being filled, of which at most half is held."""
        full = self.end // self._chunk_rows
        pairs = enumerate(zip(self._chunks[:full], self._held[:full], strict=True))
        return [n for n, (chunk, held) in pairs if chunk and 2 * held <= self._chunk_rows]

    def lies_in(self, first: int, count: int, chunks: Set[int]) -> bool:
        """Whether any of consecutive rows lies in one of some chunks."""
        return any(number in chunks for number, _ in _parts(first, count, self._chunk_rows))

    def drop_empty(self) -> None:
        """Give the memory of full chunks back that nobody holds a row of."""
        for number in self.sparse_chunks():
            if not self._held[number]:
                self._chunks[number] = None

    def _new_chunk(self) -> Chunk:
        vectors = np.empty((self._chunk_rows, DIMENSIONS), np.int8)
        return Chunk(vectors, np.zeros(self._chunk_rows, np.float32))


def scales_of(vectors: NDArray[np.int8]) -> NDArray[np.float32]:
    """What makes unit vectors (n) of these (n, 128); 0 for a vector of zeros, which is silence."""
    wide = vectors.astype(np.float32)
    norms = np.sqrt(np.einsum("nd,nd->n", wide, wide))
    with np.errstate(divide="ignore"):
        found: NDArray[np.float32] = np.where(norms > 0, 1 / norms, 0).astype(np.float32)
    return found


def _parts(first: int, count: int, chunk_rows: int) -> Iterator[tuple[int, slice]]:
    """In which chunks consecutive rows lie, and where there."""
    row = first
    while row < first + count:
        number, at = divmod(row, chunk_rows)
        size = min(chunk_rows - at, first + count - row)
        yield number, slice(at, at + size)
        row += size

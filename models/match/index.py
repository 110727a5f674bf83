"""The index of prints: which vectors of which references are nearest, while both come and go.

New prints are compared one by one (the hot part). Once they are many, `merge` moves them into a
compressed part (the cold one), of which the best candidates are compared exactly. Either way a
likeness is the cosine of the query and the stored bytes, and a reference that was removed is not
found again. Alignment asks for the print behind a hit with `print_of`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.prints import DIMENSIONS, Print
from models.match import snapshot
from models.match.candidates import Candidates, Hits, exact, flat_candidates, hits_of
from models.match.cold import ColdSegment
from models.match.learning import evidence_batches, training_vectors
from models.match.references import Dead, Extents, Reference, References, digest_of
from models.match.settings import IndexSettings
from models.match.store import StoreView, VectorStore, scales_of

__all__ = ["IndexSizes", "MatchIndex"]

_QUERIES_AT_ONCE: Final = 64
_WIDER: Final = 4
_CANDIDATES_MAX: Final = 8_192


@dataclass(frozen=True, slots=True)
class IndexSizes:
    """What an index holds: counts of references and vectors, and bytes of memory.

    `hot_count` vectors are compared one by one, `cold_count` are compressed; `dead_count` are
    compressed but removed, until the next merge. `searchable_bytes` is what a search looks
    through; `rescoring_bytes` the exact vectors of the compressed part; `peak_bytes` the peaks.
    """

    references: int
    hot_count: int
    cold_count: int
    dead_count: int
    searchable_bytes: int
    rescoring_bytes: int
    peak_bytes: int


class _View(NamedTuple):
    """The index at one moment: rows below `watermark` are in `cold`, the others are hot."""

    store: StoreView
    extents: Extents
    cold: ColdSegment | None
    watermark: int


class MatchIndex:
    """Prints by likeness. `configuration` says which encoder the vectors come from.

    All methods may be called from several threads. `search`, `add` and `remove` wait for one
    another no longer than it takes to copy a print, and never for `merge` or `save`, which wait
    for each other. A slot stands for one print as long as the object lives.

    >>> index = MatchIndex("the encoder's hash")
    >>> vectors = np.eye(128, dtype=np.int8)[:3] * 100
    >>> index.add("a song", Print(vectors, np.empty(0, np.int32), np.empty(0, np.uint8), 1.5))
    True
    >>> hits = index.search(np.eye(128, dtype=np.float32)[1:2], 2)
    >>> index.id_of(int(hits.references[0, 0])), hits.windows.tolist(), hits.likeness.tolist()
    ('a song', [[1, -1]], [[1.0, 0.0]])
    """

    def __init__(self, configuration: str, settings: IndexSettings | None = None) -> None:
        self.configuration = configuration
        self.settings = settings or IndexSettings()
        self.note: Mapping[str, str] = {}
        """What the caller of `save` noted in the snapshot that this was loaded from."""
        self._lock = Lock()  # for moments: whoever holds it does not compute
        self._upkeep = Lock()  # for merge and save; taken before the other
        self._references = References()
        self._store = VectorStore(self.settings.chunk_rows)
        self._cold: ColdSegment | None = None
        self._watermark = 0
        self._merging_upto = 0  # the watermark, or what it is about to be
        self._hot_count = 0
        self._dead: list[Dead] = []
        self._written = snapshot.Written()

    def __len__(self) -> int:
        return len(self._references)

    def __contains__(self, reference_id: object) -> bool:
        return isinstance(reference_id, str) and self.slot_of(reference_id) is not None

    def __iter__(self) -> Iterator[str]:
        """The ids as of now, in the order they came in."""
        with self._lock:
            return iter(self._references.ids)

    @property
    def vector_count(self) -> int:
        """Vectors of all references, silent ones included."""
        return self._store.held_count

    def slot_of(self, reference_id: str) -> int | None:
        """The slot of a reference; None if it is not held."""
        return self._references.slot_of(reference_id)

    def id_of(self, slot: int) -> str | None:
        """The reference of a slot; None if it was removed or replaced since."""
        held = self._references.get(slot)
        return held.reference_id if held else None

    def print_of(self, slot: int) -> Print | None:
        """The print of a slot, to read only; None if it was removed or replaced since.

        Its vectors are no copy, unless they lie in two chunks.
        """
        with self._lock:
            held, view = self._references.get(slot), self._store.view
        if held is None:
            return None
        vectors = view.vectors(held.first, held.count)
        vectors.setflags(write=False)
        return Print(vectors, held.peak_frames, held.peak_bins, held.seconds)

    def add(self, reference_id: str, printed: Print) -> bool:
        """Hold a print under an id, instead of the one that was held under it.

        False, and nothing changes, if that was the same. A print without a vector that is not
        zeros is held, but never a hit. Raises ValueError: vectors of another kind.
        """
        vectors = printed.vectors
        if vectors.dtype != np.int8 or vectors.ndim != 2 or vectors.shape[1] != DIMENSIONS:
            raise ValueError(f"vectors are (n, {DIMENSIONS}) int8, not of {vectors.shape}")
        digest, scales = digest_of(printed), scales_of(vectors)
        heard = int(np.count_nonzero(scales))
        frames, bins = printed.peak_frames.astype(np.int32), printed.peak_bins.copy()
        with self._lock:
            known = self._references.slot_of(reference_id)
            if known is not None:
                held = self._references.get(known)
                if held is not None and held.digest == digest:
                    return False
                self._take(known)
            first, slot = self._store.append(vectors, scales), self._references.next_slot
            about = (reference_id, slot, first, len(vectors), heard, digest, frames, bins)
            self._references.put(Reference(*about, printed.seconds))
            self._hot_count += heard
        return True

    def remove(self, reference_ids: Iterable[str]) -> int:
        """Forget references; returns how many were held. No later search finds them."""
        removed = 0
        for reference_id in reference_ids:
            with self._lock:
                slot = self._references.slot_of(reference_id)
                if slot is not None:
                    self._take(slot)
                    removed += 1
        return removed

    def search(self, vectors: NDArray[np.float32], k: int) -> Hits:
        """The `k` nearest vectors of each query (q, 128), which need not be of length 1.

        Exact for hot vectors. Those of the compressed part are found as far as `probes` and
        `rescored` reach. Likenesses below `likeness_min` are no hits. A query of zeros has none.
        Raises ValueError: queries of another shape, not finite, or k below 1.
        """
        queries = np.ascontiguousarray(vectors, np.float32)
        if queries.ndim != 2 or queries.shape[1] != DIMENSIONS or k < 1:
            raise ValueError(
                f"queries are (q, {DIMENSIONS}), not {queries.shape}, and k at least 1"
            )
        if not np.isfinite(queries).all():
            raise ValueError("queries must be finite")
        heard = np.flatnonzero(queries.any(axis=1))
        with self._lock:
            extents, cold = self._references.extents, self._cold
            view = _View(self._store.view, extents, cold, self._watermark)
        parts = []
        for at in range(0, len(heard), _QUERIES_AT_ONCE):
            some = heard[at : at + _QUERIES_AT_ONCE]
            found = self._found(view, queries[some], k)
            parts.append(found._replace(queries=some[found.queries]))
        return self._hits(view, Candidates.all_of(parts), (len(queries), k))

    @property
    def needs_merge(self) -> bool:
        """Whether so many vectors came or went that `merge` should be called."""
        limits = self.settings
        with self._lock:
            dead = sum(heard for _, _, heard in self._dead)
            compressed = self._cold.rows if self._cold else 0
            wasted = self._store.wasted_count
            return (
                self._hot_count > limits.flat_max
                or dead > limits.dead_max * compressed
                or wasted > max(limits.flat_max, self._store.held_count)
            )

    def merge(self) -> None:
        """Compress what is hot, and take back the room of what was removed.

        Takes seconds to minutes, for which it is called in a thread of its own; others add,
        remove and search meanwhile. A collection of `flat_max` vectors or fewer stays flat. One
        that has grown `growth_max` times since it was learned from is learned anew. What it
        learns depends on ids and vectors, not on the order in which they came.
        """
        with self._upkeep:
            self._move_scattered()
            with self._lock:
                view, cold, begin = self._store.view, self._cold, self._watermark
                references, dead, self._dead = self._references.since(0), self._dead, []
                self._merging_upto = view.end
            try:
                held = [each for each in references if each is not None]
                merged = self._merged(view, held, cold=cold, begin=begin, dead=dead)
            except BaseException:
                with self._lock:
                    self._dead, self._merging_upto = dead + self._dead, begin
                raise
            with self._lock:
                self._cold = merged
                self._watermark = self._merging_upto = view.end if merged else 0
                self._dead = self._dead if merged else []
                hot = self._references.since(len(references) if merged else 0)
                self._hot_count = sum(each.heard for each in hot if each is not None)
                self._references.forget_extents()
                self._store.drop_empty()

    def sizes(self) -> IndexSizes:
        """Counts and bytes as of now."""
        with self._lock:
            cold, store = self._cold, self._store.memory_bytes
            hot, dead = self._hot_count, sum(heard for _, _, heard in self._dead)
            references = self._references.since(0)
        held = [each for each in references if each is not None]
        hot_bytes = hot * (DIMENSIONS + 4)
        return IndexSizes(
            references=len(held),
            hot_count=hot,
            cold_count=cold.rows - dead if cold else 0,
            dead_count=dead if cold else 0,
            searchable_bytes=hot_bytes + (cold.memory_bytes if cold else 0),
            rescoring_bytes=max(0, store - hot_bytes),
            peak_bytes=sum(each.peak_frames.nbytes + each.peak_bins.nbytes for each in held),
        )

    def save(self, path: Path, note: Mapping[str, str] | None = None) -> None:
        """Write a snapshot into the directory `path`, made if need be; `note` comes with it.

        At every moment the directory holds the old snapshot or the new one, whole. What has not
        changed since the last snapshot there is not written again. Raises OSError.
        """
        with self._upkeep:
            with self._lock:
                view, references = self._store.view.settled(), self._references.since(0)
                cold, watermark, dead = self._cold, self._watermark, [*self._dead]
            held = [each for each in references if each is not None]
            state, told = snapshot.State(view, held, cold, watermark, dead), self._written
            snapshot.write(path, self.configuration, state, note=note or {}, written=told)

    @classmethod
    def load(
        cls, path: Path, configuration: str, settings: IndexSettings | None = None
    ) -> MatchIndex:
        """The index of a snapshot, its vectors read from the file where they are needed.

        Raises IndexRefused: it is damaged, not whole, of another encoder or another version.
        """
        note, state = snapshot.read(path, configuration)
        index = cls(configuration, settings)
        index.note, index._cold = note, state.cold
        index._watermark = index._merging_upto = state.watermark
        index._dead = [*state.dead]
        for held in state.references:
            index._references.put(held)
            index._hot_count += held.heard if held.first >= state.watermark else 0
        firsts = ((held.first, held.count) for held in state.references)
        index._store = VectorStore.of(state.view, firsts)
        return index

    def _take(self, slot: int) -> None:
        held = self._references.take(slot)
        self._store.release(held.first, held.count)
        self._forget_rows(held)

    def _forget_rows(self, held: Reference) -> None:
        if held.first < self._merging_upto:
            self._dead.append((held.first, held.count, held.heard))
        if held.first >= self._watermark:
            self._hot_count -= held.heard

    def _found(self, view: _View, queries: NDArray[np.float32], k: int) -> Candidates:
        """Candidates with their cosine, at least the `k` best of each query."""
        least = self.settings.likeness_min
        norms = np.linalg.norm(queries.astype(np.float64), axis=1)
        units = (queries / norms[:, None]).astype(np.float32)
        found = flat_candidates(view.store, view.watermark, units, k=k, likeness_min=least)
        parts = [exact(view.store, queries, found)]
        asked, count = np.arange(len(queries)), max(k, self.settings.rescored)
        while view.cold is not None and view.cold.rows and len(asked):
            found, more = view.cold.candidates(units[asked], count, self.settings)
            found = exact(view.store, queries, found._replace(queries=asked[found.queries]))
            # Where removed ones or equals fill the places, others are behind them.
            few = np.bincount(found.queries, minlength=len(queries))[asked] < k
            again = more & few & (count < _CANDIDATES_MAX)
            parts.append(found.where(~np.isin(found.queries, asked[again])))
            asked, count = asked[again], count * _WIDER
        every = Candidates.all_of(parts)
        return every.where(every.likeness >= least)

    def _hits(self, view: _View, found: Candidates, shape: tuple[int, int]) -> Hits:
        slots, windows = view.extents.located(found.rows)
        still = self._references.are_held(slots)  # some may have been removed since the view
        found, slots, windows = found.where(still), slots[still], windows[still]
        distinct, of = np.unique(slots, return_inverse=True)
        names = [self.id_of(slot) or "" for slot in distinct.tolist()]
        ranks = np.empty(len(names), np.int64)
        ranks[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
        return hits_of(found, (slots, windows), ranks[of], shape)

    def _move_scattered(self) -> None:
        """Move what is held out of chunks that are half empty, and drop those."""
        with self._lock:
            sparse = {*self._store.sparse_chunks()}
            references = self._references.since(0) if sparse else []
        for each in references:
            if each is not None and self._store.lies_in(each.first, each.count, sparse):
                self._move(each.slot)

    def _move(self, slot: int) -> None:
        with self._lock:
            held = self._references.get(slot)
            if held is None:  # removed since
                return
            rows = np.arange(held.first, held.first + held.count)
            vectors, scales = self._store.view.taken(rows)
            first = self._store.append(vectors, scales)
            self._store.abandon(held.first, held.count)
            self._forget_rows(held)
            self._references.move(held.moved(first))
            self._hot_count += held.heard

    def _merged(
        self,
        view: StoreView,
        references: list[Reference],
        *,
        cold: ColdSegment | None,
        begin: int,
        dead: list[Dead],
    ) -> ColdSegment | None:
        """The compressed part as it should be; None if all shall be flat."""
        limits, count = self.settings, sum(held.heard for held in references)
        if count <= limits.flat_max:
            return None
        without = np.concatenate(
            [np.empty(0, np.int64), *(np.arange(first, first + n) for first, n, _ in dead)]
        )
        if cold is None or count > limits.growth_max * cold.trained_on:
            learned_from = training_vectors(view, references, limits)
            cold, begin, without = ColdSegment.trained(learned_from, count, limits), 0, without[:0]
        batches = evidence_batches(view, begin)
        return cold.extended(batches, without=without, threads=limits.threads)

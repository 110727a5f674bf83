"""What can be set of an index of prints."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IndexSettings"]


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Sizes and efforts; the defaults are those that `bench.match_index` was measured with.

    `flat_max`: vectors that are compared one by one; above it `merge` compresses them.
    `likeness_min`: a cosine below it is no hit. Two vectors at random reach .1 once in eight times.
    `lists_per_root`: inverted lists for each square root of the number of vectors.
    `probes`: lists that a query looks into. More finds more and takes longer.
    `rescored`: candidates of the compressed part that are compared exactly, for each query.
    `growth_max`: times the collection may grow before the compressed part is learned anew.
    `dead_max`: share of removed vectors in the compressed part above which a merge is due.
    `chunk_rows`: vectors that memory is taken for at once.
    `threads`: what FAISS may use in each call.

    Raises ValueError: a setting is out of its range.
    """

    flat_max: int = 50_000
    likeness_min: float = 0.1
    lists_per_root: float = 1.0
    probes: int = 128
    rescored: int = 128
    growth_max: float = 4.0
    dead_max: float = 0.1
    chunk_rows: int = 65_536
    threads: int = 1

    def __post_init__(self) -> None:
        least = {
            **{"flat_max": 64, "likeness_min": 0.01, "lists_per_root": 0.01, "probes": 1},
            **{"rescored": 1, "growth_max": 1.0, "dead_max": 0.0, "chunk_rows": 1, "threads": 1},
        }
        for name, limit in least.items():
            if not getattr(self, name) >= limit:
                raise ValueError(f"{name} must be at least {limit}")

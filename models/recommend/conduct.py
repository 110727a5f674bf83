"""How a listener listens, for readers: what is kept of it, what was held back, and in which words.

The rules are in `kernels.conduct`, and in plain Python in `reference_conduct`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from models.recommend.kernels.conduct import (
    AHEAD_MARK_MS,
    AWAKE_MARK_MS,
    CUT_MARK,
    HOUR_MS,
    LOOPED_MARK_MS,
    REASON_COUNT,
)
from models.recommend.kernels.listener import (
    HELD_BY,
    SUSPECTED_BY,
    TRUSTED_AGAIN,
    ListenerArrays,
)

__all__ = [
    "HOLD_REASONS",
    "SUSPICIONS",
    "Conduct",
    "ConductTally",
    "Sign",
    "signs",
    "suspicions",
]

SUSPICIONS: Final = ("overlap", "restless", "cut", "loop")
"""Why a listener is suspected, by bit: more listening than time, no rest, plays cut off as soon as
they are paid for or all alike, the same few tracks day after day."""
HOLD_REASONS: Final = (*SUSPICIONS, "repeat")
"""Why a play is kept out of what others get: its listener is suspected, or it is a repeat."""

assert len(HOLD_REASONS) == REASON_COUNT, "one reason per counter"


@dataclass(frozen=True, slots=True)
class Conduct:
    """What is kept of how a listener listens, in the order of the array's columns.

    Buckets (the first four), what the next play is compared with (two), moving averages in 1/65536
    (three), the bits of `SUSPICIONS`, and the forest's last score in millionths (0 if none yet).
    """

    ahead_ms: int = 0
    awake_ms: int = 0
    looped_ms: int = 0
    cut_count: int = 0
    cut_last_ms: int = 0
    gap_last_ms: int = 0
    early_rate: int = 0
    artist_rate: int = 0
    regular_rate: int = 0
    suspicion: int = 0
    score: int = 0

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the listener is suspected; empty if they are not."""
        return suspicions(self.suspicion)


class ConductTally(NamedTuple):
    """Counts since the start of the process."""

    held: tuple[int, ...]  # plays kept out of what others get, by `HOLD_REASONS`
    suspected: tuple[int, ...]  # how often a sign came to its mark, by `SUSPICIONS`
    trusted: int  # how often the last sign of a suspected listener went

    @classmethod
    def of(cls, arrays: ListenerArrays) -> ConductTally:
        """Read the counters."""
        counters = arrays.counters.tolist()
        return cls(
            tuple(counters[HELD_BY : HELD_BY + len(HOLD_REASONS)]),
            tuple(counters[SUSPECTED_BY : SUSPECTED_BY + len(SUSPICIONS)]),
            counters[TRUSTED_AGAIN],
        )


def suspicions(bits: int) -> tuple[str, ...]:
    """The names of the bits that are set.

    >>> suspicions(0b101)
    ('overlap', 'cut')
    """
    return tuple(name for bit, name in enumerate(SUSPICIONS) if bits >> bit & 1)


class Sign(NamedTuple):
    """One sign of a listener, for people: its bucket and the mark, in `unit`."""

    reason: str
    words: str
    amount: float
    mark: float
    unit: str


def signs(conduct: Conduct) -> list[Sign]:
    """The signs in the order of `SUSPICIONS`; trust comes back below half of a mark."""
    hours = ("hours", HOUR_MS)
    rows = (
        ("more listening than time passed", conduct.ahead_ms, AHEAD_MARK_MS, hours),
        ("no rest", conduct.awake_ms, AWAKE_MARK_MS, hours),
        ("plays cut short", conduct.cut_count, CUT_MARK, ("plays", 1)),
        ("the same few tracks for days", conduct.looped_ms, LOOPED_MARK_MS, hours),
    )
    return [
        Sign(reason, words, amount / size, mark / size, unit)
        for reason, (words, amount, mark, (unit, size)) in zip(SUSPICIONS, rows, strict=True)
    ]

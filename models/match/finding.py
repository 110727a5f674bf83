"""What is told of an upload: which recording, where, how it was changed, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from models.match.evidence import Evidence
from models.match.segments import Segment, Span

__all__ = ["Finding", "Transform", "findings_of", "overlap", "transform"]

_SEMITONES_NEAR: Final = 0.35
_TEMPO_NEAR: Final = 0.02
_SHARED: Final = 0.5
_ELSEWHERE_S: Final = 1.0


class Transform(NamedTuple):
    """What was done to a recording: played `speed` times as fast, pitch and all; then shifted by
    `pitch_semitones` and made `tempo` times as fast, each without the other."""

    speed: float
    pitch_semitones: float
    tempo: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A stretch of an upload that is of a reference."""

    reference: str
    log_odds: float
    evidence: Evidence
    span: Span
    transform: Transform
    repeats: int
    """How many other places of the reference it may be as well: music that repeats itself."""

    @property
    def probability(self) -> float:
        """That it is this recording."""
        return 1.0 / (1.0 + math.exp(-max(-500.0, self.log_odds)))


def transform(tempo: float, semitones: float) -> Transform:
    """The simplest change that makes music so much faster and higher."""
    with_pitch = 2.0 ** (semitones / 12)
    if abs(semitones) < _SEMITONES_NEAR:
        return Transform(1.0, 0.0, tempo)
    if abs(12 * math.log2(tempo) - semitones) < _SEMITONES_NEAR:
        return Transform(tempo, 0.0, 1.0)
    if abs(tempo - 1.0) < _TEMPO_NEAR:
        return Transform(1.0, semitones, 1.0)
    return Transform(with_pitch, 0.0, tempo / with_pitch)


def findings_of(
    segments: Sequence[Segment],
    log_odds: Callable[[Segment], float],
    id_of: Callable[[int], str | None],
) -> list[Finding]:
    """Segments as findings, in order of time, the surer first.

    Of those of one reference that lie over each other only the surest is told.
    """
    judged = sorted(((log_odds(each), each) for each in segments), key=lambda pair: -pair[0])
    told: list[tuple[float, Segment]] = []
    repeats: dict[int, int] = {}
    for odds, segment in judged:
        above = next((i for i, (_, other) in enumerate(told) if overlap(segment, other)), None)
        if above is None:
            told.append((odds, segment))
        elif odds > 0 and _elsewhere(segment, told[above][1]):
            repeats[above] = repeats.get(above, 0) + 1
    found = [
        Finding(
            reference,
            odds,
            segment.evidence,
            segment.span,
            transform(segment.tempo, segment.semitones),
            repeats.get(i, 0),
        )
        for i, (odds, segment) in enumerate(told)
        if (reference := id_of(segment.slot)) is not None
    ]
    return sorted(found, key=lambda one: (one.span.query_start_s, -one.log_odds, one.reference))


def _elsewhere(one: Segment, other: Segment) -> bool:
    """Whether two segments of a query are at other places of their reference."""
    a, b = one.span, other.span
    later = (a.query_start_s - b.query_start_s) * other.tempo
    return abs(a.reference_start_s - b.reference_start_s - later) > _ELSEWHERE_S


def overlap(one: Segment, other: Segment) -> bool:
    """Whether two segments are of one reference and half of one lies over the other in time."""
    if one.slot != other.slot:
        return False
    a, b = one.span, other.span
    shared = min(a.query_end_s, b.query_end_s) - max(a.query_start_s, b.query_start_s)
    shorter = min(a.query_end_s - a.query_start_s, b.query_end_s - b.query_start_s)
    return shared > _SHARED * shorter

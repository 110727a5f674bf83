"""Conduct once more in plain Python: the signs of a listener, one play at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.recommend.conduct import Conduct
from models.recommend.forest import ConductForest
from schemas.events import PlayEvent

__all__ = ["draw", "judge"]

SECOND, HOUR = 1_000, 3_600_000
AHEAD, AWAKE, LOOPED, CUT = 24 * HOUR, 120 * HOUR, 24 * HOUR, 40
MARKS = (AHEAD, AWAKE, CUT, LOOPED)


def judge(
    conduct: Conduct,
    play: PlayEvent,
    *,
    gap_ms: int,
    recent: Sequence[str],
    early: bool,
    same: bool | None,
) -> tuple[Conduct, bool]:
    """The conduct after a play that is not late, and whether the play is a repeat.

    `gap_ms` is from the newest start before it, `same` whether its artist is that of the play
    before, None if that is not asked.
    """
    heard_ms = play.played_ms
    if heard_ms == 0:
        return conduct, False
    repeat = not early and recent.count(play.track_id) >= 4
    if play.duration_ms:
        heard_ms = min(heard_ms, play.duration_ms)
    gap_ms = min(max(gap_ms, 0), 7 * 24 * HOUR)
    cut, cut_last_ms = conduct.cut_count, conduct.cut_last_ms
    if not early:
        paid = heard_ms > 30 * SECOND and heard_ms * 10 < play.duration_ms * 9
        alike = abs(heard_ms - cut_last_ms) <= SECOND
        cut += 1 if paid and (alike or heard_ms <= 40 * SECOND) else -1
        cut_last_ms = heard_ms if paid else cut_last_ms
    looped = max(conduct.looped_ms - gap_ms * 10 // 24, 0)
    after = replace(
        conduct,
        ahead_ms=_bucket(conduct.ahead_ms + heard_ms - gap_ms, AHEAD),
        awake_ms=_bucket(conduct.awake_ms + (gap_ms if gap_ms < 2 * HOUR else -8 * gap_ms), AWAKE),
        looped_ms=_bucket(looped + (heard_ms if repeat else 0), LOOPED),
        cut_count=_bucket(cut, CUT),
        cut_last_ms=cut_last_ms,
        gap_last_ms=gap_ms,
        early_rate=_average(conduct.early_rate, early),
        artist_rate=conduct.artist_rate if same is None else _average(conduct.artist_rate, same),
        regular_rate=_average(
            conduct.regular_rate, gap_ms > 0 and abs(gap_ms - conduct.gap_last_ms) <= SECOND
        ),
    )
    amounts = (after.ahead_ms, after.awake_ms, after.cut_count, after.looped_ms)
    bits = after.suspicion
    for bit, (amount, mark) in enumerate(zip(amounts, MARKS, strict=True)):
        if amount >= mark:
            bits |= 1 << bit
        elif amount < mark / 2:
            bits &= ~(1 << bit)
    return replace(after, suspicion=bits), repeat


def draw(forest: ConductForest, conduct: Conduct, recent: Sequence[str]) -> Conduct:
    """Show the forest a listener; their conduct with its score."""
    features = [
        conduct.ahead_ms / (2 * AHEAD),
        conduct.awake_ms / (2 * AWAKE),
        conduct.looped_ms / (2 * LOOPED),
        conduct.cut_count / (2 * CUT),
        len({*recent}) / max(len(recent), 1),
        conduct.early_rate / 65_536,
        conduct.artist_rate / 65_536,
        conduct.regular_rate / 65_536,
    ]
    return replace(conduct, score=forest.score(features))


def _bucket(amount: int, mark: int) -> int:
    return min(max(amount, 0), 2 * mark)


def _average(rate: int, hit: bool) -> int:
    return rate + ((65_536 * hit - rate) // 32)

"""The signs of a listener who may cheat, recomputed from plays by the rules as written.

Nothing of `models` is used, so an error there cannot hide itself here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["COLUMNS", "SIGNS", "judge"]

COLUMNS = (
    *("ahead", "awake", "looped", "cut", "cut_last", "gap_last"),
    *("early_rate", "artist_rate", "regular_rate", "suspicion"),
)
"""In the order of a record; the forest's score, which comes last there, does not follow from one
listener's plays."""

HOUR = 3_600_000
SIGNS = {"ahead": 24 * HOUR, "awake": 120 * HOUR, "cut": 40, "looped": 24 * HOUR}
"""The mark of each, in the order of the bits of suspicion."""


def judge(
    signs: dict[str, int],
    play: Mapping[str, Any],
    *,
    newest_ms: int,
    times: int,
    early: bool,
    same_artist: bool | None,
) -> bool:
    """Change the signs as a play that is not late does; returns whether it is a repeat.

    `times` is how often its track is among the last 50; `same_artist` None if there is nothing to
    compare.
    """
    heard, duration = play["played_ms"], play["duration_ms"]
    if heard == 0:
        return False
    if duration:
        heard = min(heard, duration)
    gap = min(7 * 24 * HOUR, max(0, play["started_at_ms"] - newest_ms))
    repeat = times >= 4 and not early
    signs["ahead"] += heard - gap
    signs["awake"] += gap if gap < 2 * HOUR else -8 * gap
    signs["looped"] = max(0, signs["looped"] - gap * 5 // 12) + (heard if repeat else 0)
    if not early:
        broken_off = heard > 30_000 and heard * 10 < duration * 9
        short = heard <= 40_000 or abs(heard - signs["cut_last"]) <= 1_000
        signs["cut"] += 1 if broken_off and short else -1
        if broken_off:
            signs["cut_last"] = heard
    if same_artist is not None:
        _move(signs, "artist_rate", same_artist)
    _move(signs, "early_rate", early)
    _move(signs, "regular_rate", gap > 0 and abs(gap - signs["gap_last"]) <= 1_000)
    signs["gap_last"] = gap
    for bit, (name, mark) in enumerate(SIGNS.items()):
        signs[name] = max(0, min(2 * mark, signs[name]))
        if signs[name] >= mark:
            signs["suspicion"] |= 1 << bit
        elif signs[name] * 2 < mark:
            signs["suspicion"] &= ~(1 << bit)
    return repeat


def _move(signs: dict[str, int], name: str, hit: bool) -> None:
    """Move an average over about 32 plays, in 1/65536."""
    signs[name] += ((65_536 if hit else 0) - signs[name]) // 32

"""How a trending track moves, in a few characters for people."""

from __future__ import annotations

from typing import Final

from schemas.outputs import TrendingTracks

__all__ = ["movement"]

_ARROWS: Final[dict[str, str]] = {"rising": "▲", "falling": "▼", "steady": "→", "new": "★"}


def movement(found: TrendingTracks, index: int) -> str:
    """Return an arrow (a star if new) and by what the track's share of plays changed.

    Empty for a value of an older worker. Raises IndexError beyond the list.

    >>> movement(TrendingTracks("v", "SE", "hour", 0, ["a"], [19.0], [1.0], ["new"]), 0)
    '★ ×2.0'
    """
    found.track_ids[index]
    if not found.directions:
        return ""
    direction = found.directions[index]
    arrow = _ARROWS.get(direction, direction)  # a newer worker may know others
    return arrow if direction == "steady" else f"{arrow} ×{2 ** found.accelerations[index]:.1f}"

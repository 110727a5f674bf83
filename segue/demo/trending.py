"""What trends, and how it moved while one looked at it."""

from __future__ import annotations

from collections import deque
from typing import Final

from schemas.outputs import TrendingTracks
from segue.client.movement import movement
from segue.demo.view import Trending

__all__ = ["TrendWatch"]

LOOK_BACK_S: Final = 10.0
TRACKS_MAX: Final = 20


class TrendWatch:
    """Compares places with those of ten seconds ago, as far as it has been looking.

    A market as young as a demo's has no past that the hour could be compared with: by what Segue
    publishes everything in it is steady, and only places tell.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, dict[str, int]]] = deque()

    def look(self, now_s: float, found: TrendingTracks | None) -> tuple[Trending, ...]:
        """The first tracks, each with its movement and how far it moved up; None if it is new."""
        if found is None or not found.track_ids:
            return ()
        self._seen.append((now_s, {track: i for i, track in enumerate(found.track_ids)}))
        while len(self._seen) > 1 and self._seen[1][0] <= now_s - LOOK_BACK_S:
            self._seen.popleft()
        before = self._seen[0][1]
        directions = found.directions or [""] * len(found.track_ids)
        return tuple(
            Trending(
                track,
                found.scores[place],
                directions[place],
                movement(found, place),
                before[track] - place if track in before else None,
            )
            for place, track in enumerate(found.track_ids[:TRACKS_MAX])
        )

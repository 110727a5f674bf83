"""Made-up accounts that do not listen: bots and a small farm, for filters to find.

A bot plays any track for 31 seconds, the shortest time that is paid for, and never stops. An
account of a farm plays the few tracks of one artist in full, with a tiny skip now and then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schemas.events import EndReason
from segue.sim.catalogue import Catalogue

__all__ = ["Cheat", "Heard", "build_cheats"]

BOT_PLAYED_MS: Final = 31_000
FARM_TRACKS: Final = 4
_MARKET: Final = "US"
_TINY_SKIP: Final = 0.1

Draw = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Heard:
    """One play: the track by its number, how long, why it ended, and the silence after it."""

    index: int
    played_ms: int
    reason: EndReason
    pause_ms: int


@dataclass(slots=True)
class Cheat:
    """An account; `tracks` are those it plays, by number, none for any."""

    user_id: str
    tracks: tuple[int, ...] = ()
    market: str = _MARKET
    plays: int = 0

    def play(self, catalogue: Catalogue, draw: Draw) -> Heard:
        """What it plays next."""
        self.plays += 1
        if not self.tracks:
            index = int(draw() * len(catalogue.tracks))
            played_ms = BOT_PLAYED_MS + int(draw() * 500)
            return Heard(index, played_ms, "stopped", 200)
        index = self.tracks[self.plays % len(self.tracks)]
        if draw() < _TINY_SKIP:
            return Heard(index, 1_000 + int(draw() * 2_000), "skipped", 300)
        return Heard(index, catalogue.tracks[index].duration_ms, "finished", 300)


def build_cheats(catalogue: Catalogue, *, bots: int, farm: int) -> list[Cheat]:
    """So many bots, and accounts of one farm. Their artist is the one of the last track."""
    artist = catalogue.tracks[-1].artist
    farmed = [i for i, track in enumerate(catalogue.tracks) if track.artist == artist]
    tracks = tuple(farmed[-FARM_TRACKS:])
    return [
        *(Cheat(f"bot:{number:03d}") for number in range(bots)),
        *(Cheat(f"farm:{number:03d}", tracks) for number in range(farm)),
    ]

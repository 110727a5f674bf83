"""Follows one listener: what they play, and how their two lists change by it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.events import PlayEvent
from schemas.outputs import ListKind, RecommendationList, TrendingTracks, TrendWindow
from segue.clock import Clock
from segue.sim.feeder import PlaySink

__all__ = ["Entry", "Follower", "ListenerView", "Lists", "WatchedSink", "moves"]

SHOWN: Final = 10
PLAYS_BEFORE_CHOSEN: Final = 3
"""Plays after which somebody is interesting enough to be followed."""
CANDIDATES_MAX: Final = 10_000
SILENT_MAX_S: Final = 5.0
"""Silence after which somebody else, who is playing now, is followed instead."""


class Lists(Protocol):
    """Where lists are read: `segue.client.ListReader`, as far as the demo needs it."""

    async def next(self, user_id: str) -> RecommendationList | None:
        """What the listener should hear next."""
        ...

    async def discover(self, user_id: str) -> RecommendationList | None:
        """What the listener has not heard lately."""
        ...

    async def trends(self, market: str, *, window: TrendWindow) -> TrendingTracks | None:
        """What is played most in a market now."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A track in a list. `moved` is places up (positive) or down; None if it was not there."""

    track_id: str
    source: str
    moved: int | None


@dataclass(frozen=True, slots=True)
class ListenerView:
    """One listener at one time: their last plays, newest first, and both lists, best first."""

    user_id: str
    plays: tuple[PlayEvent, ...]
    next: tuple[Entry, ...]
    discover: tuple[Entry, ...]
    changes: int
    """How many times followed lists were seen to change, those of earlier listeners included."""


class Follower:
    """Notices plays as they are sent, chooses a listener, and reads their lists when asked.

    Those in `never` are not chosen.
    """

    def __init__(self, lists: Lists, clock: Clock, *, never: Collection[str] = ()) -> None:
        self._lists = lists
        self._never = never
        self._clock = clock
        self._played_s = 0.0
        self._seen: dict[str, int] = {}
        self._plays: deque[PlayEvent] = deque(maxlen=5)
        self._before: dict[ListKind, RecommendationList] = {}
        self._shown: dict[ListKind, tuple[Entry, ...]] = {}
        self._changes = 0
        self.user_id: str | None = None

    def note(self, plays: Sequence[PlayEvent]) -> None:
        """Look at plays that are about to be sent."""
        now_s = self._clock.monotonic_s()
        for play in plays:
            count = self._seen.get(play.user_id, 0) + 1
            if count > 1 or len(self._seen) < CANDIDATES_MAX:
                self._seen[play.user_id] = count
            silent = self.user_id is None or now_s - self._played_s > SILENT_MAX_S
            if silent and count >= PLAYS_BEFORE_CHOSEN and play.user_id != self.user_id:
                self._choose(play.user_id)
            if play.user_id == self.user_id:
                self._plays.appendleft(play)
                self._played_s = now_s

    async def read(self) -> ListenerView | None:
        """The listener as their lists stand in Redis now; None until somebody is followed.

        Raises Unavailable if Redis does not answer.
        """
        if self.user_id is None:
            return None
        changed = self._take("next", await self._lists.next(self.user_id))
        changed |= self._take("discover", await self._lists.discover(self.user_id))
        self._changes += changed
        return ListenerView(
            self.user_id,
            tuple(self._plays),
            self._shown.get("next", ()),
            self._shown.get("discover", ()),
            self._changes,
        )

    def _choose(self, user_id: str) -> None:
        if user_id in self._never:
            return
        self.user_id = user_id
        self._plays.clear()
        self._before.clear()
        self._shown.clear()

    def _take(self, kind: ListKind, found: RecommendationList | None) -> bool:
        """Keep what was read; tell whether it is another list than before."""
        before = self._before.get(kind)
        if found is None or (before is not None and found.version == before.version):
            return False
        self._before[kind] = found
        self._shown[kind] = moves(before, found)
        return True


class WatchedSink:
    """Shows a follower every play on its way to another sink, and counts them."""

    def __init__(self, sink: PlaySink, follower: Follower) -> None:
        self._sink = sink
        self._follower = follower
        self.sent = 0
        self.first_user_id: str | None = None

    async def send_many(self, plays: Sequence[PlayEvent]) -> None:
        """Pass the plays on; waits and raises as the other sink does."""
        await self._sink.send_many(plays)
        self._follower.note(plays)
        self.sent += len(plays)
        if self.first_user_id is None and plays:
            self.first_user_id = plays[0].user_id

    async def flush(self) -> None:
        """Flush the other sink."""
        await self._sink.flush()


def moves(before: RecommendationList | None, after: RecommendationList) -> tuple[Entry, ...]:
    """The first entries of a list, each with how far it moved since `before`.

    Places are compared over both whole lists; in a first list everything is new.
    """
    places = {} if before is None else {track: i for i, track in enumerate(before.track_ids)}
    entries = []
    for place, track_id in enumerate(after.track_ids[:SHOWN]):
        earlier = places.get(track_id)
        moved = None if earlier is None else earlier - place
        entries.append(Entry(track_id, after.sources[place], moved))
    return tuple(entries)

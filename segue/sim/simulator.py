"""Simulated listening: who plays what next, for how long, and when.

Listeners sit in a heap ordered by when their next play begins, so that plays come out interleaved
and in the order of time, as a service sees them. The next play mostly follows the last one: the
next track of the album, or a *follower* of the track, so that what is played together can be
learned; the rest is a popular track of the taste, a favourite again, or a leap to another taste.
From a stated play on, one hitherto obscure track trends.

All randomness comes from seeded generators: the same arguments give the same plays, to the byte.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from heapq import heapify, heappush, heapreplace
from typing import Final

import numpy as np

from schemas.events import EndReason, PlayEvent
from segue.sim.catalogue import Catalogue, Track, build_catalogue
from segue.sim.cheats import Cheat, build_cheats
from segue.sim.listeners import FAVOURITES_MAX, GAP_MIN_MS, Listener, build_listeners

__all__ = ["LISTENERS", "START_MS", "TRACKS", "Simulator"]

LISTENERS: Final = 2_000
TRACKS: Final = 3_000
START_MS: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z
CHEATS_WAIT_MS: Final = 30 * 60_000
SESSION_PLAYS_MEAN: Final = 12.0
TREND_SHARE: Final = 0.05
"""Share of all plays that the trending track takes once it trends."""

# Where the next play of a session comes from: cumulative shares of a uniform draw.
_ALBUM: Final = 0.34
_FOLLOWER: Final = 0.72
_LEAP: Final = 0.76  # to another taste of the listener; the rest is popular in the taste
_STRANGE: Final = 0.10  # share of popular picks from any taste at all
_FOLLOWER_SHARES: Final = (0.45, 0.72, 0.89)  # of the first, second and third follower
_SKIP: Final = 0.12
_SKIP_STRANGE: Final = 0.45
_SKIP_EARLY: Final = 0.65
_BECOMES_FAVOURITE: Final = 0.2
_DRAWS: Final = 8_192


class Simulator:
    """An endless stream of plays by `listeners` people over `tracks` made-up tracks.

    The seed makes people and tracks; `run` is part of event and session ids and of what is listened
    to: two runs of one seed are other plays of the same people, one run twice is the same again.
    `trend_after` is the number of plays after which `trending_track` trends; None for never. About
    8 µs per play; memory is fixed after the start.
    """

    def __init__(
        self,
        seed: int,
        *,
        listeners: int = LISTENERS,
        tracks: int = TRACKS,
        run: str = "0",
        start_ms: int = START_MS,
        trend_after: int | None = None,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.catalogue: Catalogue = build_catalogue(rng, tracks)
        self._listeners = build_listeners(rng, listeners, len(self.catalogue.clusters))
        self._trend_index = self._obscure_track(int(rng.integers(len(self.catalogue.clusters))))
        self._trend_after = math.inf if trend_after is None else trend_after
        # The world follows from the seed, what is listened to from the seed and the run.
        listening = np.random.default_rng([seed, int.from_bytes(run.encode(), "big")])
        self._draw: Callable[[], float] = _uniform(listening).__next__
        self._prefix = f"sim-{seed}-{run}"
        self._played = 0
        self.cheats: list[Cheat] = []
        cycle_ms = 4 * GAP_MIN_MS
        self._heap = [
            (start_ms + int(self._draw() * cycle_ms), who) for who in range(len(self._listeners))
        ]
        heapify(self._heap)

    def add_cheats(self, *, bots: int, farm: int) -> None:
        """So many bots, and accounts of a farm, half an hour from now. May be called once."""
        assert not self.cheats, "they are there already"
        self.cheats = build_cheats(self.catalogue, bots=bots, farm=farm)
        begin_ms, people = self._heap[0][0] + CHEATS_WAIT_MS, len(self._listeners)
        for number in range(len(self.cheats)):
            heappush(self._heap, (begin_ms + number, people + number))

    @property
    def trending_track(self) -> Track:
        """The track that trends after `trend_after` plays."""
        return self.catalogue.tracks[self._trend_index]

    def plays(self, count: int) -> Iterator[PlayEvent]:
        """The next `count` plays, in the order of their natural time (about 3 minutes a track)."""
        for _ in range(count):
            yield self._next_play(None)

    def batch(self, count: int, *, at_ms: int) -> list[PlayEvent]:
        """The next `count` plays, all of which end at `at_ms`: for feeding faster than life.

        An app sends a play when it ends, so `at_ms` is the time of sending. At such a pace the
        plays of one listener overlap; their order is that of sending.
        """
        return [self._next_play(at_ms) for _ in range(count)]

    def _next_play(self, at_ms: int | None) -> PlayEvent:
        natural_ms, who = self._heap[0]
        if who >= len(self._listeners):
            return self._next_cheated(at_ms)
        listener = self._listeners[who]
        if listener.plays_left == 0:
            self._begin_session(listener)
        last = listener.track
        index, skip_share = self._choose(listener)
        track = self.catalogue.tracks[index]
        played_ms, reason = self._listen(listener, track, skip_share)
        listener.plays_left -= 1
        play = PlayEvent(
            f"{self._prefix}-{self._played}",
            listener.user_id,
            track.track_id,
            natural_ms if at_ms is None else at_ms - played_ms,
            played_ms,
            track.duration_ms,
            reason,
            f"{self._prefix}-{who}-{listener.session_index}",
            track.artist,
            track.title,
            "album" if last >= 0 and index == self.catalogue.album_next[last] else "radio",
            listener.market,
            listener.device,
        )
        if reason != "skipped" and index != self._trend_index:
            listener.track = index
            self._remember(listener, index)
        self._played += 1
        heapreplace(self._heap, (natural_ms + played_ms + self._pause_ms(listener), who))
        return play

    def _next_cheated(self, at_ms: int | None) -> PlayEvent:
        natural_ms, who = self._heap[0]
        cheat = self.cheats[who - len(self._listeners)]
        heard = cheat.play(self.catalogue, self._draw)
        track = self.catalogue.tracks[heard.index]
        play = PlayEvent(
            f"{self._prefix}-{self._played}",
            cheat.user_id,
            track.track_id,
            natural_ms if at_ms is None else at_ms - heard.played_ms,
            heard.played_ms,
            track.duration_ms,
            heard.reason,
            None,
            track.artist,
            track.title,
            market=cheat.market,
        )
        self._played += 1
        heapreplace(self._heap, (natural_ms + heard.played_ms + heard.pause_ms, who))
        return play

    def _begin_session(self, listener: Listener) -> None:
        length = math.log(1.0 - self._draw()) / math.log(1.0 - 1.0 / SESSION_PLAYS_MEAN)
        listener.plays_left = 1 + int(length)
        listener.session_index += 1
        listener.track = -1
        self._take_taste(listener)

    def _take_taste(self, listener: Listener) -> None:
        position = bisect_right(listener.taste_shares, self._draw())
        listener.cluster = listener.tastes[min(position, len(listener.tastes) - 1)]

    def _choose(self, listener: Listener) -> tuple[int, float]:
        """The next track, and how likely it is skipped."""
        draw, catalogue = self._draw, self.catalogue
        if self._played >= self._trend_after and draw() < TREND_SHARE:
            return self._trend_index, _SKIP / 2
        if listener.favourites and draw() < listener.loyalty:
            return listener.favourites[int(draw() * len(listener.favourites))], _SKIP / 2
        source, last = draw(), listener.track
        if last >= 0 and source < _ALBUM:
            return catalogue.album_next[last], _SKIP
        if last >= 0 and source < _FOLLOWER:
            followers = catalogue.followers[last]
            return followers[min(bisect_right(_FOLLOWER_SHARES, draw()), len(followers) - 1)], _SKIP
        if source < _LEAP:
            self._take_taste(listener)
        elif draw() < _STRANGE:
            strange = int(draw() * len(catalogue.clusters))
            return catalogue.popular(strange, draw()), _SKIP_STRANGE
        return catalogue.popular(listener.cluster, draw()), _SKIP

    def _listen(self, listener: Listener, track: Track, skip: float) -> tuple[int, EndReason]:
        """How long the track is heard, and why it ends."""
        chance = self._draw()
        if chance < skip * _SKIP_EARLY:
            return 2_000 + int(self._draw() * 23_000), "skipped"
        if chance < skip:
            return int(track.duration_ms * (0.3 + 0.5 * self._draw())), "skipped"
        if listener.plays_left == 1 and chance > 0.7:
            return int(track.duration_ms * self._draw()), "stopped"
        return track.duration_ms, "finished"

    def _remember(self, listener: Listener, index: int) -> None:
        if self._draw() < _BECOMES_FAVOURITE and index not in listener.favourites:
            listener.favourites.append(index)
            if len(listener.favourites) > FAVOURITES_MAX:
                del listener.favourites[0]

    def _pause_ms(self, listener: Listener) -> int:
        """The silence after a play: a breath within a session, a gap after its last play."""
        if listener.plays_left:
            return 200 + int(self._draw() * 4_000)
        return GAP_MIN_MS - int(listener.gap_mean_ms * math.log(1.0 - self._draw()))

    def _obscure_track(self, cluster: int) -> int:
        """A track that nearly nobody plays: the least popular one of a taste."""
        shares = self.catalogue.popularity[cluster]
        own = [share - before for before, share in zip([0.0, *shares], shares, strict=False)]
        return self.catalogue.clusters[cluster][own.index(min(own))]


def _uniform(rng: np.random.Generator) -> Iterator[float]:
    """Uniform draws from 0 to below 1, by the thousand: a single draw costs a microsecond."""
    while True:
        yield from rng.random(_DRAWS).tolist()

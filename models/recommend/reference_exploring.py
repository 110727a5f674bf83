"""Exploration in plain Python: what the compiled code is tested against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from models.recommend.listener_memory import ListenerSnapshot
from models.recommend.vocabulary import hash32

__all__ = ["Explored", "explored"]

PLACE, BITS = 9, (1 << 64) - 1
WHETHER, HOW, WHAT = 1, 2, 3


class Explored(NamedTuple):
    """An entry drawn, and with which probability."""

    place: int
    track: str
    strategy: str
    propensity: float


def explored(
    listener: ListenerSnapshot,
    listed: Sequence[str],
    fitting: Mapping[str, Sequence[str]],
    *,
    share: float,
    artists: Mapping[str, str],
    artist_tracks_max: int = 0,
) -> Explored | None:
    """What a list explores, each strategy as often; `fitting` are the tracks it may hold, by it."""
    if not listed or not listener.events:
        return None
    seed = _mix(_mix(listener.events[0], listener.plays), listener.last_ms)
    if listener.said:
        seed = _mix(seed, listener.said[-1].at_ms)
    if _fraction(seed, WHETHER) >= share:
        return None
    strategy = [*fitting][int(_fraction(seed, HOW) * len(fitting))]
    place = min(len(listed) - 1, PLACE)
    held = [artists.get(track) for track in listed if track != listed[place]]
    pool = [
        track
        for track in fitting[strategy]
        if track not in listed
        and (
            not artist_tracks_max
            or track not in artists
            or held.count(artists[track]) < artist_tracks_max
        )
    ]
    if not pool:
        return None
    what = _mix(seed, WHAT)
    track = min(pool, key=lambda track: _mix(what, hash32(track)))
    return Explored(place, track, strategy, share / len(fitting) / len(pool))


def _mix(a: int, b: int) -> int:
    x = ((a ^ b) + 0x9E3779B97F4A7C15) & BITS
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & BITS
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & BITS
    return x ^ x >> 31


def _fraction(seed: int, what: int) -> float:
    return (_mix(seed, what) >> 11) / 2**53

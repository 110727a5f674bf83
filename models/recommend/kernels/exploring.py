"""Exploration: one entry of some `discover` lists is drawn, and with which probability is known.

What is drawn follows from the listener's newest play and newest statement, so the same state makes
the same list again. Of the tracks that fit, the one with the lowest number drawn for it is taken:
that is uniform, and depends on the order of none.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.candidates import TRACK
from models.recommend.kernels.compiling import kernel
from models.recommend.kernels.listener import (
    AT_MS,
    EVENT_COUNT,
    EVENT_NEXT,
    LAST_MS,
    MARKET,
    PLAYS,
    SAID,
    SAID_COUNT,
    ListenerArrays,
)
from models.recommend.kernels.memory import mark_allowed
from models.recommend.kernels.ranking import DISCOVER, NEXT, Bench
from models.recommend.kernels.rows import find
from models.recommend.kernels.scene import NOTHING, Exploring, Scene, market_row
from models.recommend.kernels.stated import STATED
from models.recommend.kernels.taste import Taste
from models.recommend.kernels.variety import Entries, count_of_artist

__all__ = [
    "EXPLORED_PLACE",
    "EXPLORE_NEAR",
    "EXPLORE_NEW",
    "EXPLORE_TRENDING",
    "NEW_DISCOVERIES",
    "explore",
]

# Sources of explored entries, in the order of `schemas.outputs.STRATEGIES`.
EXPLORE_NEAR: Final = STATED + 1
EXPLORE_NEW: Final = STATED + 2
EXPLORE_TRENDING: Final = STATED + 3

EXPLORED_PLACE: Final = 9
"""The place of an explored entry, from 0; the last one of a shorter list."""
NEW_DISCOVERIES: Final = 20
"""A track is new until it was discovered so often."""
_NEW_LOG: Final = math.log(NEW_DISCOVERIES + 0.5)  # between those of 1 + 19 and of 1 + 20

# What is drawn, each by a number of its own.
_WHETHER: Final = 1
_HOW: Final = 2
_WHAT: Final = 3


@kernel
def _mix(a: np.uint64, b: np.uint64) -> np.uint64:
    """A number that looks drawn, from two (splitmix64: Steele, Lea and Flood, 2014)."""
    x = (a ^ b) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def _fraction(seed: np.uint64, what: int) -> float:
    """From 0 to below 1."""
    return float(_mix(seed, np.uint64(what)) >> np.uint64(11)) * 2.0**-53


@kernel
def _seed(state: ListenerArrays, slot: int) -> np.uint64:
    """What all draws of a listener follow from, who played something.

    Ids of events may be the same for others; together with the time they hardly are.
    """
    meta = state.meta[slot]
    newest = meta[EVENT_NEXT] - 1 if meta[EVENT_NEXT] > 0 else meta[EVENT_COUNT] - 1
    event = np.uint64(state.events[slot, newest])
    event |= np.uint64(state.events_high[slot, newest]) << np.uint64(32)
    seed = _mix(_mix(event, np.uint64(meta[PLAYS])), np.uint64(meta[LAST_MS]))
    if meta[SAID_COUNT] > 0:
        said = state.said[meta[SAID] + meta[SAID_COUNT] - 2, AT_MS]
        seed = _mix(seed, np.uint64(said))
    return seed


@kernel
def _strategy(exploring: Exploring, fraction: float) -> tuple[int, float]:
    """The strategy drawn, and its probability."""
    if fraction < exploring.near:
        return EXPLORE_NEAR, exploring.near
    if fraction < exploring.near + exploring.new:
        return EXPLORE_NEW, exploring.new
    return EXPLORE_TRENDING, exploring.trending


@kernel
def _is_new(taste: Taste, track: int) -> bool:
    """Whether hardly anybody discovered a track: every worker knows that, as it does no row."""
    slot = taste.slot_of[track] - 1
    return slot < 0 or bool(taste.logs[slot] < _NEW_LOG)


@kernel
def _draw(
    tracks: NDArray[np.int32],
    allowed: NDArray[np.uint8],
    scene: Scene,
    ids: NDArray[np.int32],
    of: tuple[np.uint64, int, int],
) -> tuple[int, int]:
    """Draw a track that fits the list; returns it and how many there are.

    `of` are the seed, the strategy, and the place of the entry that the track would replace.
    """
    seed, strategy, place = of
    most, artists, size = scene.rules.artist_tracks_max, scene.artists, len(ids)
    leaving, count, drawn, lowest = artists[ids[place]], 0, 0, np.uint64(0)
    for j in range(len(tracks)):
        track = int(tracks[j])
        if not allowed[j] or find(ids, size, track) < size:
            continue
        if strategy == EXPLORE_NEW and not _is_new(scene.taste, track):
            continue
        if most:
            others = count_of_artist(artists, ids, size, track) - (artists[track] == leaving)
            if others >= most:
                continue
        number = _mix(seed, np.uint64(scene.hashes[track]))
        if count == 0 or number < lowest:
            drawn, lowest = track, number
        count += 1
    return drawn, count


@kernel
def explore(
    state: ListenerArrays,
    slot: int,
    found: tuple[Bench, int, Scene],
    entries: Entries,
) -> float:
    """Let an explored track replace an entry of `discover`, or leave the list as it is.

    `found` are the listener's memory and candidates, and how many these are. Returns the
    probability of what was drawn; 0 if nothing was. Who never played anything is left alone.
    """
    (bench, count, scene), (ids, _, sources, because) = found, entries
    rules = scene.rules.exploring
    if len(ids) == 0 or state.meta[slot, EVENT_COUNT] == 0:
        return 0.0
    seed = _seed(state, slot)
    if _fraction(seed, _WHETHER) >= rules.share:
        return 0.0
    strategy, chance = _strategy(rules, _fraction(seed, _HOW))
    tracks = bench.candidates.known[TRACK, :count]
    if strategy == EXPLORE_TRENDING:
        row = market_row(scene.popular, int(state.meta[slot, MARKET]))
        tracks = scene.popular.ids[row, : scene.popular.sizes[row]]
    allowed, place = bench.allowed, min(len(ids) - 1, EXPLORED_PLACE)
    known = (scene.hashes, scene.artists)
    mark_allowed(bench.memory, tracks, known, allowed[NEXT], allowed[DISCOVER])
    of = (_mix(seed, np.uint64(_WHAT)), strategy, place)
    drawn, fitting = _draw(tracks, allowed[DISCOVER], scene, ids, of)
    if fitting == 0:
        return 0.0
    ids[place], sources[place], because[place] = drawn, strategy, NOTHING
    return float(rules.share * chance / fitting)

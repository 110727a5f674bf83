"""Kernels that make lists. They change nothing but the lists served."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.candidates import (
    AFTER,
    ARTIST,
    AUDIO,
    BECAUSE,
    BY_ARTIST,
    BY_SOUND,
    LATELY,
    POPULAR,
    TOGETHER,
    TRACK,
    clear_candidates,
)
from models.recommend.kernels.compiling import allocating, kernel
from models.recommend.kernels.exploring import explore
from models.recommend.kernels.listener import (
    MARKET,
    SERVED_TRACKS,
    ListenerArrays,
)
from models.recommend.kernels.memory import mark_allowed
from models.recommend.kernels.ranking import (
    DISCOVER,
    NEXT,
    Bench,
    Ranker,
    leading_sources,
    new_bench,
    prepare,
    take_best,
)
from models.recommend.kernels.rows import find
from models.recommend.kernels.scene import NOTHING, Scene, market_row
from models.recommend.kernels.stated import Turns, find_stated, new_turns, take_turns
from models.recommend.kernels.taste import Taste
from models.recommend.kernels.variety import count_of_artist, spread_artists

__all__ = ["ServedArrays", "serve"]


class ServedArrays(NamedTuple):
    """The lists of a batch: [listener, NEXT or DISCOVER, place]."""

    ids: NDArray[np.int32]
    scores: NDArray[np.float32]
    sources: NDArray[np.int8]  # the one that said most for it
    because: NDArray[np.int8]  # the place in the session of the track that did, or NOTHING
    sizes: NDArray[np.int32]
    propensity: NDArray[np.float64]  # of the explored entry of `discover`, by listener; 0 without


@kernel
def _serve_best(
    out: ServedArrays,
    at: tuple[int, int],
    bench: Bench,
    size: int,
    ranker: Ranker,
    taste: Taste,
) -> None:
    """Write down the best candidates; scores are relative to the first."""
    i, kind = at
    known, best = bench.candidates.known, bench.best[:size]
    scores, sources = bench.candidates.scores[kind], out.sources[i, kind]
    ids, relative, because = out.ids[i, kind], out.scores[i, kind], out.because[i, kind]
    leading_sources(bench, best, ranker.weights[kind], taste, sources)
    for j in range(size):
        number = best[j]
        ids[j] = known[TRACK, number]
        relative[j] = math.exp(float(scores[number]) - float(scores[best[0]]))
        if sources[j] in (TOGETHER, LATELY):
            because[j] = known[BECAUSE, number]
        elif sources[j] == AFTER:
            because[j] = 0
        elif sources[j] == AUDIO:
            because[j] = known[BY_SOUND, number]
        else:  # what the listener or the market plays speaks for the track itself
            because[j] = known[BY_ARTIST, number] if sources[j] == ARTIST else NOTHING
    out.sizes[i, kind] = size


@kernel
def _serve_popular(out: ServedArrays, i: int, bench: Bench, scene: Scene, row: int) -> None:
    """Fill both lists up with a market's trends, under scores that continue below the last one."""
    popular, known = scene.popular, (scene.hashes, scene.artists)
    tracks, amounts = popular.ids[row, : popular.sizes[row]], popular.scores[row]
    mark_allowed(bench.memory, tracks, known, bench.allowed[NEXT], bench.allowed[DISCOVER])
    highest, most = max(amounts[0], 1e-300), scene.rules.artist_tracks_max
    for kind in range(2):
        ids, scores, allowed = out.ids[i, kind], out.scores[i, kind], bench.allowed[kind]
        size = int(out.sizes[i, kind])
        base = scores[size - 1] if size > 0 else 1.0
        for j in range(len(tracks)):
            if size == len(ids):
                break
            if not allowed[j] or find(ids, size, int(tracks[j])) < size:
                continue
            if most and count_of_artist(scene.artists, ids, size, int(tracks[j])) >= most:
                continue
            ids[size] = tracks[j]
            scores[size] = base * amounts[j] / highest
            out.sources[i, kind, size] = POPULAR
            out.because[i, kind, size] = NOTHING
            size += 1
        out.sizes[i, kind] = size


@kernel
def _remember(state: ListenerArrays, slot: int, out: ServedArrays, i: int) -> None:
    """Keep what was served, to test the next play against it."""
    served = state.served[slot]
    for kind in range(2):
        ids, size, first = out.ids[i, kind], out.sizes[i, kind], kind * SERVED_TRACKS
        for j in range(SERVED_TRACKS):
            served[first + j] = ids[j] if j < size else 0


@kernel
def _serve_one(
    state: ListenerArrays,
    slot: int,
    now_ms: int,
    made_from: tuple[Bench, Turns, Scene, Ranker],
    out: ServedArrays,
    i: int,
) -> None:
    bench, turns, scene, ranker = made_from
    known, most = (scene.hashes, scene.artists), scene.rules.artist_tracks_max
    count = prepare(bench, state, slot, now_ms, scene, ranker)
    named = find_stated(turns, state, slot, scene, bench.memory)
    for kind in range(2):
        if named > 0:
            columns = (out.ids[i, kind], out.scores[i, kind])
            reasons = (out.sources[i, kind], out.because[i, kind])
            out.sizes[i, kind] = take_turns(turns, named, kind, (*columns, *reasons), scene)
            if out.sizes[i, kind] > 0:
                continue
        size = take_best(bench, count, kind, known, most)
        _serve_best(out, (i, kind), bench, size, ranker, scene.taste)
        if most:
            columns = (out.ids[i, kind, :size], out.scores[i, kind, :size])
            reasons = (out.sources[i, kind, :size], out.because[i, kind, :size])
            spread_artists((*columns, *reasons), bench.best_artists)
    clear_candidates(bench.candidates, count)
    if min(out.sizes[i, NEXT], out.sizes[i, DISCOVER]) < out.ids.shape[2]:
        row = market_row(scene.popular, int(state.meta[slot, MARKET]))
        _serve_popular(out, i, bench, scene, row)
        _serve_popular(out, i, bench, scene, 0)
    if scene.rules.exploring.share > 0:
        size = int(out.sizes[i, DISCOVER])
        columns = (out.ids[i, DISCOVER, :size], out.scores[i, DISCOVER, :size])
        reasons = (out.sources[i, DISCOVER, :size], out.because[i, DISCOVER, :size])
        found = (bench, count, scene)
        out.propensity[i] = explore(state, slot, found, (*columns, *reasons))
    _remember(state, slot, out, i)


@allocating
def serve(
    state: ListenerArrays,
    slots: NDArray[np.int32],
    now_ms: int,
    scene: Scene,
    ranker: Ranker,
    out: ServedArrays,
) -> None:
    """Both lists of each listener at a time; a slot below 0 is nobody's: their places are left."""
    length = out.ids.shape[2]
    made_from = (new_bench(state, scene, length), new_turns(scene, length), scene, ranker)
    for i in range(len(slots)):
        if slots[i] >= 0:
            _serve_one(state, int(slots[i]), now_ms, made_from, out, i)

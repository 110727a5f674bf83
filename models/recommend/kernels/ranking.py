"""Kernels of the two rankers: listwise linear, one for each list, learned from every play.

A candidate's score is w . x. For each source with sum s, and m the largest of the list, x holds
s / m, the fourth root of s / m, and s / (1 + s): how it compares, how it compares on a flatter
scale, and how much evidence there is at all. One feature marks the track just played. The last two
are log-odds of the embedding, which are no sums: a quarter of each, between -2 and 2.

The loss of a list is the cross entropy of the next play under softmax(w . x) over its best 32
candidates (Cao et al., "Learning to rank: from pairwise approach to listwise approach", 2007, with
one relevant item), minimised by AdaGrad (Duchi, Hazan and Singer, 2011).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.audio import has_audio
from models.recommend.kernels.candidates import (
    AUDIO,
    POPULAR,
    SOURCE_COUNT,
    TASTE,
    TRACK,
    Candidates,
    clear_candidates,
    gather,
    new_candidates,
)
from models.recommend.kernels.compiling import allocating, kernel
from models.recommend.kernels.listener import RECENT_COUNT, ListenerArrays
from models.recommend.kernels.memory import (
    Memory,
    fill_memory,
    mark_allowed,
    new_memory,
)
from models.recommend.kernels.reach import is_reachable
from models.recommend.kernels.rows import find
from models.recommend.kernels.scene import EVERYTHING, Scene
from models.recommend.kernels.taste import Taste

__all__ = [
    "DISCOVER",
    "FEATURE_COUNT",
    "FORMS",
    "NEXT",
    "TRAINED_CANDIDATES",
    "ArmRankers",
    "Bench",
    "Ranker",
    "leading_sources",
    "new_bench",
    "prepare",
    "take_best",
    "train",
]

NEXT: Final = 0
DISCOVER: Final = 1

FORMS: Final = 3  # features per source
JUST_PLAYED: Final = FORMS * SOURCE_COUNT
TASTES: Final = JUST_PLAYED + 1  # the first of two
FEATURE_COUNT: Final = TASTES + 2
TASTE_SCALE: Final = 4
_TASTE_MAX: Final = 2
TRAINED_CANDIDATES: Final = 32
_SQUARES_START: Final = 0.01
_NOTHING_SAID: Final = np.float32(1e-30)  # one divided by less is infinite in single precision


class Ranker(NamedTuple):
    """What is learned: one row per list, and how many lists each was trained on."""

    weights: NDArray[np.float64]
    squares: NDArray[np.float64]  # sums of squared gradients
    trained: NDArray[np.int64]


class ArmRankers(NamedTuple):
    """The rankers of each arm, and what its lists are made without. The first axis is the arm."""

    left_out: NDArray[np.int64]
    weights: NDArray[np.float64]
    squares: NDArray[np.float64]
    trained: NDArray[np.int64]


class Bench(NamedTuple):
    """Working memory for one listener's lists, used again for the next one's."""

    candidates: Candidates
    memory: Memory
    allowed: NDArray[np.uint8]  # by list: whether it may hold a candidate, or a trending track
    best: NDArray[np.int32]  # numbers of the best candidates
    best_artists: NDArray[np.int32]
    chance: NDArray[np.float64]
    features: NDArray[np.float32]  # by feature and candidate


@allocating
def new_bench(state: ListenerArrays, scene: Scene, length: int) -> Bench:
    """Room for lists of `length`."""
    candidates = new_candidates(scene, state.recent.shape[1])
    features = np.empty((FEATURE_COUNT, candidates.known.shape[1]), np.float32)
    features[FORMS * AUDIO : FORMS * (AUDIO + 1)] = 0  # for good where nothing is known of sound
    return Bench(
        candidates,
        new_memory(),
        np.empty((2, max(candidates.known.shape[1], scene.popular.ids.shape[1])), np.uint8),
        np.empty(length, np.int32),
        np.empty(length, np.int32),
        np.empty(length, np.float64),
        features,
    )


@kernel
def _add_source(
    features: NDArray[np.float32],
    sums: NDArray[np.float32],
    scores: NDArray[np.float32],
    weights: NDArray[np.float64],
    source: int,
    count: int,
) -> None:
    """The features of one source, and what they add to both scores, for each candidate."""
    # Sums are not negative, so they stand in the order of their bits; integers are compared eight
    # at a time, singles one by one.
    bits, most = sums.view(np.int32), np.int32(0)
    for i in range(count):
        most = max(most, bits[source, i])
    largest = np.int32(most).view(np.float32)
    one, first = np.float32(1), FORMS * source
    if largest < _NOTHING_SAID:
        features[first : first + FORMS, :count] = 0
        return
    scale = one / largest
    for i in range(count):  # short loops, each of few arrays: so they are ones of vectors
        share = sums[source, i] * scale
        features[first, i] = share
        features[first + 1, i] = np.sqrt(np.sqrt(share))
    for i in range(count):
        features[first + 2, i] = sums[source, i] / (one + sums[source, i])
    for kind in range(2):
        a = np.float32(weights[kind, first])
        b = np.float32(weights[kind, first + 1])
        c = np.float32(weights[kind, first + 2])
        for i in range(count):
            scores[kind, i] += (
                a * features[first, i] + b * features[first + 1, i] + c * features[first + 2, i]
            )


@kernel
def _add_tastes(
    features: NDArray[np.float32],
    tastes: NDArray[np.float32],
    scores: NDArray[np.float32],
    weights: NDArray[np.float64],
    count: int,
) -> None:
    """The features of the embedding, and what they add to both scores, for each candidate."""
    most, scale = np.float32(_TASTE_MAX), np.float32(1 / TASTE_SCALE)
    for which in range(2):
        feature = TASTES + which
        for i in range(count):
            features[feature, i] = max(-most, min(most, scale * tastes[which, i]))
        for kind in range(2):
            weight = np.float32(weights[kind, feature])
            for i in range(count):
                scores[kind, i] += weight * features[feature, i]


@kernel
def _score(bench: Bench, count: int, just_played: int, ranker: Ranker, sources: int) -> None:
    """Features of all candidates, and their scores for both lists, by the first sources."""
    c, weights, features = bench.candidates, ranker.weights, bench.features
    scores = c.scores
    scores[:, :count] = 0
    for source in range(sources):
        _add_source(features, c.sums, scores, weights, source, count)
    for i in range(count):
        features[JUST_PLAYED, i] = 0
        if c.known[TRACK, i] == just_played:
            features[JUST_PLAYED, i] = 1
            for kind in range(2):
                scores[kind, i] += np.float32(weights[kind, JUST_PLAYED])
    _add_tastes(features, c.tastes, scores, weights, count)


@kernel
def prepare(
    bench: Bench, state: ListenerArrays, slot: int, now_ms: int, scene: Scene, ranker: Ranker
) -> int:
    """Find and score the candidates of a listener. Returns how many there are."""
    meta, c = state.meta[slot], bench.candidates
    just_played = int(state.recent[slot, 0]) if meta[RECENT_COUNT] > 0 else 0
    fill_memory(bench.memory, state, slot, now_ms, scene.rules.filtered)
    count = gather(c, state, slot, scene)
    _score(bench, count, just_played, ranker, SOURCE_COUNT if has_audio(scene.audio) else AUDIO)
    following, new = bench.allowed[NEXT], bench.allowed[DISCOVER]
    known = (scene.hashes, scene.artists)
    mark_allowed(bench.memory, c.known[TRACK, :count], known, following, new)
    return count


@kernel
def _last_of(artists: NDArray[np.int32], artist: int, size: int) -> int:
    """The last place of an artist among the first `size`, who has one."""
    at = size - 1
    while artists[at] != artist:
        at -= 1
    return at


@kernel
def take_best(  # noqa: PLR0912  # a call for each candidate would cost more than the rest
    bench: Bench,
    count: int,
    kind: int,
    known: tuple[NDArray[np.uint32], NDArray[np.int32]],
    artist_tracks_max: int,
) -> int:
    """Put the numbers of the best allowed candidates into `bench.best`. Returns how many.

    By score, equal ones by hash, then id; no more of an artist than `artist_tracks_max`, unless it
    is 0. `known` are hashes and artists by track.
    """
    (hashes, artists), best_artists, artist = known, bench.best_artists, np.int32(0)
    scores, tracks = bench.candidates.scores[kind], bench.candidates.known[TRACK]
    best, allowed, size, room = bench.best, bench.allowed[kind], 0, len(bench.best)
    least = np.float32(-np.inf)
    for i in range(count):
        mine = scores[i]
        if not allowed[i] or mine < least:
            continue
        at = size
        while at > 0:
            other = best[at - 1]
            if mine < scores[other]:
                break
            if mine == scores[other]:
                own, its = hashes[tracks[i]], hashes[tracks[other]]
                if own > its or (own == its and tracks[i] > tracks[other]):
                    break
            at -= 1
        if at == room:
            continue
        end = min(size, room - 1)  # who leaves, or the first free place
        if artist_tracks_max:
            artist, held = artists[tracks[i]], 0
            for j in range(size):  # nothing but this: so it is a loop of vectors
                held += best_artists[j] == artist
            if artist != 0 and held >= artist_tracks_max:
                end = _last_of(best_artists, artist, size)
                if end < at:
                    continue
        size = max(size, end + 1)
        for j in range(end, at, -1):
            best[j] = best[j - 1]
            best_artists[j] = best_artists[j - 1]
        best[at] = i
        best_artists[at] = artist
        if size == room:
            least = scores[best[room - 1]]
    return size


@kernel
def leading_sources(
    bench: Bench,
    best: NDArray[np.int32],
    weights: NDArray[np.float64],
    taste: Taste,
    sources: NDArray[np.int8],
) -> None:
    """Write down which source adds most to the score of each of the best candidates.

    Of the embedding only what is the listener's own counts, not the level that all share.
    """
    features, tastes, known = bench.features, bench.candidates.tastes, bench.candidates.known
    lasting, now = weights[TASTES] / TASTE_SCALE, weights[TASTES + 1] / TASTE_SCALE
    for j in range(len(best)):
        i, most = best[j], -np.inf
        sources[j] = POPULAR
        for s in range(SOURCE_COUNT):
            first = FORMS * s
            if features[first, i] == 0:
                continue
            amount = (
                weights[first] * features[first, i]
                + weights[first + 1] * features[first + 1, i]
                + weights[first + 2] * features[first + 2, i]
            )
            if amount > most:
                sources[j], most = s, amount
        slot = taste.slot_of[known[TRACK, i]] - 1
        if slot < 0:
            continue
        level = taste.bias[slot] + taste.logs[slot]
        own = lasting * (tastes[0, i] - level) + now * tastes[1, i]
        if own > max(most, 0.0):
            sources[j] = TASTE


@kernel
def _descend(bench: Bench, size: int, target: int, step: tuple[Ranker, int, float]) -> None:
    """One step against the gradient of the loss of a list whose place `target` was played."""
    ranker, kind, rate = step
    weights, squares = ranker.weights[kind], ranker.squares[kind]
    scores, best, chance = bench.candidates.scores[kind], bench.best, bench.chance
    features, highest, total = bench.features, float(scores[best[0]]), 0.0
    for j in range(size):
        chance[j] = math.exp(float(scores[best[j]]) - highest)
        total += chance[j]
    if not math.isfinite(total):  # one bad sum must not be learned for ever
        return
    for f in range(FEATURE_COUNT):
        feature, expected = features[f], 0.0
        for j in range(size):
            expected += chance[j] * feature[best[j]]
        gradient = feature[best[target]] - expected / total
        if gradient != 0:
            squares[f] += gradient * gradient
            weights[f] += rate * gradient / math.sqrt(squares[f] + _SQUARES_START)
    ranker.trained[kind] += 1


@kernel
def _count_better(scores: NDArray[np.float32], allowed: NDArray[np.uint8], target: int) -> int:
    """How many allowed candidates have a higher score: cheaper than to put them in order."""
    own, better = scores[target], 0
    for i in range(len(scores)):
        better += allowed[i] & (scores[i] > own)
    return better


@kernel
def train(
    bench: Bench,
    state: ListenerArrays,
    play: tuple[int, int, int],
    scene: Scene,
    ranker: Ranker,
) -> None:
    """Let both rankers learn from a play (slot, track, start), before anything else does.

    The lists are those the listener would be served then. A ranker learns if its list could hold
    the track and has it among its best candidates.
    """
    slot, track, started_ms = play
    if scene.rules.left_out == EVERYTHING or not is_reachable(state, slot, track, scene):
        return
    c = bench.candidates
    count = prepare(bench, state, slot, started_ms, scene, ranker)
    target = find(c.known[TRACK], count, track)
    for kind in range(2):
        if target == count or not bench.allowed[kind, target]:
            continue
        if _count_better(c.scores[kind, :count], bench.allowed[kind], target) >= len(bench.best):
            continue
        size = take_best(bench, count, kind, (scene.hashes, scene.artists), 0)
        for j in range(size):
            if bench.best[j] == target:
                _descend(bench, size, j, (ranker, kind, scene.rules.rates.learning_rate))
                break
    clear_candidates(c, count)

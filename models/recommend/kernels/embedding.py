"""Kernels of the embedding: a vector per track, learned from what listeners discover.

The score of a track j for a listener is v_j . h + b_j, h the mean of the vectors of their last 30
distinct tracks, the newest counting most: the continuous bag of words of Mikolov et al.,
"Efficient estimation of word representations in vector space" (2013), with one vector per track on
both sides. The loss is the cross entropy of the discovered track under the softmax over it and 30
negatives (sampled softmax: Jean et al., 2015), minimised by AdaGrad (Duchi, Hazan and Singer, 2011)
with one step size per track.

Negatives are drawn from what was discovered lately, so as often as a track is discovered. That
takes its popularity out of the score: v_j . h + b_j + log(1 + discoveries of j) puts it back.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import allocating, kernel, summing
from models.recommend.kernels.ring import unlink
from models.recommend.kernels.slots import DIRTY, EVICTED, SLOT_COUNTERS, mark_used, take_slot

__all__ = [
    "BEFORE_TRACKS",
    "DIMENSIONS",
    "NEGATIVES",
    "VECTOR_COUNTERS",
    "VectorArrays",
    "admit_vector",
    "clear_vector",
    "learn_discoveries",
]

DIMENSIONS: Final = 32
BEFORE_TRACKS: Final = 30
BEFORE_DECAY: Final = 0.97  # what each older track of a listener counts
NEGATIVES: Final = 30
LEARNING_RATE: Final = 0.2
FIRST_SQUARES: Final = 1e-6
_FIRST_SIZE: Final = 0.1  # the length that a new vector has, about

# Entries of VectorArrays.counters, after those of slots.
LATELY: Final = SLOT_COUNTERS  # discoveries ever put into `lately`
RANDOM: Final = SLOT_COUNTERS + 1
VECTOR_COUNTERS: Final = SLOT_COUNTERS + 2


class VectorArrays(NamedTuple):
    """One row per track's slot."""

    vectors: NDArray[np.float32]
    bias: NDArray[np.float32]
    squares: NDArray[np.float32]  # mean squared gradients of the vector, summed
    bias_squares: NDArray[np.float32]
    discoveries: NDArray[np.int64]
    logs: NDArray[np.float32]  # of 1 + discoveries
    owner: NDArray[np.int32]
    links: NDArray[np.int32]
    dirty: NDArray[np.uint8]
    free: NDArray[np.int32]
    lately: NDArray[np.int32]  # ids of what was discovered last, a ring
    counters: NDArray[np.int64]


@kernel
def clear_vector(state: VectorArrays, slot_of: NDArray[np.int32], slot: int) -> None:
    """Take a track's slot out of the order of use; it is nobody's then."""
    slot_of[state.owner[slot]] = 0
    state.owner[slot] = 0
    if state.dirty[slot]:
        state.dirty[slot] = 0
        state.counters[DIRTY] -= 1
    unlink(state.links, slot)


@kernel
def _random(counters: NDArray[np.int64]) -> np.uint64:
    """The next of a fixed sequence of numbers (xorshift64*: Vigna, 2016)."""
    x = np.uint64(counters[RANDOM])
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    counters[RANDOM] = np.int64(x)
    return (x * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(32)


@kernel
def admit_vector(
    state: VectorArrays,
    slot_of: NDArray[np.int32],
    track: int,
    track_hash: int,
    evicted: NDArray[np.int32],
) -> int:
    """The slot of a track; if all are taken, the one whose track was used longest ago.

    A new vector is small and follows from the track's hash.
    """
    counters = state.counters
    if slot_of[track] != 0:
        return int(slot_of[track] - 1)
    slot = take_slot(state.free, state.links, counters)
    if state.owner[slot] != 0:
        evicted[counters[EVICTED]] = state.owner[slot]
        counters[EVICTED] += 1
        clear_vector(state, slot_of, slot)
    slot_of[track] = slot + 1
    state.owner[slot] = track
    size = _FIRST_SIZE * math.sqrt(3.0 / DIMENSIONS)  # as long as if it were uniform in a cube
    x = np.uint64(track_hash) + np.uint64(1)
    for d in range(DIMENSIONS):
        x = x * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        share = (x >> np.uint64(40)) / 16777216.0
        state.vectors[slot, d] = np.float32(size * (2.0 * share - 1.0))
    state.bias[slot] = 0
    state.squares[slot] = FIRST_SQUARES
    state.bias_squares[slot] = 1
    state.discoveries[slot] = 0
    state.logs[slot] = 0
    return slot


@summing
def mean_vector(
    vectors: NDArray[np.float32],
    slots: NDArray[np.int32],
    decay: float,
    mean: NDArray[np.float32],
) -> float:
    """Set `mean` to that of some vectors, the first counting most. Returns the sum of weights.

    A slot below 0 counts as a vector of zeros.
    """
    mean[:] = 0
    dimensions = len(mean)  # a constant would be unrolled to scalars
    factor, total = np.float32(1), np.float32(0)
    for p in range(len(slots)):
        if slots[p] >= 0:
            for d in range(dimensions):
                mean[d] += factor * vectors[slots[p], d]
        total += factor
        factor *= np.float32(decay)
    for d in range(dimensions):
        mean[d] /= total
    return float(total)


@summing
def _chances(
    state: VectorArrays,
    mean: NDArray[np.float32],
    slots: NDArray[np.int32],
    chance: NDArray[np.float32],
) -> None:
    """The softmax over the scores of some tracks; the first is the target, which counts once."""
    vectors, bias, dimensions = state.vectors, state.bias, state.vectors.shape[1]
    highest, total = np.float32(-np.inf), np.float32(0)
    for q in range(len(slots)):
        slot, score = slots[q], np.float32(0)
        for d in range(dimensions):
            score += vectors[slot, d] * mean[d]
        score += bias[slot]
        chance[q] = score
        highest = max(highest, score)
    for q in range(len(slots)):
        chance[q] = np.float32(math.exp(chance[q] - highest))
        if q > 0 and slots[q] == slots[0]:
            chance[q] = 0
        total += chance[q]
    for q in range(len(slots)):
        chance[q] /= total


@summing
def _step(
    state: VectorArrays,
    before: NDArray[np.int32],
    slots: NDArray[np.int32],
    work: NDArray[np.float32],
) -> None:
    """One step against the gradient, of the target, the negatives, and the tracks before.

    `slots` begins with the target; `work` has room for h, its gradient, and the chances.
    """
    vectors, bias, dimensions = state.vectors, state.bias, state.vectors.shape[1]
    squares, bias_squares = state.squares, state.bias_squares
    mean, pull, chance, rate = work[0], work[1], work[2], np.float32(LEARNING_RATE)
    total = mean_vector(vectors, before, BEFORE_DECAY, mean)
    _chances(state, mean, slots, chance)
    pull[:] = 0
    length, force = np.float32(0), np.float32(0)
    for d in range(dimensions):
        length += mean[d] * mean[d] / np.float32(dimensions)
    for q in range(len(slots)):
        j = slots[q]
        error = (np.float32(1) if q == 0 else np.float32(0)) - chance[q]
        squares[j] += error * error * length
        bias_squares[j] += error * error
        bias[j] += rate * error / np.float32(math.sqrt(bias_squares[j]))
        step = rate * error / np.float32(math.sqrt(squares[j]))
        for d in range(dimensions):
            value = vectors[j, d]
            pull[d] += error * value
            vectors[j, d] = value + step * mean[d]
    for d in range(dimensions):
        force += pull[d] * pull[d] / np.float32(dimensions)
    factor = np.float32(1 / total)
    for p in range(len(before)):
        j = before[p]
        squares[j] += factor * factor * force
        step = rate * factor / np.float32(math.sqrt(squares[j]))
        for d in range(dimensions):
            vectors[j, d] += step * pull[d]
        factor *= np.float32(BEFORE_DECAY)


@kernel
def _learn_all(
    state: VectorArrays,
    slot_of: NDArray[np.int32],
    hashes: NDArray[np.uint32],
    found: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]],
    evicted: NDArray[np.int32],
    rooms: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
) -> None:
    """Learn as `learn_discoveries` does, in rooms for slots and for work."""
    tracks, sizes, before = found
    links, dirty, counters, lately = state.links, state.dirty, state.counters, state.lately
    context, slots, work = rooms
    start = 0
    for i in range(len(tracks)):
        size = min(sizes[i], BEFORE_TRACKS)
        for p in range(size):
            track = before[start + p]
            context[p] = admit_vector(state, slot_of, track, hashes[track], evicted)
            # So that none of these is evicted for another.
            mark_used(links, dirty, counters, context[p])
        start += sizes[i]
        target = admit_vector(state, slot_of, tracks[i], hashes[tracks[i]], evicted)
        mark_used(links, dirty, counters, target)
        held = min(counters[LATELY], len(lately))
        drawn = min(held, NEGATIVES)
        slots[0] = target
        for q in range(1, drawn + 1):
            slot = slot_of[lately[_random(counters) % np.uint64(held)]] - 1
            slots[q] = slot if slot >= 0 else target  # which as a negative counts for nothing
            mark_used(links, dirty, counters, slots[q])
        if size > 0 and drawn > 0:
            _step(state, context[:size], slots[: drawn + 1], work)
        state.discoveries[target] += 1
        state.logs[target] = math.log(1.0 + state.discoveries[target])
        lately[counters[LATELY] % len(lately)] = tracks[i]
        counters[LATELY] += 1


@allocating
def learn_discoveries(
    state: VectorArrays,
    slot_of: NDArray[np.int32],
    hashes: NDArray[np.uint32],
    found: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]],
    evicted: NDArray[np.int32],
) -> None:
    """Learn discoveries in order: tracks, numbers of tracks before, and those; ids of tracks.

    `evicted` has room for all of them.
    """
    rooms = (
        np.empty(BEFORE_TRACKS, np.int32),
        np.empty(1 + NEGATIVES, np.int32),  # the target, then the negatives
        np.empty((3, max(DIMENSIONS, 1 + NEGATIVES)), np.float32),
    )
    _learn_all(state, slot_of, hashes, found, evicted, rooms)

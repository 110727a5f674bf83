"""States of N listeners and N tracks in one process, and what memory they take.

    python -m bench.filled_state N

A seeded log of PLAYS_EACH plays a listener goes through stages A and B (stage C keeps 20,000 tracks
a market whatever there is). Listeners keep to a region of the catalogue for a session; one play in
PLAYS_EACH goes through all tracks in turn, so that each has a row. One listener in SAYING blocks
SAID tracks. Then every column is filled, as by listeners with the longest memory and full rows.

Prints a line of JSON. `held` are bytes of arrays that are resident (mincore(2)), so pages that
nobody wrote do not count; `names` are what else the process grew by: names and their indexes.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from models.recommend import ListenerState, NeighbourState, Vocabulary, warm
from models.recommend.listener_memory import ListenerLimits
from models.recommend.track_slots import TrackSlots
from schemas.events import Feedback, PlayEvent

__all__ = ["PLAYS_EACH", "resident_of"]

PLAYS_EACH = 4
SAYING, SAID = 4, 3
BATCH = 5_000
REGION_TRACKS = 50
PAGE = os.sysconf("SC_PAGE_SIZE")
FIRST_MS, GAP_MS = 1_700_000_000_000, 240_000
Array = NDArray[Any]  # Any: arrays of every type of number


def main(count: int) -> None:
    """Fill, look, fill whole, look, print."""
    warm()
    vocabulary = Vocabulary(limit=4 * count)
    listeners = ListenerState(vocabulary, ListenerLimits(listeners_max=count))
    tracks = NeighbourState(vocabulary, tracks_max=count)
    before = _resident()
    for at in range(0, PLAYS_EACH * count, BATCH):
        plays = _plays(at, min(at + BATCH, PLAYS_EACH * count), count)
        _learn(listeners, tracks, plays)
    for at in range(0, count, BATCH):
        saying = range(at, min(at + BATCH, count), SAYING)
        events = [_feedback(i, said) for i in saying for said in range(SAID)]
        listeners.apply_feedback(events)
    assert (len(listeners), len(tracks)) == (count, count), "each has plays"
    grown = _resident() - before
    held = {"listener": _held(listeners), "track": _held(tracks)}
    result = {
        "events": PLAYS_EACH * count,
        **{f"{name}_held": held[name] / count for name in held},
        "names": (grown - sum(held.values())) / (2 * count),
        "grown": grown / count,
    }
    for state in (listeners, tracks):
        for array in _arrays(vars(state).values()):
            if array.flags.writeable:
                array.fill(1)
    result |= {"listener_full": _held(listeners) / count, "track_full": _held(tracks) / count}
    sys.stdout.write(orjson.dumps(result).decode() + "\n")


def _learn(listeners: ListenerState, tracks: NeighbourState, plays: list[PlayEvent]) -> None:
    """One batch through the stages; what waits to be sent or published goes."""
    listeners.learn(plays)
    for pairs in listeners.drain_pairs(lambda _: 0).values():
        tracks.learn(pairs)
    listeners.drain_trend_counts()
    tracks.drain_published(sys.maxsize)


def _plays(start: int, end: int, count: int) -> list[PlayEvent]:
    """Plays by number: all listeners once, then all again, a song later."""
    rng = np.random.default_rng(start)
    regions = max(1, count // REGION_TRACKS)
    places = rng.integers(0, REGION_TRACKS, end - start).tolist()
    plays = []
    for i, place in enumerate(places, start):
        listener, turn = i % count, i // count
        track = listener if turn == 0 else listener * 7919 % regions * REGION_TRACKS + place
        plays.append(
            PlayEvent(
                event_id=f"play-{i:012d}",
                user_id=f"listener-{listener:08d}",
                track_id=f"track-{track:08d}",
                started_at_ms=FIRST_MS + turn * GAP_MS,
                played_ms=200_000,
                duration_ms=210_000,
                end_reason="finished",
                market=("SE", "DE", "FR", "BR")[listener % 4],
            )
        )
    return plays


def _feedback(listener: int, number: int) -> Feedback:
    return Feedback(
        event_id=f"said-{listener}-{number}",
        user_id=f"listener-{listener:08d}",
        kind="block_track",
        track_id=f"track-{listener // SAYING + number:08d}",
        at_ms=FIRST_MS,
    )


def _arrays(values: Iterable[object]) -> Iterator[Array]:
    """Every array among the values, in their tuples, and where slots are."""
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, tuple):
            yield from _arrays(value)
        elif isinstance(value, TrackSlots):
            yield value.places


def _held(state: object) -> int:
    return sum(resident_of(array) for array in _arrays(vars(state).values()))


def resident_of(array: Array) -> int:
    """Bytes of an array whose pages are in memory; its first and last page in part."""
    if not array.nbytes:
        return 0
    start, end = array.ctypes.data, array.ctypes.data + array.nbytes
    first = start // PAGE * PAGE
    pages = -(-(end - first) // PAGE)
    there = (ctypes.c_ubyte * pages)()
    if ctypes.CDLL(None, use_errno=True).mincore(
        ctypes.c_void_p(first), ctypes.c_size_t(pages * PAGE), there
    ):
        raise OSError(ctypes.get_errno(), "mincore")
    inside = np.ctypeslib.as_array(there) & 1
    return min(int(inside.sum()) * PAGE, array.nbytes)


def _resident() -> int:
    """Bytes of the process in memory."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * PAGE


if __name__ == "__main__":
    main(int(sys.argv[1]))

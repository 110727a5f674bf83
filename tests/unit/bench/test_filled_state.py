"""What the benchmarks of memory and of scaling rely on."""

from __future__ import annotations

from collections import defaultdict
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

import numpy as np

from bench.filled_state import resident_of
from bench.scaling import GROUP_TRACKS, grouped_plays

MIB = 1 << 20


def test_memory_that_was_never_written_is_not_resident() -> None:
    fresh = mmap(-1, 64 * MIB, flags=MAP_PRIVATE | MAP_ANONYMOUS)  # NumPy may give used memory
    array = np.frombuffer(fresh, np.uint8)
    assert resident_of(array) < MIB
    array[: 16 * MIB] = 1
    assert 16 * MIB <= resident_of(array) < 20 * MIB
    array[:] = 1
    assert resident_of(array) == array.nbytes


def test_no_row_of_the_scaling_log_is_full() -> None:
    tracks_of = defaultdict[str, set[str]](set)
    for play in grouped_plays(40_000):
        assert play.session_id is not None
        tracks_of[play.session_id].add(play.track_id)
    neighbours = defaultdict[str, set[str]](set)
    for tracks in tracks_of.values():
        for track in tracks:
            neighbours[track] |= tracks - {track}
    assert 1 < max(map(len, neighbours.values())) < GROUP_TRACKS


def test_the_scaling_log_gives_each_listener_sessions_in_order_of_time() -> None:
    plays = [play for play in grouped_plays(200_000) if play.user_id == "listener-0000007"]
    assert [play.started_at_ms for play in plays] == sorted(play.started_at_ms for play in plays)
    sessions = [play.session_id for play in plays]
    assert (len(plays), [*dict.fromkeys(sessions)]) == (20, ["7/0", "7/1", "7/2"])

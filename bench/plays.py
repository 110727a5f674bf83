"""Plays of exactly 188 bytes of JSON, the smallest that an app would send."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.events import PlayEvent

__all__ = ["small_plays"]

LISTENERS = 10_000
TRACKS = 20_000
STARTED_AT_MS = 1_767_225_600_000


def small_plays(count: int) -> Iterator[PlayEvent]:
    """Return plays in the order of time, listeners and tracks in turn.

    >>> from schemas.codec import encode_event
    >>> {len(encode_event(play)) for play in small_plays(30_000)}
    {188}
    """
    for i in range(count):
        yield PlayEvent(
            event_id=f"play-{i:018d}",
            user_id=f"listener-{i * 7919 % LISTENERS:07d}",
            track_id=f"track-{i * 104_729 % TRACKS:07d}",
            started_at_ms=STARTED_AT_MS + 50 * i,
            played_ms=180_000,
            duration_ms=200_000,
            end_reason="finished",
        )

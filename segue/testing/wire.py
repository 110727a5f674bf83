"""The wire read a second time, by the standard library and the documents alone.

Nothing of `schemas`, `streams` or `models` is used, so an error there cannot hide itself here.
Slow and plain on purpose.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "ListenerFacts",
    "RowFacts",
    "read_events",
    "read_listener",
    "read_row",
    "read_trend_plays",
]

TIME_MS = (946_684_800_000, 4_102_444_800_000)
LENGTH_MS = (0, 86_400_000)
ID_BYTES_MAX = 256
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
MARKET = re.compile(r"[A-Za-z0-9-]{2,8}\Z")
WORDS = {
    "end_reason": {"finished", "skipped", "stopped", "error"},
    "kind": {"block_track", "unblock_track"},
}
PLAY = ("event_id", "user_id", "track_id", "started_at_ms", "played_ms", "duration_ms")
REQUIRED = {
    "plays": (*PLAY, "end_reason"),
    "feedback": ("event_id", "user_id", "kind", "track_id", "at_ms"),
}
OPTIONAL = ("session_id", "market", "artist", "title", "context", "device")

LISTENER_HEAD = struct.Struct("<BHHHHHBqqqq")
ROW_HEAD = struct.Struct("<BHq")
TREND = struct.Struct("<Bq4dqB")
ARTISTS_KEPT = 5


@dataclass(slots=True)
class ListenerFacts:
    """All that is kept of a listener; newest first, heard tracks and ids as their hashes."""

    plays: int = 0
    newest_ms: int = 0
    last_ms: int = 0
    session: int = 0
    context: int = 0
    market: str = ""
    last_track: str = ""
    recent: list[str] = field(default_factory=list)
    artists: list[str] = field(default_factory=list)  # of the newest of them, "" if unknown
    heard: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RowFacts:
    """Plays of a track or an artist, and its neighbours.

    `forward` is the part of a weight that came after. `fading` depends on which plays came in one
    frame, so it is left out of comparisons.
    """

    plays: int = 0
    weights: dict[str, int] = field(default_factory=dict)
    forward: dict[str, int] = field(default_factory=dict)
    fading: dict[str, float] = field(default_factory=dict, compare=False)
    lost: dict[str, int] = field(default_factory=dict, compare=False)

    def gained(self, track: str) -> int:
        """Return what plays alone gave, without what skips took."""
        return self.weights.get(track, 0) + self.lost.get(track, 0)


def read_events(raw: bytes | None, kind: str, bytes_max: int) -> list[dict[str, Any]] | None:
    """Return the events of a message of topic `plays` or `feedback`, or None if it is bad."""
    if not raw or len(raw) > bytes_max:
        return None
    try:
        read = json.loads(raw.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    events = read if isinstance(read, list) else [read]
    return events if events and all(_is_event(event, kind) for event in events) else None


def read_listener(value: bytes) -> ListenerFacts:
    """Read a record of the listeners' changelog."""
    head = LISTENER_HEAD.unpack_from(value)
    version, recent, heard, events, oldest, blocked, context, plays, newest, last, session = head
    assert version == 3, f"record of version {version}"
    heard_at = LISTENER_HEAD.size + 5 * events
    names_at = heard_at + 2 * heard
    halves = struct.unpack_from(f"<{events}I{events}B", value, LISTENER_HEAD.size)
    ring = [low + (high << 32) for low, high in zip(halves[:events], halves[events:], strict=True)]
    names = value[names_at:].decode().split("\n")
    artists_at = 2 + recent
    blocked_at = artists_at + min(recent, ARTISTS_KEPT)
    assert len(names) == blocked_at + blocked, "names as many as the head says"
    return ListenerFacts(
        plays=plays,
        newest_ms=newest,
        last_ms=last,
        session=session,
        context=context,
        market=names[0],
        last_track=names[1],
        recent=names[2:artists_at],
        artists=names[artists_at:blocked_at],
        heard=[*struct.unpack_from(f"<{heard}H", value, heard_at)],
        events=[*reversed(ring[oldest:] + ring[:oldest])],
        blocked=names[blocked_at:],
    )


def read_row(value: bytes) -> RowFacts:
    """Read a record of the neighbours' changelog."""
    version, size, plays = ROW_HEAD.unpack_from(value)
    assert version == 2, f"record of version {version}"
    columns = struct.unpack_from(f"<{size}q{size}q{size}f", value, ROW_HEAD.size)
    weights, forward, fading = columns[:size], columns[size : 2 * size], columns[2 * size :]
    names = value[ROW_HEAD.size + 20 * size :].decode().split("\n") if size else []
    assert len(set(names)) == size, "each neighbour once"
    return RowFacts(
        plays,
        dict(zip(names, weights, strict=True)),
        dict(zip(names, forward, strict=True)),
        dict(zip(names, fading, strict=True)),
    )


def read_trend_plays(value: bytes) -> int:
    """Read how often a track was played in a market, from a record of the trends' changelog."""
    version, plays, *_ = TREND.unpack(value)
    assert version == 2, f"record of version {version}"
    return int(plays)


def _is_event(event: object, kind: str) -> bool:
    if not isinstance(event, dict) or any(name not in event for name in REQUIRED[kind]):
        return False
    fields = REQUIRED[kind] + (OPTIONAL if kind == "plays" else ())
    return all(
        _is_value(name, event[name], optional=name in OPTIONAL) for name in fields if name in event
    )


def _is_value(name: str, value: object, *, optional: bool) -> bool:
    if value is None:
        return optional
    if name.endswith("_ms"):
        low, high = TIME_MS if name.endswith("at_ms") else LENGTH_MS
        return type(value) is int and low <= value <= high
    if not isinstance(value, str):
        return False
    if name in WORDS:
        return value in WORDS[name]
    if name.endswith("_id"):
        return _is_id(value)
    return MARKET.match(value) is not None if name == "market" else len(value) <= 1024


def _is_id(value: str) -> bool:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return 0 < size <= ID_BYTES_MAX and CONTROL.search(value) is None


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")

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
from unicodedata import category, normalize

from segue.testing.judging import COLUMNS

__all__ = [
    "ARTIST_CHARACTERS_MAX",
    "ListenerFacts",
    "RowFacts",
    "Said",
    "folded",
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
    "kind": {
        *("block_track", "unblock_track", "like", "unlike", "hide"),
        *("block_artist", "unblock_artist"),
        *("undo", "taste"),
    },
}
PLAY = ("event_id", "user_id", "track_id", "started_at_ms", "played_ms", "duration_ms")
REQUIRED = {
    "plays": (*PLAY, "end_reason"),
    "feedback": ("event_id", "user_id", "kind", "at_ms"),
}
OPTIONAL = {
    "plays": ("session_id", "market", "artist", "title", "context", "device"),
    "feedback": ("track_id", "artist", "artists", "genres", "languages"),
}
NAMES = ("artists", "genres", "languages")
NAMES_MAX = 20

LISTENER_HEAD = struct.Struct("<BHHHHHBqqqqqqqq")
CONDUCT = struct.Struct("<11i")
ROW_HEAD = struct.Struct("<BHq")
TREND = struct.Struct("<Bq4dqB")
PASSED_KEPT = 8
ARTIST_CHARACTERS_MAX = 128
LIKED, LIKED_WITH = 1, 6


@dataclass(slots=True)
class Said:
    """A statement that holds: its kind as records number it; what a like was added to."""

    kind: int
    subject: str
    at_ms: int
    liked: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ListenerFacts:
    """All that is kept of a listener; newest first, heard tracks and ids as their hashes.

    `passed` are the plays that were not applied: the track, how many were applied since, and how
    many tracks its skip was counted against.
    """

    plays: int = 0
    newest_ms: int = 0
    last_ms: int = 0
    session: int = 0
    context: int = 0
    market: str = ""
    last_track: str = ""
    recent: list[str] = field(default_factory=list)
    artists: list[str] = field(default_factory=list)  # of each of them, "" if unknown
    begins: list[int] = field(default_factory=list)  # of each, whether a session began with it
    held_back: list[int] = field(default_factory=list)  # of each, whether others know nothing of it
    passed: list[tuple[str, int, int]] = field(default_factory=list)
    erased_ms: int = 0
    heard: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)  # what holds, oldest first
    signs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COLUMNS, 0))


@dataclass(slots=True)
class RowFacts:
    """Plays of a track or an artist, and its neighbours.

    `forward` is the part of a weight that came after. `fading` depends on which plays came in one
    frame, so it is left out of comparisons.
    """

    plays: int = 0
    weights: dict[str, int] = field(default_factory=dict)
    forward: dict[str, int] = field(default_factory=dict)
    artist: str = ""  # as it was named last, marked
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


def folded(artist: str) -> str:
    """Return the one name of an artist's many spellings, empty if nothing of it is left."""
    text = normalize("NFKC", normalize("NFKC", artist).casefold())
    blanks = re.sub(r"\s", " ", text)
    printed = [letter for letter in blanks if not category(letter).startswith("C")]
    single = re.sub(" +", " ", "".join(printed)).strip(" ")
    return single[:ARTIST_CHARACTERS_MAX].rstrip(" ")


def read_listener(value: bytes) -> ListenerFacts:
    """Read a record of the listeners' changelog."""
    head = LISTENER_HEAD.unpack_from(value)
    version, recent, heard, events, oldest, count, context, *numbers = head
    plays, newest, last, session, begins, passed_ever, erased, held_back = numbers
    assert version == 3, f"record of version {version}"
    events_at = LISTENER_HEAD.size + CONDUCT.size
    *signs, _ = CONDUCT.unpack_from(value, LISTENER_HEAD.size)
    heard_at = events_at + 5 * events
    said_at = heard_at + 2 * heard
    places_at, passed = said_at + 9 * count, min(passed_ever, PASSED_KEPT)
    names_at = places_at + 4 * passed
    said_ms = struct.unpack_from(f"<{count}q", value, said_at)
    kinds = struct.unpack_from(f"<{count}B", value, said_at + 8 * count)
    halves = struct.unpack_from(f"<{events}I{events}B", value, events_at)
    ring = [low + (high << 32) for low, high in zip(halves[:events], halves[events:], strict=True)]
    names = value[names_at:].decode().split("\n")
    artists_at = 2 + recent
    passed_at = artists_at + recent
    subjects_at = passed_at + passed
    places = struct.unpack_from(f"<{passed}i", value, places_at)
    joined = [(plays - passed_ever - (place >> 4), place & 15) for place in places]
    over = [(name, *j) for name, j in zip(names[passed_at:subjects_at], joined, strict=True)]
    first = passed_ever % PASSED_KEPT if passed == PASSED_KEPT else 0
    likes_at = subjects_at + count
    likes = [names[at : at + LIKED_WITH] for at in range(likes_at, len(names), LIKED_WITH)]
    assert len(likes) == kinds.count(LIKED), "names as many as the head says"
    added = iter(likes)
    said = zip(kinds, names[subjects_at:likes_at], said_ms, strict=True)
    return ListenerFacts(
        plays=plays,
        newest_ms=newest,
        last_ms=last,
        session=session,
        context=context,
        market=names[0],
        last_track=names[1],
        recent=names[2:artists_at],
        artists=names[artists_at:passed_at],
        begins=[begins >> place & 1 for place in range(recent)],
        held_back=[held_back >> place & 1 for place in range(recent)],
        passed=[*reversed(over[first:] + over[:first])],
        erased_ms=erased,
        heard=[*struct.unpack_from(f"<{heard}H", value, heard_at)],
        events=[*reversed(ring[oldest:] + ring[:oldest])],
        said=[Said(*each, next(added) if each[0] == LIKED else []) for each in said],
        signs=dict(zip(COLUMNS, signs, strict=True)),
    )


def read_row(value: bytes) -> RowFacts:
    """Read a record of the neighbours' changelog."""
    version, size, plays = ROW_HEAD.unpack_from(value)
    assert version == 3, f"record of version {version}"
    columns = struct.unpack_from(f"<{size}q{size}q{size}f", value, ROW_HEAD.size)
    weights, forward, fading = columns[:size], columns[size : 2 * size], columns[2 * size :]
    artist, *names = value[ROW_HEAD.size + 20 * size :].decode().split("\n")
    assert len(set(names)) == size, "each neighbour once"
    return RowFacts(
        plays,
        dict(zip(names, weights, strict=True)),
        dict(zip(names, forward, strict=True)),
        artist,
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
    optional = OPTIONAL[kind]
    return all(
        _is_value(name, event[name], optional=name in optional)
        for name in REQUIRED[kind] + optional
        if name in event
    ) and (kind == "plays" or _has_subject(event))


def _has_subject(said: dict[str, Any]) -> bool:
    """Whether a statement names what it is about."""
    track, artist = said.get("track_id") is not None, bool(folded(said.get("artist") or ""))
    if said["kind"] == "undo":
        return track or artist
    return said["kind"] == "taste" or (artist if said["kind"].endswith("block_artist") else track)


def _is_value(name: str, value: object, *, optional: bool) -> bool:
    if name in NAMES:
        return _are_names(value)
    if value is None:
        return optional
    if name.endswith("_ms"):
        low, high = TIME_MS if name.endswith("at_ms") else LENGTH_MS
        return type(value) is int and low <= value <= high
    if not isinstance(value, str) or value not in WORDS.get(name, {value}):
        return False
    if name.endswith("_id"):
        return _is_id(value)
    return MARKET.match(value) is not None if name == "market" else len(value) <= 1024


def _are_names(value: object) -> bool:
    if not isinstance(value, list) or len(value) > NAMES_MAX:
        return False
    return all(isinstance(name, str) and len(name) <= 1024 for name in value)


def _is_id(value: str) -> bool:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return 0 < size <= ID_BYTES_MAX and CONTROL.search(value) is None


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")

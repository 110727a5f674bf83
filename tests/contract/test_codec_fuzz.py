"""Decoding is total, and accepts exactly what an independent reading of the contract accepts."""

import json
import re
import unicodedata
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.codec import REASONS, EventDecoder, Rejected, encode_event
from schemas.events import PlayEvent

DECODER = EventDecoder(PlayEvent)
PLAY: dict[str, Any] = {
    "event_id": "e-1",
    "user_id": "listener-1",
    "track_id": "track-1",
    "started_at_ms": 1_795_383_612_345,
    "played_ms": 184_000,
    "duration_ms": 215_000,
    "end_reason": "finished",
    "session_id": "s-1",
    "artist": "Björk",
    "title": "Jóga",
    "context": "playlist:42",
    "market": "SE",
    "device": "phone",
}
RAW = json.dumps(PLAY, ensure_ascii=False).encode()
SEEDS = [RAW, b"[" + RAW + b"," + RAW + b"]", json.dumps(PLAY).encode()]

fuzz = settings(max_examples=600, deadline=None)


def assert_total(raw: bytes) -> None:
    found = DECODER.decode(raw)
    if isinstance(found, Rejected):
        assert found.reason in REASONS
        found.detail.encode()
        return
    assert found, "an accepted message holds an event"
    for event in found:
        assert_valid(event)


def assert_valid(event: PlayEvent) -> None:
    """What later stages rely on: every string fits a Redis key and a state record."""
    for value in (event.event_id, event.user_id, event.track_id, event.session_id):
        if value is not None:
            assert 1 <= len(value.encode()) <= 256
            assert not any(unicodedata.category(character) == "Cc" for character in value)
    assert event.market is None or re.fullmatch("[A-Za-z0-9-]{2,8}", event.market)
    assert 946_684_800_000 <= event.started_at_ms <= 4_102_444_800_000
    assert DECODER.decode(encode_event(event)) == [event]


@fuzz
@given(st.binary(max_size=400))
@example(b"{")
@example(b"[{]")
@example(b'{"":')
def test_any_bytes_give_events_or_a_reason(raw: bytes) -> None:
    assert_total(raw)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A valid message, damaged in one to four places."""
    raw = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.integers(0, 20)))
        pieces = (b"", raw[start:end] * 2, b"\\u0000", b"\\ud800", b"\x7f", b"\xff", b"[", b"{")
        piece = draw(st.sampled_from(pieces) | st.binary(max_size=4))
        raw = raw[:start] + piece + raw[end:]
    return raw


@fuzz
@given(mutations())
def test_damaged_messages_give_events_or_a_reason(raw: bytes) -> None:
    assert_total(raw)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([b"[", b'{"a":', b'[{"a":', b'{"user_id":', b'[[{"x":[']),
    st.integers(1, 120_000),
    st.sampled_from([b"", b'{"x":', RAW[:-1] + b',"x":', b"[" + RAW[:-1] + b',"x":']),
)
def test_nesting_of_any_depth_is_survived(bracket: bytes, depth: int, head: bytes) -> None:
    assert_total(head + bracket * depth)


# Values that are wrong in a field, or only just right.
NASTY: st.SearchStrategy[object] = st.sampled_from(
    [
        *(None, True, False, 0, -1, 1, 1.0, 1.5, 10**30, -(10**30), [], {}, "", "x", "SE", "S_E"),
        *("x" * 256, "x" * 257, "é" * 128, "é" * 129, "x" * 1024, "x" * 1025, "a\x00", "\x7f"),
        *("a\u0085", "a\u00a0", "\ud800", "\ud83d", "🎧", "finished", "Finished", "ab-CD-12"),
        *(946_684_799_999, 946_684_800_000, 4_102_444_800_000, 4_102_444_800_001),
        *(86_400_000, 86_400_001, 1 << 63, 1 << 64),
    ]
)
IDS = ("event_id", "user_id", "track_id", "session_id")
TEXTS = ("artist", "title", "context", "device")
OPTIONAL = ("session_id", "artist", "title", "context", "market", "device")
RANGES = {
    "started_at_ms": (946_684_800_000, 4_102_444_800_000),
    "played_ms": (0, 86_400_000),
    "duration_ms": (0, 86_400_000),
}


def field_is_valid(name: str, value: object) -> bool:
    """The contract, written a second time and without msgspec."""
    if value is None:
        return name in OPTIONAL
    if name in RANGES:
        low, high = RANGES[name]
        return type(value) is int and low <= value <= high
    if not isinstance(value, str) or any("\ud800" <= letter <= "\udfff" for letter in value):
        return False
    if name in IDS:
        controls = any(unicodedata.category(letter) == "Cc" for letter in value)
        return 1 <= len(value.encode()) <= 256 and not controls
    if name == "market":
        return re.fullmatch("[A-Za-z0-9-]{2,8}", value) is not None
    if name == "end_reason":
        return value in ("finished", "skipped", "stopped", "error")
    return name in TEXTS and len(value) <= 1024


@fuzz
@given(
    st.dictionaries(st.sampled_from(sorted(PLAY)), NASTY, max_size=3),
    st.sets(st.sampled_from(sorted(PLAY)), max_size=1),
    st.booleans(),
)
def test_accepted_is_exactly_what_the_contract_says(
    changes: dict[str, object], absent: set[str], ascii_only: bool
) -> None:
    fields = {name: value for name, value in (PLAY | changes).items() if name not in absent}
    raw = json.dumps(fields, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    valid = all(field_is_valid(name, value) for name, value in fields.items())
    valid = valid and absent <= set(OPTIONAL)
    assert isinstance(DECODER.decode(raw), list) == valid

"""Each way a message can be wrong has its reason; what is right is accepted."""

import json
from typing import Any, get_args

import pytest

from schemas.codec import REASONS, EventDecoder, Reason, Rejected, encode_event
from schemas.events import Feedback, PlayEvent

LIMIT = 1_000_000
PLAY: dict[str, Any] = {
    "event_id": "e-1",
    "user_id": "listener-1",
    "track_id": "track-1",
    "started_at_ms": 1_795_383_612_345,
    "played_ms": 184_000,
    "duration_ms": 215_000,
    "end_reason": "finished",
}


def decode(raw: bytes | None) -> list[PlayEvent] | Rejected:
    return EventDecoder(PlayEvent, LIMIT).decode(raw)


def play(**changes: object) -> bytes:
    return json.dumps(PLAY | changes).encode()


def without(field: str) -> bytes:
    return json.dumps({name: value for name, value in PLAY.items() if name != field}).encode()


def reason(raw: bytes | None) -> Reason | None:
    found = decode(raw)
    return found.reason if isinstance(found, Rejected) else None


# Raw bytes that json.dumps would never write.
BOM = b"\xef\xbb\xbf" + play()
NESTED = play()[:-1] + b',"x":'

CASES: list[tuple[str, bytes | None, Reason]] = [
    ("no value", None, "empty"),
    ("no bytes", b"", "empty"),
    ("empty array", b"[]", "empty"),
    ("empty array with space", b" \n[ ] ", "empty"),
    ("over the limit", play(x="y" * LIMIT), "too_large"),
    ("white space", b" \n", "not_json"),
    ("text", b"hello", "not_json"),
    ("byte order mark", BOM, "not_json"),
    ("cut off", play()[:-1], "not_json"),
    ("two documents", play() + play(), "not_json"),
    ("two lines", play() + b"\n" + play(), "not_json"),
    ("NaN", play(played_ms=float("nan")), "not_json"),
    ("Infinity", play(played_ms=float("inf")), "not_json"),
    ("minus Infinity", play(played_ms=float("-inf")), "not_json"),
    ("NaN in an unknown field", play(x=float("nan")), "not_json"),
    ("raw control character", play().replace(b"e-1", b"e\x01"), "not_json"),
    ("lone high surrogate", play(user_id="\ud800"), "not_json"),
    ("lone low surrogate", play(user_id="\udc00"), "not_json"),
    ("surrogates in wrong order", play(track_id="\udc00\ud800"), "not_json"),
    ("surrogate and letter", play(title="\ud800a"), "not_json"),
    ("encoded surrogate", play().replace(b"e-1", b"\xed\xa0\x80"), "invalid_utf8"),
    ("broken UTF-8", play().replace(b"e-1", b"\xff"), "invalid_utf8"),
    ("overlong UTF-8", play().replace(b"e-1", b"\xc0\xaf"), "invalid_utf8"),
    ("Latin-1", play(title="X").replace(b"X", b"Bj\xf6rk"), "invalid_utf8"),
    ("deep arrays", NESTED + b"[" * 100_000, "too_deep"),
    ("deep objects", NESTED + b'{"a":' * 100_000, "too_deep"),
    ("deep and closed", NESTED + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
    ("nothing but brackets", b"[" * 100_000, "wrong_type"),
    ("nothing but objects", b'{"event_id":' * 80_000, "wrong_type"),
    ("a number", b"17", "wrong_type"),
    ("null", b"null", "wrong_type"),
    ("a string", b'"play"', "wrong_type"),
    ("array of arrays", b"[[" + play() + b"]]", "wrong_type"),
    ("array with null", b"[" + play() + b",null]", "wrong_type"),
    ("number as id", play(user_id=17), "wrong_type"),
    ("null as id", play(user_id=None), "wrong_type"),
    ("text as time", play(started_at_ms="1795383612345"), "wrong_type"),
    ("float as time", play(started_at_ms=1795383612345.5), "wrong_type"),
    ("whole float as time", play(started_at_ms=1795383612345.0), "wrong_type"),
    ("true as length", play(played_ms=True), "wrong_type"),
    ("number as end", play(end_reason=1), "wrong_type"),
    ("object as title", play(title={}), "wrong_type"),
    ("empty object", b"{}", "missing_field"),
    ("other names", b'{"user":"u","track":"t"}', "missing_field"),
    ("array with one bad event", b"[" + play() + b"," + without("user_id") + b"]", "missing_field"),
    ("negative length", play(played_ms=-1), "out_of_range"),
    ("more than a day", play(played_ms=86_400_001), "out_of_range"),
    ("negative time", play(started_at_ms=-1), "out_of_range"),
    ("seconds for ms", play(started_at_ms=1_795_383_612), "out_of_range"),
    ("microseconds for ms", play(started_at_ms=1_795_383_612_345_000), "out_of_range"),
    ("above 64 bits", play(started_at_ms=1 << 70), "out_of_range"),
    ("hundred digits", play(played_ms=10**100), "out_of_range"),
    ("ten thousand digits", play(x=1).replace(b"184000", b"9" * 10_000), "out_of_range"),
    ("1e400", play().replace(b"184000", b"1e400"), "out_of_range"),
    ("unknown end", play(end_reason="paused"), "out_of_range"),
    ("end like our error text", play(end_reason="missing required field"), "out_of_range"),
    ("empty id", play(user_id=""), "out_of_range"),
    ("escaped NUL in id", play(user_id="a\x00b"), "out_of_range"),
    ("newline in id", play(track_id="a\nb"), "out_of_range"),
    ("DEL in id", play(track_id="a\x7fb"), "out_of_range"),
    ("raw DEL in id", play(track_id="aXb").replace(b"X", b"\x7f"), "out_of_range"),
    ("C1 control in id", play(session_id="a\x85b"), "out_of_range"),
    ("short market", play(market="S"), "out_of_range"),
    ("long market", play(market="SE-STOCKHOLM"), "out_of_range"),
    ("market with colon", play(market="S:E"), "out_of_range"),
    ("market not ASCII", play(market="SÉ"), "out_of_range"),
    ("market with newline", play(market="SE\n"), "out_of_range"),
    ("long title", play(title="x" * 1025), "out_of_range"),
    ("long id", play(user_id="x" * 257), "id_too_long"),
    ("long session", play(session_id="x" * 257), "id_too_long"),
    ("long id in bytes", play(user_id="é" * 129), "id_too_long"),
    ("long id in raw bytes", play(user_id="X").replace(b"X", b"\xc3\xa9" * 129), "id_too_long"),
]


@pytest.mark.parametrize(
    ("raw", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_bad_message_is_rejected_with_its_reason(raw: bytes | None, expected: Reason) -> None:
    assert reason(raw) == expected


@pytest.mark.parametrize("field", sorted(PLAY))
def test_each_required_field_is_required(field: str) -> None:
    assert reason(without(field)) == "missing_field"


@pytest.mark.parametrize(
    "raw",
    [
        play(user_id="x" * 256),
        play(user_id="é" * 128),
        play(user_id="🎧" * 64),
        play(track_id="a:b{c} d/é"),
        play(started_at_ms=946_684_800_000, played_ms=0, duration_ms=0),
        play(started_at_ms=4_102_444_800_000, played_ms=86_400_000, duration_ms=86_400_000),
        play(title="x" * 1024, artist="tab\tand\nnewline", device=""),
        play(market="SE"),
        play(market="pt-BR"),
        play(session_id=None, artist=None, market=None),
        b"\r\n\t " + play() + b" \n",
        play(x={"deep": [[[[[1]]]]]}, y=1e300, z=-0.0),
        play()[:-1] + b',"x":' + b"9" * 5000 + b"}",
    ],
)
def test_message_within_the_limits_is_accepted(raw: bytes) -> None:
    assert reason(raw) is None


def test_unknown_fields_are_ignored() -> None:
    assert decode(play(mood="calm", list=[1, {"a": None}])) == decode(play())


def test_array_gives_its_events_in_order() -> None:
    raw = b" [" + b",".join(play(event_id=f"e-{n}") for n in range(100)) + b"]"
    events = decode(raw)
    assert isinstance(events, list)
    assert [event.event_id for event in events] == [f"e-{n}" for n in range(100)]


def test_limit_counts_the_bytes_of_the_whole_message() -> None:
    raw = play()
    assert EventDecoder(PlayEvent, len(raw)).decode(raw) == decode(raw)
    found = EventDecoder(PlayEvent, len(raw) - 1).decode(raw)
    assert isinstance(found, Rejected)
    assert found.reason == "too_large"


def test_message_of_a_megabyte_is_accepted_below_its_limit() -> None:
    events = EventDecoder(PlayEvent, 2_000_000).decode(
        b"[" + b",".join([play(title="x" * 1000)] * 900) + b"]"
    )
    assert isinstance(events, list)
    assert len(events) == 900


def test_detail_is_short_and_encodable() -> None:
    found = decode(play(end_reason="é" * 5000))
    assert isinstance(found, Rejected)
    assert len(found.detail) <= 200
    found.detail.encode()


def test_bad_market_stays_bad_when_seen_again() -> None:
    decoder = EventDecoder(PlayEvent)
    for _ in range(2):
        assert isinstance(decoder.decode(play(market="S:E")), Rejected)
        assert isinstance(decoder.decode(play(market="SE")), list)


def test_more_markets_than_are_remembered_are_all_checked() -> None:
    decoder = EventDecoder(PlayEvent)
    for number in range(5000):
        assert isinstance(decoder.decode(play(market=f"m-{number}")), list)
    assert isinstance(decoder.decode(play(market="m-5000")), list)
    assert isinstance(decoder.decode(play(market="m_5000")), Rejected)


def test_feedback_is_checked_as_plays_are() -> None:
    decoder = EventDecoder(Feedback)
    block = Feedback(
        event_id="f", user_id="u", kind="block_track", track_id="t", at_ms=1_795_383_612_345
    )
    raw = encode_event(block)
    assert decoder.decode(raw) == [block]
    assert isinstance(decoder.decode(raw.replace(b"block_track", b"block_tracks")), Rejected)


def test_struct_with_no_optional_value_is_written_without_it() -> None:
    events = decode(play())
    assert isinstance(events, list)
    assert json.loads(encode_event(events[0])) == PLAY


def test_every_reason_is_explained() -> None:
    assert set(REASONS) == set(get_args(Reason))

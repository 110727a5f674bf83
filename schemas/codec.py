"""Wire bytes become structs here and nowhere else.

Decoding is total: any bytes give either the events or a `Rejected` value with a reason code, never
an exception. The stream turns a `Rejected` into a dead letter. A message is accepted or rejected
whole: an array with one bad event is one dead letter.

The hot path leaves all work per field to msgspec. What msgspec cannot check (bytes instead of
characters, control characters) is proven for the whole message at once where it can be: in plain
ASCII without escapes a character is a byte, and JSON itself forbids control characters but DEL.
"""

from __future__ import annotations

import re
from typing import Final, Generic, Literal, TypeVar

import msgspec

from schemas.events import ID_BYTES_MAX, MISSING_SUBJECT

__all__ = ["REASONS", "EventDecoder", "Reason", "Rejected", "encode_event"]

Reason = Literal[
    "empty",
    "too_large",
    "not_json",
    "invalid_utf8",
    "too_deep",
    "wrong_type",
    "missing_field",
    "out_of_range",
    "id_too_long",
    "in_future",
    "bad_frame",
    "wrong_key",
]

REASONS: Final[dict[Reason, str]] = {
    "empty": "No value, no bytes, or an array without events.",
    "too_large": "The message is longer than SEGUE_MESSAGE_BYTES_MAX.",
    "not_json": "The bytes are not one JSON document (NaN and Infinity are not JSON).",
    "invalid_utf8": "A string holds bytes that are not UTF-8.",
    "too_deep": "Nested more deeply than the decoder follows.",
    "wrong_type": "A field, or the message, has another type than the schema says.",
    "missing_field": "A required field is absent, or what a statement is about.",
    "out_of_range": "A number, time or string is outside its limits, or a word is unknown.",
    "id_too_long": "An id is longer than 256 bytes of UTF-8.",
    "in_future": "The event says it happens later than the broker's time allows.",
    "bad_frame": "A binary frame between stages is damaged or of an unknown version.",
    "wrong_key": "The key of the message is not the key its value names.",
}

_DETAIL_CHARACTERS_MAX: Final = 200
_ARRAY: Final = ord("[")
_OBJECT: Final = ord("{")
_BACKSLASH: Final = ord("\\")
_DEL: Final = 0x7F
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_MARKET: Final = re.compile("[A-Za-z0-9-]{2,8}")
_MARKETS_KNOWN_MAX: Final = 4096
_PARTS: Final = ("entries", "neighbours")  # fields that hold structs with a `track_id`

E = TypeVar("E", bound=msgspec.Struct)


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """Why a message was not accepted. Never retried: the same bytes give the same answer.

    `detail` is for people, at most 200 characters, and always encodable as UTF-8.
    """

    reason: Reason
    detail: str = ""


class EventDecoder(Generic[E]):
    """Decodes messages of one event type. Built once, used for every message, by one thread.

    `message_bytes_max` bounds a whole message, arrays included.
    """

    __slots__ = (
        "_array",
        "_bytes_max",
        "_has_market",
        "_id_fields",
        "_markets",
        "_one",
        "_parts",
    )

    def __init__(self, event_type: type[E], message_bytes_max: int = 1_000_000) -> None:
        self._one = msgspec.json.Decoder(event_type).decode
        self._array: msgspec.json.Decoder[list[E]] = msgspec.json.Decoder(
            list[event_type]  # type: ignore[valid-type]  # a class held in a variable
        )
        self._bytes_max = message_bytes_max
        fields = event_type.__struct_fields__
        self._id_fields = tuple(name for name in fields if name.endswith("_id"))
        self._has_market = "market" in fields
        self._parts = next((name for name in _PARTS if name in fields), None)
        self._markets: set[str | None] = {None}

    def decode(self, raw: bytes | None) -> list[E] | Rejected:
        """The events of one message, at least one, or why it is rejected. Never raises.

        O(length of the message). Does not block.
        """
        if not raw:
            return Rejected("empty", "the message has no value")
        if len(raw) > self._bytes_max:
            return Rejected("too_large", f"{len(raw)} bytes, limit {self._bytes_max}")
        try:
            events = [self._one(raw)] if raw[0] == _OBJECT else self._decode_other(raw)
        except (ValueError, RecursionError, OverflowError) as error:
            return _rejected(error)
        # Looking for an integer in bytes is one memchr; for a byte string it is ten times slower.
        plain = raw.isascii() and _BACKSLASH not in raw and _DEL not in raw
        if not plain and (rejected := self._check_ids(events)) is not None:
            return rejected
        if self._has_market:
            for event in events:
                market: str | None = event.market  # type: ignore[attr-defined]  # it has one
                if market not in self._markets and not self._learn_market(market):
                    return Rejected("out_of_range", "market: 2 to 8 of A-Z a-z 0-9 -")
        return events or Rejected("empty", "the array holds no event")

    def _decode_other(self, raw: bytes) -> list[E]:
        """What does not start with `{`: an array, white space, or something wrong."""
        if raw[0] == _ARRAY or raw.lstrip(b" \t\r\n").startswith(b"["):
            return self._array.decode(raw)
        return [self._one(raw)]

    def _check_ids(self, events: list[E]) -> Rejected | None:
        """The careful way, for messages that hold escapes or anything beyond ASCII."""
        for event in events:
            for name in self._id_fields:
                if (rejected := _check_id(name, getattr(event, name))) is not None:
                    return rejected
            if self._parts is not None:
                for part in getattr(event, self._parts):
                    if (rejected := _check_id("track_id", part.track_id)) is not None:
                        return rejected
        return None

    def _learn_market(self, market: str | None) -> bool:
        """Is an unknown market well formed? Markets are few, so good ones are remembered."""
        if market is None or _MARKET.fullmatch(market) is None:
            return False
        if len(self._markets) < _MARKETS_KNOWN_MAX:
            self._markets.add(market)
        return True


def _check_id(name: str, value: str | None) -> Rejected | None:
    # isascii is one look at the object; printable ASCII needs nothing more.
    if value is None or (value.isascii() and value.isprintable()):
        return None
    if len(value.encode()) > ID_BYTES_MAX:
        return Rejected("id_too_long", f"{name}: over {ID_BYTES_MAX} bytes")
    if _CONTROL.search(value) is not None:
        return Rejected("out_of_range", f"{name}: holds a control character")
    return None


_ENCODER: Final = msgspec.json.Encoder()


def encode_event(event: msgspec.Struct) -> bytes:
    """The JSON bytes of one event as a producer sends it, without optional fields that are None.

    A struct is not checked when it is built: `EventDecoder.decode` of the result is the check.
    """
    return _ENCODER.encode(event)


def _rejected(error: Exception) -> Rejected:
    """Translate what msgspec raised. Only anchored matches: messages may quote the producer."""
    text = str(error)
    detail = text[:_DETAIL_CHARACTERS_MAX].encode("utf-8", "replace").decode()
    return Rejected(_reason(error, text), detail)


def _reason(error: Exception, text: str) -> Reason:
    if isinstance(error, RecursionError):
        return "too_deep"
    if isinstance(error, UnicodeDecodeError):
        return "invalid_utf8"
    if isinstance(error, msgspec.ValidationError):
        return _validation_reason(text)
    if isinstance(error, OverflowError):
        return "out_of_range"
    return "invalid_utf8" if text.startswith("Invalid UTF-8") else "not_json"


def _validation_reason(text: str) -> Reason:
    if text.startswith(("Object missing required field", MISSING_SUBJECT)):
        return "missing_field"
    if text.startswith("Expected `str` of length <=") and text.endswith("_id`"):
        return "id_too_long"
    limits = ("Expected `str` of", "Expected `array` of", "Expected `int` >", "Expected `int` <")
    if text.startswith((*limits, "Expected `float` >", "Expected `float` <")):
        return "out_of_range"
    if text.startswith(("Expected `str` matching", "Expected `array` of length")):
        return "out_of_range"
    if text.startswith(("Invalid enum value", "Number out of range", "Integer value out of")):
        return "out_of_range"
    return "wrong_type"

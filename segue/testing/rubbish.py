"""Messages that must be refused, each with the reasons that are right for it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

__all__ = ["rubbish"]

Play = dict[str, Any]
Made = tuple[bytes, frozenset[str]]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def rubbish(chance: random.Random, play: Play, bytes_max: int) -> Made:
    """Spoil a good play in one of many ways; returns the bytes and the reasons allowed."""
    kind = chance.choice(KINDS)
    if kind is _too_large and chance.random() < 0.98:  # a megabyte each: some will do
        kind = _cut
    return kind(chance, dict(play), bytes_max)


def _made(body: object, *reasons: str) -> Made:
    return json.dumps(body).encode(), frozenset(reasons)


def _noise(chance: random.Random, play: Play, _: int) -> Made:
    first = chance.choice(b"\x00\xffabc<!@\x89")
    return bytes([first]) + chance.randbytes(chance.randint(1, 200)), frozenset(
        {"not_json", "invalid_utf8", "wrong_type"}
    )


def _cut(chance: random.Random, play: Play, _: int) -> Made:
    raw = json.dumps(play).encode()
    return raw[: chance.randint(1, len(raw) - 1)], frozenset({"not_json", "out_of_range"})


def _torn_quote(chance: random.Random, play: Play, _: int) -> Made:
    raw = bytearray(json.dumps(play).encode())
    at = chance.choice([i for i, byte in enumerate(raw) if byte == ord('"')])
    raw[at] = ord(chance.choice(LETTERS))
    reasons = {"not_json", "wrong_type", "missing_field", "out_of_range"}
    return bytes(raw), frozenset(reasons)


def _torn_text(chance: random.Random, play: Play, _: int) -> Made:
    raw = json.dumps(play).encode().replace(b"track-", b"track\xff\xfe")
    return raw, frozenset({"invalid_utf8"})


def _missing(chance: random.Random, play: Play, _: int) -> Made:
    del play[chance.choice(["event_id", "user_id", "track_id", "started_at_ms", "end_reason"])]
    return _made(play, "missing_field")


def _wrong_type(chance: random.Random, play: Play, _: int) -> Made:
    name = chance.choice(["event_id", "user_id", "track_id", "started_at_ms", "played_ms"])
    play[name] = chance.choice([None, True, [], {}, [play[name]]])
    return _made(play, "wrong_type")


def _text_for_number(chance: random.Random, play: Play, _: int) -> Made:
    play[chance.choice(["started_at_ms", "played_ms", "duration_ms"])] = "1795383600000"
    return _made(play, "wrong_type")


def _out_of_range(chance: random.Random, play: Play, _: int) -> Made:
    name = chance.choice(["started_at_ms", "played_ms", "duration_ms"])
    play[name] = chance.choice([-1, -(2**63), 2**63 - 1, 2**64 - 1, 10**15])
    return _made(play, "out_of_range")


def _huge_number(chance: random.Random, play: Play, _: int) -> Made:
    play["played_ms"] = 10 ** chance.randint(30, 400)
    return _made(play, "out_of_range", "wrong_type")


def _not_a_number(chance: random.Random, play: Play, _: int) -> Made:
    play["played_ms"] = chance.choice([float("nan"), float("inf"), float("-inf")])
    return _made(play, "not_json")


def _unknown_word(chance: random.Random, play: Play, _: int) -> Made:
    return _made({**play, "end_reason": "bored"}, "out_of_range")


def _long_id(chance: random.Random, play: Play, _: int) -> Made:
    play[chance.choice(["event_id", "user_id", "track_id"])] = "é" * chance.randint(129, 600)
    return _made(play, "id_too_long")


def _empty_id(chance: random.Random, play: Play, _: int) -> Made:
    return _made({**play, "user_id": ""}, "out_of_range")


def _control(chance: random.Random, play: Play, _: int) -> Made:
    play[chance.choice(["event_id", "track_id"])] += chance.choice(["\n", "\x00", "\x7f", "\x85"])
    return _made(play, "out_of_range")


def _bad_market(chance: random.Random, play: Play, _: int) -> Made:
    return _made({**play, "market": chance.choice(["D", "D E", "ÄÖ", "GERMANYXX"])}, "out_of_range")


def _bomb(chance: random.Random, play: Play, _: int) -> Made:
    depth = chance.randint(5_000, 50_000)
    opening = chance.choice([b"[", b'{"device":['])
    return opening + b"[" * depth, frozenset({"too_deep", "not_json", "wrong_type"})


def _bomb_inside(chance: random.Random, play: Play, _: int) -> Made:
    """Well-formed, deep, and in a field nobody knows."""
    depth = chance.randint(5_000, 20_000)
    raw = json.dumps(play).encode()[:-1]
    return raw + b',"x":' + b"[" * depth + b"]" * depth + b"}", frozenset({"too_deep"})


def _empty(chance: random.Random, play: Play, _: int) -> Made:
    return chance.choice([b"", b"[]", b" [ ] "]), frozenset({"empty"})


def _other_json(chance: random.Random, play: Play, _: int) -> Made:
    return chance.choice([b"1", b"null", b'"play"', b"[1]", b"[[]]", b"[{}]", b"{}"]), frozenset(
        {"wrong_type", "missing_field"}
    )


def _array_with_one_bad(chance: random.Random, play: Play, _: int) -> Made:
    return _made([play, {**play, "played_ms": -1}, play], "out_of_range")


def _too_large(chance: random.Random, play: Play, bytes_max: int) -> Made:
    return _made({**play, "x": "x" * bytes_max}, "too_large")


def _in_future(chance: random.Random, play: Play, _: int) -> Made:
    return _made({**play, "started_at_ms": 4_000_000_000_000}, "in_future")


KINDS: list[Callable[[random.Random, Play, int], Made]] = [
    _noise,
    _cut,
    _torn_quote,
    _torn_text,
    _missing,
    _wrong_type,
    _text_for_number,
    _out_of_range,
    _huge_number,
    _not_a_number,
    _unknown_word,
    _long_id,
    _empty_id,
    _control,
    _bad_market,
    _bomb,
    _bomb_inside,
    _empty,
    _other_json,
    _array_with_one_bad,
    _too_large,
    _in_future,
]

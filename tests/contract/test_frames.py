"""Frames and rows come back as they were written; damaged ones are refused and nothing else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.frames import (
    ARTIST_MARK,
    BadFrame,
    PairsFrame,
    TrendCountsFrame,
    decode_pairs,
    decode_trend_counts,
    encode_pairs,
    encode_trend_counts,
    split_pairs,
)
from schemas.outputs import format_version

VERSION = format_version(1_795_383_600_000, 7)

ids = st.text(
    st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12
) | st.sampled_from(["x" * 256, "é", "🎧", " "])
names = st.lists(ids | ids.map(ARTIST_MARK.__add__), min_size=1, max_size=6, unique=True).filter(
    lambda found: max(map(len, found)) <= 256
)
int32s = st.integers(-(1 << 31), (1 << 31) - 1)
int64s = st.integers(-(1 << 63), (1 << 63) - 1)


def column(values: list[int], kind: type[np.generic]) -> NDArray[Any]:
    return np.array(values, kind)


@st.composite
def pairs_frames(draw: st.DrawFn) -> PairsFrame:
    found = draw(names)
    index = st.integers(0, len(found) - 1)
    entries = draw(st.lists(st.tuples(index, index, int64s, st.integers(0, 1)), max_size=20))
    plays = draw(st.lists(st.tuples(index, index, int32s), max_size=8))
    return PairsFrame(
        names=found,
        play_track=column([track for track, _, _ in plays], np.int32),
        play_artist=column([artist for _, artist, _ in plays], np.int32),
        play_count=column([count for _, _, count in plays], np.int32),
        left=column([left for left, _, _, _ in entries], np.int32),
        right=column([right for _, right, _, _ in entries], np.int32),
        weight=column([weight for _, _, weight, _ in entries], np.int64),
        forward=column([forward for _, _, _, forward in entries], np.uint8),
    )


@st.composite
def trend_frames(draw: st.DrawFn) -> TrendCountsFrame:
    found = draw(names)
    index = st.integers(0, len(found) - 1)
    entries = draw(st.lists(st.tuples(index, int64s, int32s), max_size=20))
    return TrendCountsFrame(
        market=draw(st.sampled_from(["world", "SE", "pt-BR"])),
        names=found,
        track=column([track for track, _, _ in entries], np.int32),
        bucket=column([bucket for _, bucket, _ in entries], np.int64),
        count=column([count for _, _, count in entries], np.int32),
    )


def plain(frame: object) -> dict[str, object]:
    """A frame as lists, which compare by value."""
    fields = {name: getattr(frame, name) for name in type(frame).__slots__}  # type: ignore[attr-defined]  # all frames have slots
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in fields.items()
    }


def sums(frames: list[PairsFrame]) -> tuple[dict[tuple[str, str, bool], int], dict[str, int]]:
    """What a neighbour stage adds up, by name and by whether the right one came after."""
    pairs: dict[tuple[str, str, bool], int] = {}
    plays: dict[str, int] = {}
    for frame in frames:
        columns = (frame.left, frame.right, frame.weight, frame.forward)
        for left, right, weight, forward in zip(*columns, strict=True):
            key = frame.names[left], frame.names[right], bool(forward)
            pairs[key] = pairs.get(key, 0) + int(weight)
        for track, count in zip(frame.play_track, frame.play_count, strict=True):
            plays[frame.names[track]] = plays.get(frame.names[track], 0) + int(count)
    return pairs, plays


@given(pairs_frames())
def test_pairs_frame_comes_back_as_written(frame: PairsFrame) -> None:
    assert plain(decode_pairs(encode_pairs(frame))) == plain(frame)


@given(trend_frames())
def test_trend_counts_frame_comes_back_as_written(frame: TrendCountsFrame) -> None:
    assert plain(decode_trend_counts(encode_trend_counts(frame))) == plain(frame)


@given(pairs_frames())
def test_decoded_columns_are_writable_and_aligned(frame: PairsFrame) -> None:
    found = decode_pairs(encode_pairs(frame))
    for values in (
        found.weight,
        found.left,
        found.right,
        found.play_track,
        found.play_count,
        found.forward,
    ):
        assert values.flags.writeable
        assert values.flags.aligned


@given(pairs_frames(), st.integers(320, 900))
def test_split_frames_fit_and_sum_to_the_same(frame: PairsFrame, bytes_max: int) -> None:
    # 320 bytes hold the header, one entry and one name of 256 bytes, but not two such names.
    try:
        parts = split_pairs(frame, bytes_max)
    except ValueError:
        assert sum(name == "x" * 256 for name in frame.names) == 1
        return
    assert all(len(part) <= bytes_max for part in parts)
    assert sums([decode_pairs(part) for part in parts]) == sums([frame])


def test_one_pair_and_one_play_are_split_from_each_other() -> None:
    zero, one = np.zeros(1, np.int32), np.ones(1, np.int32)
    ahead = np.ones(1, np.uint8)
    frame = PairsFrame(
        ["a" * 200, "b" * 200], zero, zero, one, one, one, np.ones(1, np.int64), ahead
    )
    parts = [decode_pairs(part) for part in split_pairs(frame, 250)]
    assert [part.names for part in parts] == [["b" * 200], ["a" * 200]]
    assert sums(parts) == sums([frame])


def test_large_frame_is_split_below_the_message_limit() -> None:
    count = 60_000
    index = np.arange(count, dtype=np.int32)
    found = [f"track-{number:06d}" for number in range(count)]
    frame = PairsFrame(
        found,
        index,
        index,
        np.ones(count, np.int32),
        index,
        index[::-1].copy(),
        index.astype(np.int64),
        (index % 2).astype(np.uint8),
    )
    parts = split_pairs(frame, 1_000_000)
    assert len(parts) == 4
    assert all(len(part) <= 1_000_000 for part in parts)
    assert sums([decode_pairs(part) for part in parts]) == sums([frame])


@settings(max_examples=400)
@given(
    st.one_of(pairs_frames().map(encode_pairs), trend_frames().map(encode_trend_counts)), st.data()
)
def test_damaged_frame_is_refused_or_safe_to_follow(raw: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(raw) - 1))
    damaged = raw[:at] + data.draw(st.binary(max_size=3)) + raw[at + data.draw(st.integers(0, 3)) :]
    for decode in (decode_pairs, decode_trend_counts):
        try:
            frame = decode(damaged)
        except BadFrame:
            continue
        assert_indexes_inside(frame)


@settings(max_examples=400)
@given(st.binary(max_size=80), st.sampled_from([b"", b"SGP\x03", b"SGT\x03"]))
def test_garbage_is_no_frame_and_no_crash(tail: bytes, head: bytes) -> None:
    for decode in (decode_pairs, decode_trend_counts):
        try:
            frame = decode(head + tail)
        except BadFrame:
            continue
        assert_indexes_inside(frame)


def assert_indexes_inside(frame: PairsFrame | TrendCountsFrame) -> None:
    columns = (
        (frame.left, frame.right, frame.play_track, frame.play_artist)
        if isinstance(frame, PairsFrame)
        else (frame.track,)
    )
    for values in columns:
        assert all(0 <= value < len(frame.names) for value in values.tolist())
    assert all(1 <= len(name) <= 256 for name in frame.names)
    if isinstance(frame, PairsFrame):
        assert {*frame.forward.tolist()} <= {0, 1}


@pytest.mark.parametrize(
    "index", [-1, 2, (1 << 31) - 1, -(1 << 31)], ids=["minus one", "one over", "most", "least"]
)
def test_artist_outside_the_names_is_refused(index: int) -> None:
    frame = PairsFrame(
        names=["a", "b"],
        play_track=np.array([0], np.int32),
        play_artist=np.array([index], np.int32),
        play_count=np.array([1], np.int32),
        left=np.zeros(0, np.int32),
        right=np.zeros(0, np.int32),
        weight=np.zeros(0, np.int64),
        forward=np.zeros(0, np.uint8),
    )
    with pytest.raises(BadFrame, match="outside"):
        decode_pairs(encode_pairs(frame))


@pytest.mark.parametrize(
    "index", [-1, 2, (1 << 31) - 1, -(1 << 31)], ids=["minus one", "one over", "most", "least"]
)
def test_index_outside_the_names_is_refused(index: int) -> None:
    frame = PairsFrame(
        names=["a", "b"],
        play_track=np.zeros(0, np.int32),
        play_artist=np.zeros(0, np.int32),
        play_count=np.zeros(0, np.int32),
        left=np.array([0], np.int32),
        right=np.array([index], np.int32),
        weight=np.array([1], np.int64),
        forward=np.array([0], np.uint8),
    )
    with pytest.raises(BadFrame, match="outside"):
        decode_pairs(encode_pairs(frame))


@pytest.mark.parametrize("forward", [2, 255])
def test_forward_other_than_0_and_1_is_refused(forward: int) -> None:
    one, ahead = np.ones(2, np.int32), np.array([1, forward], np.uint8)
    frame = PairsFrame(["a", "b"], one, one, one, one, one, np.ones(2, np.int64), ahead)
    with pytest.raises(BadFrame, match="forward is 0 or 1"):
        decode_pairs(encode_pairs(frame))


def test_forward_stands_between_the_counts_and_the_names() -> None:
    one, ahead = np.ones(3, np.int32), np.array([1, 0, 1], np.uint8)
    frame = PairsFrame(["a", "b"], one[:2], one[:2], one[:2], one, one, np.ones(3, np.int64), ahead)
    raw = encode_pairs(frame)
    assert raw[:4] == b"SGP\x03"
    assert raw.endswith(b"\x01\x00\x01" + b"a\nb")


@pytest.mark.parametrize("name", ["", "a\nb"])
def test_unfit_name_is_refused_when_written(name: str) -> None:
    empty = np.zeros(0, np.int32)
    weight, forward = np.zeros(0, np.int64), np.zeros(0, np.uint8)
    frame = PairsFrame(["a", name], empty, empty, empty, empty, empty, weight, forward)
    with pytest.raises(ValueError, match="newline"):
        encode_pairs(frame)


def test_columns_of_different_length_are_refused_when_written() -> None:
    one, two = np.zeros(1, np.int32), np.zeros(2, np.int32)
    weight, forward = np.zeros(1, np.int64), np.zeros(1, np.uint8)
    for columns in (
        (one, one, two, one, one, weight, forward),
        (one, two, one, one, one, weight, forward),
        (one, one, one, two, one, weight, forward),
        (one, one, one, one, two, weight, forward),
        (one, one, one, one, one, np.zeros(2, np.int64), forward),
        (one, one, one, one, one, weight, np.zeros(2, np.uint8)),
    ):
        with pytest.raises(ValueError, match="length"):
            encode_pairs(PairsFrame(["a"], *columns))
    with pytest.raises(ValueError, match="length"):
        encode_trend_counts(TrendCountsFrame("SE", ["a"], one, np.zeros(1, np.int64), two))


@pytest.mark.parametrize("version", [1, 2, 4])
def test_frame_of_another_version_is_refused_by_name(version: int) -> None:
    empty, weight, forward = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.uint8)
    frame = PairsFrame(["a"], empty, empty, empty, empty, empty, weight, forward)
    raw = bytearray(encode_pairs(frame))
    raw[3] = version
    with pytest.raises(BadFrame, match=f"version {version}"):
        decode_pairs(bytes(raw))


def test_frame_cut_anywhere_is_refused() -> None:
    one = np.ones(1, np.int32)
    weight, forward = np.ones(1, np.int64), np.ones(1, np.uint8)
    pairs = PairsFrame(["ab", "cd"], one, one, one, one, one, weight, forward)
    trends = TrendCountsFrame("SE", ["ab", "cd"], one, np.ones(1, np.int64), one)
    cases: list[tuple[bytes, Callable[[bytes], object]]] = [
        (encode_pairs(pairs), decode_pairs),
        (encode_trend_counts(trends), decode_trend_counts),
    ]
    for raw, decode in cases:
        # The last name may lose its last letter unnoticed: lengths are not written.
        for length in range(len(raw) - 1):
            with pytest.raises(BadFrame):
                decode(raw[:length])

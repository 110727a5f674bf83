"""Frames of discoveries come back as they were written; damaged ones are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.discoveries import (
    DiscoveriesFrame,
    decode_discoveries,
    encode_discoveries,
    split_discoveries,
)
from schemas.frames import BadFrame
from segue.testing.discovering import discovered

Found = list[tuple[str, list[str]]]

names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)
discoveries = st.lists(st.tuples(names, st.lists(names, max_size=30)), max_size=12)


def read(*raw: bytes) -> Found:
    found: Found = []
    for frame in map(decode_discoveries, raw):
        start = 0
        for track, size in zip(frame.track.tolist(), frame.size.tolist(), strict=True):
            before = frame.before[start : start + size].tolist()
            found.append((frame.names[track], [frame.names[i] for i in before]))
            start += size
    return found


@given(discoveries)
def test_frame_comes_back_as_written(found: Found) -> None:
    assert read(encode_discoveries(discovered(*found))) == found


@given(discoveries, st.integers(1200, 2000))
def test_split_frames_fit_and_keep_the_order(found: Found, bytes_max: int) -> None:
    # 1,200 bytes hold 31 names of 8 characters of 4 bytes each, and their places.
    parts = split_discoveries(discovered(*found), bytes_max)
    assert all(len(part) <= bytes_max for part in parts)
    assert read(*parts) == found


def test_discovery_that_fits_no_record_is_refused() -> None:
    frame = discovered(("a" * 200, ["b" * 200]))
    with pytest.raises(ValueError, match="one discovery takes"):
        split_discoveries(frame, 300)


@settings(max_examples=400)
@given(discoveries.map(lambda found: encode_discoveries(discovered(*found))), st.data())
def test_damaged_frame_is_refused_or_safe_to_follow(raw: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(raw) - 1))
    damaged = raw[:at] + data.draw(st.binary(max_size=3)) + raw[at + data.draw(st.integers(0, 3)) :]
    try:
        frame = decode_discoveries(damaged)
    except BadFrame:
        return
    assert len(frame.track) == len(frame.size)
    assert sum(frame.size.tolist()) == len(frame.before)
    assert all(size >= 0 for size in frame.size.tolist())
    for index in (*frame.track.tolist(), *frame.before.tolist()):
        assert 0 <= index < len(frame.names)


@pytest.mark.parametrize(
    ("track", "size", "before", "words"),
    [(2, 1, 0, "outside"), (-1, 1, 0, "outside"), (0, 1, 2, "outside"), (0, -1, 0, "add up")],
)
def test_frame_that_points_outside_is_refused(
    track: int, size: int, before: int, words: str
) -> None:
    columns = [np.array([value], np.int32) for value in (track, 1, before)]
    raw = bytearray(encode_discoveries(DiscoveriesFrame(["a", "b"], *columns)))
    raw[20:24] = size.to_bytes(4, "little", signed=True)
    with pytest.raises(BadFrame, match=words):
        decode_discoveries(bytes(raw))


def test_columns_of_different_length_are_refused_when_written() -> None:
    one, two = np.ones(1, np.int32), np.ones(2, np.int32)
    for columns in ((one, two, two), (one, one, two)):
        with pytest.raises(ValueError, match="length"):
            encode_discoveries(DiscoveriesFrame(["a", "b"], *columns))


@pytest.mark.parametrize("raw", [b"", b"SGD", b"SGD\x02" + bytes(12), b"SGP\x01" + bytes(12)])
def test_other_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(BadFrame):
        decode_discoveries(raw)

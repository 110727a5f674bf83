"""Values and keys of Redis: order of versions, bytes the script compares, names of keys."""

import inspect
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import rediskeys
from schemas.frames import ARTIST_MARK
from schemas.outputs import (
    SOURCES,
    STATED,
    STRATEGIES,
    VERSION_START,
    VERSION_WIDTH,
    decode_list,
    decode_similar,
    encode_list,
    encode_similar,
    encode_trending,
    format_version,
)

versions = st.tuples(st.integers(0, 10**13 - 1), st.integers(0, 10**16 - 1))
VERSION = format_version(1_795_383_600_000, 7)
VALUES = [
    encode_list(
        VERSION,
        "u",
        kind="next",
        at_ms=1,
        session=["s"],
        columns=(["t"], [0.5], ["together"], [0]),
    ),
    encode_similar(VERSION, "t", at_ms=1, plays=3, columns=(["t"], [2520], [1260], [630])),
    encode_trending(VERSION, "SE", window="day", at_ms=1, columns=(["t"], [0.5], [0.1], ["new"])),
]


@given(versions, versions)
def test_versions_compare_as_text_in_order_of_epoch_and_offset(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    assert (format_version(*first) < format_version(*second)) == (first < second)


@given(versions)
def test_version_has_its_fixed_width(version: tuple[int, int]) -> None:
    assert len(format_version(*version)) == VERSION_WIDTH


@pytest.mark.parametrize("raw", VALUES)
def test_version_stands_where_the_script_looks(raw: bytes) -> None:
    assert raw[VERSION_START : VERSION_START + VERSION_WIDTH].decode() == VERSION
    assert raw[VERSION_START + VERSION_WIDTH :].startswith(b'"')


def test_columns_of_numpy_are_written_as_numbers() -> None:
    scores, because = np.array([1.0, 0.1], np.float32), np.array([0, -1], np.int8)
    raw = encode_list(
        VERSION,
        "u",
        kind="discover",
        at_ms=1,
        session=["s"],
        columns=(["a", "b"], scores, ["after", "popular"], because),
    )
    read = json.loads(raw)
    assert (read["scores"], read["because"]) == ([1.0, 0.1], [0, -1])
    weights = np.array([1 << 40, 2520], np.int64)
    raw = encode_similar(
        VERSION, "t", at_ms=1, plays=3, columns=(["a", "b"], weights, weights - 1, weights - 2)
    )
    similar = decode_similar(raw)
    assert similar.scores == [1 << 40, 2520]
    assert similar.after == [(1 << 40) - 1, 2519]
    assert similar.lately == [(1 << 40) - 2, 2518]


@pytest.mark.parametrize("source", [*SOURCES, STATED, *STRATEGIES, "one of a newer worker"])
def test_any_source_is_read(source: str) -> None:
    columns = (["t"], [1.0], [source], [-1])
    raw = encode_list(VERSION, "u", kind="next", at_ms=1, session=[], columns=columns)
    assert decode_list(raw).sources == [source]


def test_propensity_stands_only_in_a_list_that_explores() -> None:
    raw = [
        encode_list(
            VERSION,
            "u",
            kind="discover",
            at_ms=1,
            session=[],
            columns=(["t"], [1.0], ["explore_new"], [-1]),
            propensity=propensity,
        )
        for propensity in (0.0, 0.001)
    ]
    assert ["propensity" in json.loads(value) for value in raw] == [False, True]
    assert [decode_list(value).propensity for value in raw] == [0.0, 0.001]


def test_list_with_fields_of_a_newer_worker_is_read() -> None:
    newer = VALUES[0][:-1] + b',"reasons":["because"]}'
    assert decode_list(newer).track_ids == ["t"]


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", VALUES[1], VALUES[0][:-1], b"\xff"])
def test_reading_something_else_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError):
        decode_list(raw)


def test_every_key_is_documented_and_none_can_be_mistaken_for_another() -> None:
    assert rediskeys.row_key(f"{ARTIST_MARK}x") == rediskeys.artist_key("x")
    assert rediskeys.row_key("x") == rediskeys.similar_key("x")
    functions = {
        name.removesuffix("_key"): function
        for name, function in inspect.getmembers(rediskeys, inspect.isfunction)
        if name.endswith("_key") and name != "row_key"  # which is one of two others
    }
    assert {key.split(":")[0] for key in rediskeys.KINDS} == set(functions)
    for kind, function in functions.items():
        arguments = ["x"] * len(inspect.signature(function).parameters)
        assert function(*arguments).startswith(f"{rediskeys.PREFIX}{kind}:")

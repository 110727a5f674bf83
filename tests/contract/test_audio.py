"""Each way a record of audio neighbours can be wrong has its reason; what is right is accepted."""

import json
from typing import Any

import pytest

from schemas.audio import AudioDecoder, AudioNeighbour, AudioNeighbours
from schemas.codec import Rejected


def decode(found: object, key: str = "t") -> AudioNeighbours | Rejected:
    raw = json.dumps(found, ensure_ascii=False).encode()
    return AudioDecoder(message_bytes_max=2_000).decode(key.encode(), raw)


def record(*neighbours: tuple[object, object], track: object = "t") -> dict[str, Any]:
    """Any: what is wrong is written down too."""
    names = ("track_id", "similarity")
    return {
        "track_id": track,
        "neighbours": [dict(zip(names, each, strict=True)) for each in neighbours],
    }


def test_what_the_contract_allows_is_accepted() -> None:
    found = decode(record(("a", 1), ("b", 0.5), ("é", 0.5), ("c", 1e-9)) | {"newer": 1})
    neighbours = [("a", 1.0), ("b", 0.5), ("é", 0.5), ("c", 1e-9)]
    assert found == AudioNeighbours("t", tuple(AudioNeighbour(*each) for each in neighbours))
    most = record(*((f"t{i}", 1 - i / 20) for i in range(20)))
    assert isinstance(decode(most), AudioNeighbours)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"track_id": "t"}, "missing_field"),
        (record(), "out_of_range"),
        (record(*((f"t{i}", 1 - i / 30) for i in range(21))), "out_of_range"),
        (record(("a", 0)), "out_of_range"),
        (record(("a", -0.5)), "out_of_range"),
        (record(("a", 1.01)), "out_of_range"),
        (record(("a", "near")), "wrong_type"),
        (record(("a", None)), "wrong_type"),
        (record(("a", float("nan"))), "not_json"),
        (record((7, 0.5)), "wrong_type"),
        (record(("", 0.5)), "out_of_range"),
        (record(("a\nb", 0.5)), "out_of_range"),
        (record(("é" * 200, 0.5)), "id_too_long"),
        (record(("a", 0.5), ("b", 0.6)), "out_of_range"),
        (record(("a", 0.5), ("a", 0.5)), "out_of_range"),
        (record(("a", 0.5), ("t", 0.4)), "out_of_range"),
        (record(*((f"{i}" * 100, 0.5) for i in range(10, 20))), "too_large"),
        ([record(("a", 0.5))] * 2, "wrong_type"),
        (record(("a", 0.5), track="other"), "wrong_key"),
    ],
)
def test_what_is_wrong_has_its_reason(found: object, reason: str) -> None:
    rejected = decode(found)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == reason

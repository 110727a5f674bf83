"""Golden messages of privacy: read and written the same for ever; `test_golden` has the others."""

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.codec import EventDecoder, encode_event
from schemas.events import PrivacyRequest
from schemas.privacy import ListenerExport, decode_export, encode_export

GOLDEN = Path(__file__).parents[2] / "schemas" / "golden" / "v3"

ERASE = PrivacyRequest("p-1", "listener-1", "erase", 1_795_383_612_345)
EXPORT = PrivacyRequest("p-2", "トラック", "export", 1_795_383_612_345)
EXPORTED = ListenerExport(
    event_id="p-2",
    user_id="トラック",
    at_ms=1_795_383_612_999,
    known=True,
    plays=3,
    newest_ms=1_795_383_612_345,
    market="pt-BR",
    last_track="track-3",
    session="7fffffffffffffff",
    context=["track-1"],
    recent=["track-1", "track-2"],
    artists=["sigur rós", ""],
    begins=[0, 1],
    held_back=[1, 0],
    passed=["track-3"],
    passed_after=[0],
    passed_context=[1],
    heard=[7, 65_535],
    events=["ffffffffff"],
    said=["like", "block_artist"],
    said_of=["track-9", "kino"],
    said_ms=[1_795_383_600_000, 1_795_383_600_001],
    liked_with=["sigur rós", "track-1", "", "", "", ""],
    conduct=[0, 60_000, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    suspected=["loop"],
    erased_ms=1_795_383_600_000,
)
REQUEST = EventDecoder(PrivacyRequest).decode
CASES = [
    ("PrivacyRequest.erase", encode_event(ERASE), REQUEST, [ERASE]),
    ("PrivacyRequest.export", encode_event(EXPORT), REQUEST, [EXPORT]),
    ("ListenerExport", encode_export(EXPORTED), decode_export, EXPORTED),
]


@pytest.mark.parametrize(("name", "raw", "decode", "read"), CASES)
def test_golden_message_is_read_and_written(
    name: str, raw: bytes, decode: Callable[[bytes], object], read: object
) -> None:
    golden = (GOLDEN / f"{name}.json").read_bytes()
    assert decode(golden) == read
    assert raw == golden

"""Each way an entry of the catalogue can be wrong has its reason; what is right is accepted."""

import json
from typing import Any

import pytest

from schemas.codec import Rejected
from schemas.tracks import CatalogueEntry, Credit, EntryDecoder, main_artist

ENTRY: dict[str, Any] = {"track_id": "track-1", "title": "Tide"}


def decode(entry: object, key: str = "track-1") -> CatalogueEntry | Rejected:
    return EntryDecoder(message_bytes_max=2_000).decode(key.encode(), json.dumps(entry).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"released_on": "1999"},
        {"released_on": "1999-06"},
        {"released_on": "1999-06-12"},
        {"language": "pt-BR"},
        {"isrc": "USRC17607839"},
        {"artists": [{"name": "Ann"}, {"name": "Bo", "role": "featured"}]},
        {"genres": ["pop"], "aliases": ["Tides"], "work_id": "w", "duration_ms": 1},
        {"something": "newer than we are"},
    ],
)
def test_what_the_contract_allows_is_accepted(change: dict[str, Any]) -> None:
    assert isinstance(decode(ENTRY | change), CatalogueEntry)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"track_id": "track-1"}, "missing_field"),
        (ENTRY | {"title": 7}, "wrong_type"),
        (ENTRY | {"released_on": "12.6.1999"}, "out_of_range"),
        (ENTRY | {"released_on": "1999-13"}, "out_of_range"),
        (ENTRY | {"isrc": "US-RC1-76-07839"}, "out_of_range"),
        (ENTRY | {"language": "English"}, "out_of_range"),
        (ENTRY | {"artists": [{"name": "Ann", "role": "fan"}]}, "out_of_range"),
        (ENTRY | {"artists": [{"name": ""}]}, "out_of_range"),
        (ENTRY | {"genres": ["x"] * 17}, "out_of_range"),
        (ENTRY | {"duration_ms": -1}, "out_of_range"),
        (ENTRY | {"work_id": "a\nb"}, "out_of_range"),
        (ENTRY | {"track_id": "é" * 200}, "id_too_long"),
        (ENTRY | {"title": "x" * 2_000}, "too_large"),
        ([ENTRY, ENTRY], "wrong_type"),
        (ENTRY | {"track_id": "track-2"}, "wrong_key"),
    ],
)
def test_what_is_wrong_has_its_reason(entry: object, reason: str) -> None:
    found = decode(entry)
    assert isinstance(found, Rejected)
    assert found.reason == reason


def test_the_main_artist_is_the_first_of_that_role() -> None:
    ann, bo = Credit("Ann", "featured"), Credit("Bo")
    assert main_artist(CatalogueEntry("t", "T", (ann, bo))) == "Bo"
    assert main_artist(CatalogueEntry("t", "T", (ann,))) == "Ann"
    assert main_artist(CatalogueEntry("t", "T")) == ""

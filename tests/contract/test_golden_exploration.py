"""Golden messages of exploration, as `test_golden` has them of everything else."""

from __future__ import annotations

from pathlib import Path

from schemas.codec import EventDecoder, encode_event
from schemas.impressions import Impression, ShownEntry
from schemas.outputs import RecommendationList, decode_list, encode_list

GOLDEN = Path(__file__).parents[2] / "schemas" / "golden" / "v4"
VERSION = "1795383600000-0000000000001234"

LIST = RecommendationList(
    version=VERSION,
    user_id="listener-1",
    kind="discover",
    at_ms=1_795_383_612_400,
    track_ids=["track-3", "トラック/42"],
    scores=[1.0, 0.5],
    sources=["together", "explore_near"],
    because=[1, -1],
    session=["track-1", "トラック/9"],
    arm="without-artist",
    propensity=0.0005,
)
SHOWN = Impression(
    event_id="i-1",
    user_id="listener-1",
    kind="discover",
    version=VERSION,
    at_ms=1_795_383_612_345,
    entries=(ShownEntry("track-3", 9, "tapped", "explore_new", 0.0005),),
    arm="without-artist",
)


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def test_every_golden_file_has_a_test() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {"Impression", "RecommendationList"}


def test_list_that_explores_is_written_and_read() -> None:
    raw = encode_list(
        VERSION,
        LIST.user_id,
        kind=LIST.kind,
        at_ms=LIST.at_ms,
        session=LIST.session,
        arm=LIST.arm,
        columns=(LIST.track_ids, LIST.scores, LIST.sources, LIST.because),
        propensity=LIST.propensity,
    )
    assert raw == golden("RecommendationList.json")
    assert decode_list(raw) == LIST


def test_impression_that_echoes_a_propensity_is_written_and_read() -> None:
    assert encode_event(SHOWN) == golden("Impression.json")
    assert EventDecoder(Impression).decode(golden("Impression.json")) == [SHOWN]

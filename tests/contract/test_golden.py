"""Golden messages: what was written under a version is read, and written, the same for ever.

The files are never edited. What is written in a new way gets a new folder; the old file is still
read, or is refused by name if its version was replaced.
"""

import hashlib
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from schemas.audio import AudioDecoder
from schemas.codec import EventDecoder, encode_event
from schemas.discoveries import decode_discoveries, encode_discoveries
from schemas.events import Feedback, PlayEvent
from schemas.frames import (
    decode_pairs,
    decode_trend_counts,
    encode_pairs,
    encode_trend_counts,
)
from schemas.impressions import Impression
from schemas.internal import decode_topic_record, encode_topic_record
from schemas.outputs import (
    RecommendationList,
    Recommendations,
    SimilarTracks,
    TrendingTracks,
    decode_list,
    decode_recommendations,
    decode_similar,
    decode_trending,
    encode_list,
    encode_recommendations,
    encode_similar,
    encode_trending,
)
from schemas.tracks import EntryDecoder
from segue.testing.golden_messages import (
    BLOCK,
    DISCOVERIES,
    ERASED_PAIRS,
    EXPLORED,
    EXPLORING,
    FULL,
    FULL_TRACK,
    GLANCED,
    LIST,
    MINIMAL,
    PAIRS,
    SAID,
    SHOWN,
    SIMILAR,
    SOUNDS,
    TOPIC,
    TRACK,
    TRENDING,
    TRENDS,
    VERSION,
)

GOLDEN = Path(__file__).parents[2] / "schemas" / "golden"

OF_PRIVACY = ("ListenerExport", "PrivacyRequest.erase", "PrivacyRequest.export")
"""Tested in `test_golden_privacy`."""


def written(found: RecommendationList) -> bytes:
    """A list as a worker writes it: from columns."""
    return encode_list(
        VERSION,
        found.user_id,
        kind=found.kind,
        at_ms=found.at_ms,
        session=found.session,
        arm=found.arm,
        columns=(
            found.track_ids,
            np.array(found.scores, np.float32),
            found.sources,
            np.array(found.because, np.int8),
        ),
        propensity=found.propensity,
    )


# version and name of the file -> its bytes as today's code writes them
WRITERS: dict[str, Callable[[], bytes]] = {
    "v1/PlayEvent.minimal.json": lambda: encode_event(MINIMAL),
    "v1/PlayEvent.full.json": lambda: encode_event(FULL),
    "v1/PlayEvent.array.json": lambda: msgspec.json.encode([MINIMAL, FULL]),
    "v1/Feedback.block.json": lambda: encode_event(BLOCK),
    "v3/PairsFrame.erased.bin": lambda: encode_pairs(ERASED_PAIRS),
    "v1/CatalogueEntry.minimal.json": lambda: encode_event(TRACK),
    "v1/CatalogueEntry.full.json": lambda: encode_event(FULL_TRACK),
    "v1/AudioNeighbours.json": lambda: encode_event(SOUNDS),
    "v3/Impression.full.json": lambda: encode_event(SHOWN),
    "v3/Impression.minimal.json": lambda: encode_event(GLANCED),
    "v3/Feedback.array.json": lambda: msgspec.json.encode(SAID),
    "v4/Impression.json": lambda: encode_event(EXPLORED),
    "v3/RecommendationList.json": lambda: written(LIST),
    "v4/RecommendationList.json": lambda: written(EXPLORING),
    "v2/Recommendations.json": lambda: encode_recommendations(
        golden("v2/RecommendationList.json"),
        golden("v2/RecommendationList.json").replace(b'"kind":"next"', b'"kind":"discover"'),
    ),
    "v3/SimilarTracks.json": lambda: encode_similar(
        VERSION,
        SIMILAR.track_id,
        at_ms=SIMILAR.at_ms,
        plays=SIMILAR.plays,
        columns=(
            SIMILAR.track_ids,
            np.array(SIMILAR.scores, np.int64),
            np.array(SIMILAR.after, np.int64),
            np.array(SIMILAR.lately, np.int64),
        ),
        artist=SIMILAR.artist,
    ),
    "v2/TrendingTracks.json": lambda: encode_trending(
        VERSION,
        TRENDING.market,
        window=TRENDING.window,
        at_ms=TRENDING.at_ms,
        shifted_at_ms=TRENDING.shifted_at_ms,
        columns=(
            TRENDING.track_ids,
            np.array(TRENDING.scores),
            np.array(TRENDING.accelerations),
            TRENDING.directions,
        ),
    ),
    "v1/TopicRecord.json": lambda: encode_topic_record(TOPIC),
    "v1/DiscoveriesFrame.bin": lambda: encode_discoveries(DISCOVERIES),
    "v3/PairsFrame.bin": lambda: encode_pairs(PAIRS),
    "v3/TrendCountsFrame.bin": lambda: encode_trend_counts(TRENDS),
}


# the file of a version that nothing writes any more -> who refuses it, and in what words
REPLACED: dict[str, tuple[Callable[[bytes], object], str]] = {
    "v1/PairsFrame.bin": (decode_pairs, "frame version 1"),
    "v1/TrendCountsFrame.bin": (decode_trend_counts, "frame version 1"),
    "v2/PairsFrame.bin": (decode_pairs, "frame version 2"),
    "v2/TrendCountsFrame.bin": (decode_trend_counts, "frame version 2"),
}

# the file that an older worker wrote -> what is read of it today
OLDER: dict[str, tuple[Callable[[bytes], object], object]] = {
    "v1/RecommendationList.json": (
        decode_list,
        RecommendationList(
            version=VERSION,
            user_id="listener-1",
            kind="next",
            at_ms=1_795_383_612_400,
            track_ids=["track-3", "トラック/42"],
            scores=[0.75, 0.5],
            sources=["similar", "popular"],
        ),
    ),
    "v2/RecommendationList.json": (
        decode_list,
        msgspec.structs.replace(LIST, arm="default"),
    ),
    "v1/SimilarTracks.json": (
        decode_similar,
        SimilarTracks(
            version=VERSION,
            track_id="track-1",
            at_ms=1_795_383_612_400,
            plays=12,
            track_ids=["track-3"],
            scores=[2520],
        ),
    ),
    "v1/TrendingTracks.json": (
        decode_trending,
        TrendingTracks(
            version=VERSION,
            market="world",
            window="hour",
            at_ms=1_795_383_612_400,
            track_ids=["track-1", "track-3"],
            scores=[12.5, 3.0],
        ),
    ),
    "v2/SimilarTracks.json": (decode_similar, msgspec.structs.replace(SIMILAR, artist="")),
}


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_code_writes_the_golden_bytes(name: str) -> None:
    assert WRITERS[name]() == golden(name)


@pytest.mark.parametrize("version", ["v1", "v2", "v3", "v4"])
def test_golden_files_are_never_edited(version: str) -> None:
    folder = GOLDEN / version
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
    assert (folder / "SHA256SUMS").read_text().splitlines() == sums


def test_every_golden_file_has_a_test() -> None:
    found = {str(path.relative_to(GOLDEN)) for path in GOLDEN.glob("v*/*.*")}
    of_privacy = {f"v3/{name}.json" for name in OF_PRIVACY}
    assert found == {*WRITERS, *REPLACED, *OLDER, *of_privacy, "v1/PlayEvent.newer.json"}


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("v1/PlayEvent.minimal.json", [MINIMAL]),
        ("v1/PlayEvent.full.json", [FULL]),
        ("v1/PlayEvent.array.json", [MINIMAL, FULL]),
        ("v1/PlayEvent.newer.json", [MINIMAL]),
    ],
)
def test_golden_plays_are_read(name: str, events: list[PlayEvent]) -> None:
    assert EventDecoder(PlayEvent).decode(golden(name)) == events


def test_golden_feedback_is_read() -> None:
    assert EventDecoder(Feedback).decode(golden("v3/Feedback.array.json")) == SAID
    assert EventDecoder(Feedback).decode(golden("v1/Feedback.block.json")) == [BLOCK]


def test_golden_impressions_are_read() -> None:
    decode = EventDecoder(Impression).decode
    assert decode(golden("v3/Impression.full.json")) == [SHOWN]
    assert decode(golden("v3/Impression.minimal.json")) == [GLANCED]
    assert decode(golden("v4/Impression.json")) == [EXPLORED]


def test_golden_entries_are_read() -> None:
    for name, entry in (("minimal", TRACK), ("full", FULL_TRACK)):
        raw = golden(f"v1/CatalogueEntry.{name}.json")
        assert EntryDecoder().decode(entry.track_id.encode(), raw) == entry
    raw = golden("v1/AudioNeighbours.json")
    assert AudioDecoder().decode(SOUNDS.track_id.encode(), raw) == SOUNDS


def test_golden_outputs_are_read() -> None:
    assert decode_list(golden("v3/RecommendationList.json")) == LIST
    assert decode_list(golden("v4/RecommendationList.json")) == EXPLORING
    both = decode_recommendations(golden("v2/Recommendations.json"))
    older = msgspec.structs.replace(LIST, arm="default")
    assert both == Recommendations(older, msgspec.structs.replace(older, kind="discover"))
    assert decode_similar(golden("v3/SimilarTracks.json")) == SIMILAR
    assert decode_trending(golden("v2/TrendingTracks.json")) == TRENDING
    assert decode_topic_record(golden("v1/TopicRecord.json")) == TOPIC


@pytest.mark.parametrize("name", sorted(OLDER))
def test_golden_output_of_an_older_worker_is_read(name: str) -> None:
    decode, expected = OLDER[name]
    assert decode(golden(name)) == expected


@pytest.mark.parametrize("name", sorted(REPLACED))
def test_golden_message_of_a_version_that_was_replaced_is_refused(name: str) -> None:
    decode, message = REPLACED[name]
    with pytest.raises(ValueError, match=message):
        decode(golden(name))


@pytest.mark.parametrize(
    ("decode", "name", "frame"),
    [
        (decode_pairs, "v3/PairsFrame.bin", PAIRS),
        (decode_pairs, "v3/PairsFrame.erased.bin", replace(PAIRS, erased=True)),
        (decode_trend_counts, "v3/TrendCountsFrame.bin", TRENDS),
        (decode_discoveries, "v1/DiscoveriesFrame.bin", DISCOVERIES),
    ],
)
def test_golden_frame_is_read(decode: Callable[[bytes], object], name: str, frame: object) -> None:
    found = decode(golden(name))
    for column in fields(frame):  # type: ignore[arg-type]  # all frames are dataclasses
        expected = np.array(getattr(frame, column.name)).tolist()
        assert np.array(getattr(found, column.name)).tolist() == expected

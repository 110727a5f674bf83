"""Messages with every field, or hardly any, that are kept as golden bytes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import msgspec
import numpy as np

from schemas.audio import AudioNeighbour, AudioNeighbours
from schemas.discoveries import DiscoveriesFrame
from schemas.events import Feedback, PlayEvent
from schemas.frames import ARTIST_MARK, PairsFrame, TrendCountsFrame
from schemas.impressions import Impression, ShownEntry
from schemas.internal import TopicRecord
from schemas.outputs import RecommendationList, SimilarTracks, TrendingTracks
from schemas.tracks import CatalogueEntry, Credit

__all__ = [
    "BLOCK",
    "DISCOVERIES",
    "ERASED_PAIRS",
    "EXPLORED",
    "EXPLORING",
    "FULL",
    "FULL_TRACK",
    "GLANCED",
    "LIST",
    "MINIMAL",
    "PAIRS",
    "SAID",
    "SHOWN",
    "SIMILAR",
    "SOUNDS",
    "TOPIC",
    "TRACK",
    "TRENDING",
    "TRENDS",
    "VERSION",
]

VERSION = "1795383600000-0000000000001234"

MINIMAL = PlayEvent(
    event_id="e-1",
    user_id="listener-1",
    track_id="track-1",
    started_at_ms=1_795_383_612_345,
    played_ms=184_000,
    duration_ms=215_000,
    end_reason="finished",
)
FULL = PlayEvent(
    event_id="01JD8Q5Z2N7T0V9W3X4Y5Z6A7B",
    user_id="användare:åäö 🎧",
    track_id="トラック/42",
    started_at_ms=1_795_383_612_345,
    played_ms=0,
    duration_ms=0,
    end_reason="skipped",
    session_id="s-9",
    artist='Sigur "Rós"',
    title="Ágætis byrjun\n(live)",
    context="playlist:42",
    market="pt-BR",
    device="phone",
)
BLOCK = Feedback(
    event_id="f-1",
    user_id="listener-1",
    kind="block_track",
    track_id="track-1",
    at_ms=1_795_383_612_345,
)
statement = partial(Feedback, user_id="listener-1", at_ms=1_795_383_612_345)
SAID = [
    statement(event_id="f-2", kind="like", track_id="track-1", artist="Sigur Rós"),
    statement(event_id="f-3", kind="unlike", track_id="track-1"),
    statement(event_id="f-4", kind="hide", track_id="トラック/42"),
    statement(event_id="f-5", kind="block_artist", artist="Sigur Rós"),
    statement(event_id="f-6", kind="unblock_artist", artist=" SIGUR RÓS"),
    statement(event_id="f-7", kind="undo", track_id="トラック/42"),
    statement(event_id="f-8", kind="undo", artist="Sigur Rós"),
    statement(
        event_id="f-9",
        kind="taste",
        artists=("Sigur Rós", "Björk"),
        genres=("post-rock",),
        languages=("is", "en"),
    ),
]
PAIRS = PairsFrame(
    names=["track-1", "トラック/42", "track-3", f"{ARTIST_MARK}sigur rós"],
    play_track=np.array([0, 2, 3], np.int32),
    play_artist=np.array([3, 2, 3], np.int32),
    play_count=np.array([1, 7, 2], np.int32),
    left=np.array([0, 1, 2, 3], np.int32),
    right=np.array([1, 0, 0, 1], np.int32),
    weight=np.array([2520, 2520, 1 << 40, 5040], np.int64),
    forward=np.array([1, 0, 1, 0], np.uint8),
)
ERASED_PAIRS = replace(PAIRS, erased=True)
TRENDS = TrendCountsFrame(
    market="pt-BR",
    names=["track-1", "トラック/42"],
    track=np.array([0, 1, 0], np.int32),
    bucket=np.array([29_923_060, 29_923_060, 29_923_061], np.int64),
    count=np.array([3, 1, 2], np.int32),
)
DISCOVERIES = DiscoveriesFrame(
    names=["track-1", "トラック/42", "track-3"],
    track=np.array([0, 2], np.int32),
    size=np.array([1, 2], np.int32),
    before=np.array([1, 0, 1], np.int32),
)
LIST = RecommendationList(
    version=VERSION,
    user_id="listener-1",
    kind="next",
    at_ms=1_795_383_612_400,
    track_ids=["track-3", "トラック/42"],
    scores=[1.0, 0.5],
    sources=["together", "popular"],
    because=[1, -1],
    session=["track-1", "トラック/9"],
    arm="without-artist",
)
SIMILAR = SimilarTracks(
    version=VERSION,
    track_id="track-1",
    at_ms=1_795_383_612_400,
    plays=12,
    track_ids=["track-3"],
    scores=[2520],
    after=[1260],
    lately=[1890],
    artist="sigur rós",
)
TRENDING = TrendingTracks(
    version=VERSION,
    market="world",
    window="hour",
    at_ms=1_795_383_612_400,
    track_ids=["track-1", "track-3"],
    scores=[12.5, 3.0],
    accelerations=[1.25, -0.011],
    directions=["new", "steady"],
    shifted_at_ms=1_795_383_600_000,
)
TRACK = CatalogueEntry(track_id="track-1", title="Ágætis byrjun")
FULL_TRACK = CatalogueEntry(
    track_id="トラック/42",
    title='Ágætis "byrjun"',
    artists=(Credit("Sigur Rós"), Credit("Ann", "featured"), Credit("Bo", "composer")),
    album="Ágætis byrjun",
    work_id="work-7",
    isrc="ISRC11900042",
    duration_ms=479_000,
    released_on="1999-06-12",
    genres=("post-rock", "ambient"),
    language="is",
    aliases=("A good beginning",),
)
SOUNDS = AudioNeighbours(
    track_id="トラック/42",
    neighbours=(
        AudioNeighbour("track-1", 1.0),
        AudioNeighbour("トラック/9", 0.8125),
        AudioNeighbour("track-3", 0.0625),
    ),
)
TOPIC = TopicRecord(topic="segue.plays.v1", partitions=4, created_at_ms=1_795_383_600_000)

SHOWN = Impression(
    event_id="i-1",
    user_id="listener-1",
    kind="discover",
    version=VERSION,
    at_ms=1_795_383_612_345,
    entries=(
        ShownEntry("トラック/42", 0, "seen", "together"),
        ShownEntry("track-3", 1, "tapped", "popular"),
        ShownEntry("track-4", 2, "dismissed", "artist"),
    ),
    arm="without-artist",
)
GLANCED = Impression(
    event_id="i-2",
    user_id="listener-1",
    kind="next",
    version=VERSION,
    at_ms=1_795_383_612_345,
    entries=(ShownEntry("track-3", 99, "seen"),),
)

EXPLORING = msgspec.structs.replace(
    LIST, kind="discover", sources=["together", "explore_near"], propensity=0.0005
)
EXPLORED = Impression(
    event_id="i-1",
    user_id="listener-1",
    kind="discover",
    version=VERSION,
    at_ms=1_795_383_612_345,
    entries=(ShownEntry("track-3", 9, "tapped", "explore_new", 0.0005),),
    arm="without-artist",
)

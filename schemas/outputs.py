"""What front-ends read: the JSON values in Redis.

Workers encode them from columns, without building an object per entry; structs are for reading them
back (`segue.client`, tests). `version` is the first field and of fixed width, so that the script in
Redis compares two values by bytes and refuses the older one without parsing JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, get_args

import msgspec
import numpy as np
import orjson
from msgspec import Meta, Struct, field
from numpy.typing import NDArray

__all__ = [
    "SOURCES",
    "STATED",
    "STRATEGIES",
    "VERSION_START",
    "VERSION_WIDTH",
    "WORLD",
    "Direction",
    "ListKind",
    "RecommendationList",
    "Recommendations",
    "Scores",
    "SimilarTracks",
    "Source",
    "Strategy",
    "TrendWindow",
    "TrendingTracks",
    "Version",
    "Weights",
    "decode_list",
    "decode_recommendations",
    "decode_similar",
    "decode_trending",
    "encode_list",
    "encode_recommendations",
    "encode_similar",
    "encode_trending",
    "format_version",
]

VERSION_WIDTH: Final = 30
VERSION_START: Final = len(b'{"version":"')
"""Where the version starts in a JSON value: bytes 12 to 41, counted from 0, both included."""

WORLD: Final = "world"
"""The market that counts every play."""

ListKind = Literal["next", "discover"]
TrendWindow = Literal["hour", "day", "week"]
Direction = Literal["rising", "steady", "falling", "new"]
Source = Literal[
    "together", "lately", "after", "artist", "again", "often", "loop", "popular", "audio", "taste"
]
"""What speaks for a track in a list; `models.recommend.kernels.candidates` says how each counts."""
SOURCES: Final[tuple[Source, ...]] = get_args(Source)
STATED: Final = "stated"
"""The source of a track in a newcomer's list whose artist, genre or language they named."""
Strategy = Literal["explore_near", "explore_new", "explore_trending"]
"""The source of an explored track: how it was drawn."""
STRATEGIES: Final[tuple[Strategy, ...]] = get_args(Strategy)
Scores = Sequence[float] | NDArray[np.floating]
Weights = Sequence[int] | NDArray[np.integer]
Version = Annotated[
    str,
    Meta(
        min_length=VERSION_WIDTH,
        max_length=VERSION_WIDTH,
        description="Creation time of the input topic (ms, 13 digits), dash, offset (16 digits).",
        examples=["1795383600000-0000000000001234"],
    ),
]
_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY


class RecommendationList(Struct, frozen=True, gc=False):
    """A listener's list, best first. The first four columns have equal length."""

    version: Version
    user_id: Annotated[str, Meta(description="The listener.")]
    kind: Annotated[ListKind, Meta(description="`next` may repeat; `discover` is new to them.")]
    at_ms: Annotated[int, Meta(description="When it was computed, ms since 1970 UTC.")]
    track_ids: Annotated[list[str], Meta(description="The tracks.")]
    scores: Annotated[list[float], Meta(description="Relative to the first; within this list.")]
    sources: Annotated[
        list[str], Meta(description="What spoke most for each, such as `after` or `popular`.")
    ]
    because: Annotated[
        list[int],
        Meta(description="The place in `session` of the track that did, from 0; -1 if none did."),
    ] = field(default_factory=list)
    session: Annotated[
        list[str], Meta(description="The last tracks of the session, newest first.")
    ] = field(default_factory=list)
    arm: Annotated[str, Meta(description="The experiment arm by whose rules it was made.")] = (
        "default"
    )
    propensity: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="The probability with which the explored entry, whose source begins with "
            "`explore_`, was drawn; 0 without one.",
        ),
    ] = 0.0


class Recommendations(Struct, frozen=True, gc=False):
    """Both lists of a listener when one of them changed, as they stood in Redis."""

    next: Annotated[RecommendationList, Meta(description="What to play next.")]
    discover: Annotated[RecommendationList, Meta(description="What is new to the listener.")]


class SimilarTracks(Struct, frozen=True, gc=False):
    """Tracks played together with a track, most similar first. Columns of equal length.

    An artist has one too: their tracks, 2520 for each play.
    """

    version: Version
    track_id: Annotated[str, Meta(description="The track they are similar to, or the artist.")]
    at_ms: Annotated[int, Meta(description="When it was computed, ms since 1970 UTC.")]
    plays: Annotated[int, Meta(ge=0, description="How often the track was played.")]
    track_ids: Annotated[list[str], Meta(description="The similar tracks.")]
    scores: Annotated[
        list[int],
        Meta(description="Weights: 2520 for each time next to the track, less further away."),
    ]
    after: Annotated[list[int], Meta(description="The part of each weight played after it.")] = (
        field(default_factory=list)
    )
    lately: Annotated[
        list[int], Meta(description="The weights again, halved every 8 plays of the track.")
    ] = field(default_factory=list)
    artist: Annotated[
        str, Meta(description="The track's artist, folded, as a play named it last; may be empty.")
    ] = ""


class TrendingTracks(Struct, frozen=True, gc=False):
    """What is played most in a market now, decayed by age, and how it moves.

    Columns of equal length; those of movement are empty in what an older worker wrote.
    """

    version: Version
    market: Annotated[str, Meta(description="The market, or `world`.")]
    window: Annotated[TrendWindow, Meta(description="How fast a play is forgotten.")]
    at_ms: Annotated[int, Meta(description="When it was computed, ms since 1970 UTC.")]
    track_ids: Annotated[list[str], Meta(description="The tracks, most played first.")]
    scores: Annotated[list[float], Meta(description="Decayed plays.")]
    accelerations: Annotated[
        list[float],
        Meta(
            description="log2 of plays against those foretold by the track's share of a longer "
            "window: 0 steady, about 1 if its share doubled, -1 if it halved."
        ),
    ] = field(default_factory=list)
    directions: Annotated[
        list[str],
        Meta(
            description="`rising`, `steady`, `falling`, or `new`: rising, and most of what was "
            "ever played of it was played lately."
        ),
    ] = field(default_factory=list)
    shifted_at_ms: Annotated[
        int | None,
        Meta(
            description="When plays were last seen to turn away from what leads in the market, "
            "ms since 1970 UTC."
        ),
    ] = None


def format_version(epoch_ms: int, offset: int) -> str:
    """The version of what was computed from `offset` of a topic created at `epoch_ms`.

    Versions compare as text in the order of (epoch_ms, offset).

    >>> format_version(1795383600000, 1234)
    '1795383600000-0000000000001234'
    """
    return f"{epoch_ms:013d}-{offset:016d}"


def encode_list(  # noqa: PLR0913  # one argument per field
    version: str,
    user_id: str,
    *,
    kind: ListKind,
    at_ms: int,
    session: Sequence[str],
    columns: tuple[Sequence[str], Scores, Sequence[str], Weights],
    arm: str = "default",
    propensity: float = 0.0,
) -> bytes:
    """JSON of a RecommendationList; `columns` are track_ids, scores, sources and because.

    Scores are finite. The propensity stands there only where something was explored: other lists
    are what they were before there was one.
    """
    track_ids, scores, sources, because = columns
    value = {
        "version": version,
        "user_id": user_id,
        "kind": kind,
        "at_ms": at_ms,
        "track_ids": track_ids,
        "scores": scores,
        "sources": sources,
        "because": because,
        "session": session,
        "arm": arm,
    }
    if propensity:
        value["propensity"] = propensity
    return orjson.dumps(value, option=_OPTIONS)


def encode_recommendations(following: bytes, new: bytes) -> bytes:
    """JSON of Recommendations from its lists as `encode_list` made them, `next` first."""
    return b"".join((b'{"next":', following, b',"discover":', new, b"}"))


def encode_similar(
    version: str,
    track_id: str,
    *,
    at_ms: int,
    plays: int,
    columns: tuple[Sequence[str], Weights, Weights, Weights],
    artist: str = "",
) -> bytes:
    """JSON of SimilarTracks; `columns` are track_ids, weights, after and lately.

    Workers read it too, as a track's row: JSON of columns is written and read back faster than a
    binary form of ours was, and one key serves both.
    """
    track_ids, scores, after, lately = columns
    return orjson.dumps(
        {
            "version": version,
            "track_id": track_id,
            "at_ms": at_ms,
            "plays": plays,
            "track_ids": track_ids,
            "scores": scores,
            "after": after,
            "lately": lately,
            "artist": artist,
        },
        option=_OPTIONS,
    )


def encode_trending(
    version: str,
    market: str,
    *,
    window: TrendWindow,
    at_ms: int,
    shifted_at_ms: int | None = None,
    columns: tuple[Sequence[str], Scores, Scores, Sequence[str]],
) -> bytes:
    """JSON of TrendingTracks; `columns` are track_ids, scores, accelerations and directions.

    Scores and accelerations are finite.
    """
    track_ids, scores, accelerations, directions = columns
    return orjson.dumps(
        {
            "version": version,
            "market": market,
            "window": window,
            "at_ms": at_ms,
            "track_ids": track_ids,
            "scores": scores,
            "accelerations": accelerations,
            "directions": directions,
            "shifted_at_ms": shifted_at_ms,
        },
        option=_OPTIONS,
    )


_LIST: Final = msgspec.json.Decoder(RecommendationList)
_RECOMMENDATIONS: Final = msgspec.json.Decoder(Recommendations)
_SIMILAR: Final = msgspec.json.Decoder(SimilarTracks)
_TRENDING: Final = msgspec.json.Decoder(TrendingTracks)


def decode_list(raw: bytes) -> RecommendationList:
    """Read a list back. Raises msgspec.DecodeError, a ValueError, on anything else."""
    return _LIST.decode(raw)


def decode_recommendations(raw: bytes) -> Recommendations:
    """Read both lists back. Raises msgspec.DecodeError, a ValueError, on anything else."""
    return _RECOMMENDATIONS.decode(raw)


def decode_similar(raw: bytes) -> SimilarTracks:
    """Read similar tracks back. Raises msgspec.DecodeError, a ValueError, on anything else."""
    return _SIMILAR.decode(raw)


def decode_trending(raw: bytes) -> TrendingTracks:
    """Read trending tracks back. Raises msgspec.DecodeError, a ValueError, on anything else."""
    return _TRENDING.decode(raw)

"""The names of keys in Redis, and nothing else about Redis.

Front-ends read these keys directly, so they are part of the contract: `segue:v1:KIND:ID`. Ids hold
no control characters and are valid UTF-8 (the codec refuses others), so they stand in a key as they
are.
"""

from __future__ import annotations

from typing import Final

from schemas.frames import ALBUM_MARK, ARTIST_MARK

__all__ = [
    "EPOCH_COMPLETE",
    "KINDS",
    "PREFIX",
    "accept_key",
    "album_key",
    "artist_key",
    "discover_key",
    "epoch_key",
    "listener_keys",
    "newest_key",
    "next_key",
    "paused_key",
    "row_key",
    "similar_key",
    "trend_key",
]

PREFIX: Final = "segue:v1:"
EPOCH_COMPLETE: Final = "complete"
"""The value of an epoch key whose partition is written in full."""

KINDS: Final[dict[str, str]] = {
    "next:{user_id}": "RecommendationList: what to play next; repeats allowed.",
    "discover:{user_id}": "RecommendationList: only what the listener has not heard lately.",
    "similar:{track_id}": "SimilarTracks: what is played together with the track.",
    "artist:{name}": "SimilarTracks: an artist's tracks; the name folded as documented.",
    "album:{artist}/{title}": "SimilarTracks: an album's tracks; both folded as an artist's name.",
    "trend:{market}:{window}": "TrendingTracks: `hour`, `day` or `week`; market `world` is all.",
    "newest:{stage}:{partition}": "The newest version written; older ones are refused.",
    "epoch:{stage}:{partition}": "`complete` once all of a partition is written; for workers.",
    "paused:{topic}:{partition}": "Why a partition is paused by bad messages; for operators.",
    "accept:{topic}:{partition}": "Set by `segue dlq accept`, taken by the paused worker.",
}


def next_key(user_id: str) -> str:
    """Key of a listener's `next` list."""
    return f"segue:v1:next:{user_id}"


def discover_key(user_id: str) -> str:
    """Key of a listener's `discover` list."""
    return f"segue:v1:discover:{user_id}"


def listener_keys(user_id: str) -> tuple[str, ...]:
    """Every key that holds something of a listener: what an erasure deletes."""
    return next_key(user_id), discover_key(user_id)


def similar_key(track_id: str) -> str:
    """Key of the tracks similar to a track."""
    return f"segue:v1:similar:{track_id}"


def row_key(name: str) -> str:
    """Key of a row: of a track, or of an artist or album if the name begins with its mark."""
    if name.startswith(ARTIST_MARK):
        return artist_key(name[1:])
    return album_key(name[1:]) if name.startswith(ALBUM_MARK) else similar_key(name)


def artist_key(name: str) -> str:
    """Key of an artist's tracks; `name` is that of `schemas.artists.artist_name`."""
    return f"segue:v1:artist:{name}"


def album_key(name: str) -> str:
    """Key of an album's tracks; `name` is that of `schemas.artists.album_name`."""
    return f"segue:v1:album:{name}"


def trend_key(market: str, window: str) -> str:
    """Key of a market's trending tracks; `window` is `hour`, `day` or `week`."""
    return f"segue:v1:trend:{market}:{window}"


def newest_key(stage: str, partition: int) -> str:
    """Key of the newest version that was written of a partition's values.

    A script with an older one is refused, and the next owner counts on from it.
    """
    return f"segue:v1:newest:{stage}:{partition}"


def epoch_key(stage: str, partition: int) -> str:
    """Key that says whether Redis holds all of a partition's values.

    If it is gone, Redis lost its data, and the partition's owner writes everything again.
    """
    return f"segue:v1:epoch:{stage}:{partition}"


def paused_key(topic: str, partition: int) -> str:
    """Key that says why a partition is paused by too many bad messages."""
    return f"segue:v1:paused:{topic}:{partition}"


def accept_key(topic: str, partition: int) -> str:
    """Key that an operator's `segue dlq accept` sets, and the paused worker takes."""
    return f"segue:v1:accept:{topic}:{partition}"

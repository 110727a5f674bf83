"""A made-up catalogue: clusters of taste, their artists, albums and tracks, and what follows what.

The world that a recommender has to discover. A cluster is a taste; an artist belongs to one, an
album to one artist. Each track has a few *followers*, which listeners like to hear after it. The
recommender sees plays, and of a track what a service would say of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np

from schemas.tracks import CatalogueEntry, Credit
from segue.errors import Misconfigured
from segue.sim.words import ALBUM_FRAMES, ARTIST_FRAMES, FIRST, GENRES, LANGUAGES, SECOND

__all__ = ["FOLLOWERS", "Catalogue", "Track", "build_catalogue"]

TRACKS_PER_CLUSTER: Final = 100
TRACKS_PER_ALBUM: Final = 10
ALBUMS_PER_ARTIST_MAX: Final = 3
FOLLOWERS: Final = 4
"""How many tracks of its cluster a track likes to be followed by."""
TRACKS_MIN: Final = 20
DURATION_MS_MIN: Final = 95_000
DURATION_MS_MAX: Final = 420_000
YEARS: Final = (1990, 36)
_ZIPF: Final = 0.9


@dataclass(frozen=True, slots=True)
class Track:
    """One made-up track. `cluster` is hidden from the recommender."""

    track_id: str
    title: str
    artist: str
    album: str
    cluster: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Tracks by index, and the relations between them, as indices.

    `album_next[i]` is the track after i on its album (the first after the last); `followers[i]` are
    the tracks that like to follow i, the strongest first. `clusters[c]` lists the tracks of a
    cluster and `popularity[c]` the cumulative share of their popularity, ending in 1.0.
    """

    tracks: list[Track]
    album_next: list[int]
    followers: list[list[int]]
    clusters: list[list[int]]
    popularity: list[list[float]]

    def popular(self, cluster: int, share: float) -> int:
        """The track of a cluster at `share` (0 to below 1) of its cumulated popularity."""
        members = self.clusters[cluster]
        position = bisect_right(self.popularity[cluster], share)
        return members[min(position, len(members) - 1)]

    def entries(self) -> Iterator[CatalogueEntry]:
        """What a service would say of the tracks. A taste shows as genre and language, no more."""
        first, years = YEARS
        for track in self.tracks:
            yield CatalogueEntry(
                track.track_id,
                track.title,
                (Credit(track.artist),),
                track.album,
                duration_ms=track.duration_ms,
                released_on=str(first + crc32(track.album.encode()) % years),
                genres=(GENRES[track.cluster % len(GENRES)],),
                language=LANGUAGES[track.cluster % len(LANGUAGES)],
            )


def build_catalogue(rng: np.random.Generator, tracks: int) -> Catalogue:
    """Make up `tracks` tracks, at least 20. Deterministic by the state of `rng`. O(tracks)."""
    if tracks < TRACKS_MIN:
        raise Misconfigured(
            f"a catalogue needs at least {TRACKS_MIN} tracks, not {tracks}", setting="--tracks"
        )
    made: list[Track] = []
    album_next: list[int] = []
    for cluster, size in enumerate(_cluster_sizes(tracks)):
        left = size
        while left:
            left -= _add_artist(rng, made, album_next, cluster=cluster, tracks_max=left)
    clusters = [[] for _ in _cluster_sizes(tracks)]  # type: list[list[int]]
    for index, track in enumerate(made):
        clusters[track.cluster].append(index)
    followers = [_followers(rng, clusters[track.cluster], i) for i, track in enumerate(made)]
    shares = [_popularity(rng, len(members)) for members in clusters]
    return Catalogue(made, album_next, followers, clusters, shares)


def _cluster_sizes(tracks: int) -> list[int]:
    count = max(2, tracks // TRACKS_PER_CLUSTER)
    return [tracks // count + (c < tracks % count) for c in range(count)]


def _add_artist(
    rng: np.random.Generator,
    made: list[Track],
    album_next: list[int],
    *,
    cluster: int,
    tracks_max: int,
) -> int:
    """Append one artist's albums, at most `tracks_max` tracks; return how many."""
    artist = _name(rng, ARTIST_FRAMES)
    added = 0
    for _ in range(int(rng.integers(1, ALBUMS_PER_ARTIST_MAX + 1))):
        size = min(
            int(rng.integers(TRACKS_PER_ALBUM - 3, TRACKS_PER_ALBUM + 4)), tracks_max - added
        )
        if size <= 0:
            break
        album, first = _name(rng, ALBUM_FRAMES), len(made)
        for position in range(size):
            made.append(_track(rng, len(made), artist, album, cluster))
            album_next.append(first + (position + 1) % size)
        added += size
    return added


def _track(rng: np.random.Generator, index: int, artist: str, album: str, cluster: int) -> Track:
    one, two = _words(rng)
    duration_ms = int(np.clip(rng.normal(215_000, 55_000), DURATION_MS_MIN, DURATION_MS_MAX))
    return Track(
        track_id=f"track:{one}-{two}-{index:03d}",
        title=f"{one.title()} {two.title()}",
        artist=artist,
        album=album,
        cluster=cluster,
        duration_ms=duration_ms,
    )


def _words(rng: np.random.Generator) -> tuple[str, str]:
    return FIRST[int(rng.integers(len(FIRST)))], SECOND[int(rng.integers(len(SECOND)))]


def _name(rng: np.random.Generator, frames: tuple[str, ...]) -> str:
    one, two = _words(rng)
    return frames[int(rng.integers(len(frames)))].format(one.title(), two.title())


def _followers(rng: np.random.Generator, members: list[int], index: int) -> list[int]:
    others = [track for track in members if track != index]
    chosen = rng.choice(len(others), size=min(FOLLOWERS, len(others)), replace=False)
    return [others[int(i)] for i in chosen]


def _popularity(rng: np.random.Generator, size: int) -> list[float]:
    """Cumulative Zipf shares in random order, so that an album holds hits and fillers."""
    weights = rng.permutation(np.arange(1, size + 1, dtype=np.float64) ** -_ZIPF)
    shares: list[float] = (np.cumsum(weights) / weights.sum()).tolist()
    return shares

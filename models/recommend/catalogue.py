"""The catalogue in a worker: what lists need of it, bounded and small.

Every worker holds the whole of it, up to a limit; it comes from the topic `tracks` and goes with
the process. About 30 bytes a track and 140 a group, beside their names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.content import (
    ALBUM_COLUMN,
    ARTIST_COLUMN,
    EVICTED,
    FIRST_GENRE,
    GENRES_KEPT,
    GROUP_COLUMNS,
    LANGUAGE_COLUMN,
    TRACKS,
    Content,
    drop_entries,
    new_content,
    put_entries,
)
from models.recommend.vocabulary import NO_NAME, Vocabulary
from schemas.artists import album_name, artist_name
from schemas.frames import ALBUM_MARK, ARTIST_MARK, GENRE_MARK, LANGUAGE_MARK
from schemas.tracks import CatalogueEntry, main_artist

__all__ = ["Catalogue", "genre_key", "group_keys", "language_key"]


class Catalogue:
    """Entries by track, and the newest tracks of each artist, album, language and genre.

    `tracks_max` bounds the tracks; then the one whose entry came longest ago is forgotten. Entries
    and deletions are applied in the order of their topic, and may come again.

    >>> words = Vocabulary()
    >>> catalogue = Catalogue(words)
    >>> _ = catalogue.put([CatalogueEntry("t1", "Tide", language="pt-BR")])
    >>> [words.names[i] for i in catalogue.newest(language_key("pt"))]
    ['t1']
    """

    def __init__(self, vocabulary: Vocabulary, tracks_max: int = 1_000_000) -> None:
        if tracks_max < 1:
            raise ValueError("tracks_max is at least 1")
        self.vocabulary = vocabulary
        self._entries = new_content(tracks_max)
        vocabulary.register(self)

    def __len__(self) -> int:
        return int(self._entries.counters[TRACKS])

    @property
    def evictions(self) -> int:
        """Tracks that gave way to others, since the start."""
        return int(self._entries.counters[EVICTED])

    @property
    def content(self) -> Content:
        """What is known, in place. Holds until the next call that changes anything."""
        if len(self._entries.content.slot_of) > 1:
            self._grow()
        return self._entries.content

    def put(self, entries: Sequence[CatalogueEntry]) -> NDArray[np.int32]:
        """Set entries, in order; returns the artists of tracks not known before. O(entries)."""
        if not entries:
            return np.zeros(0, np.int32)
        self.vocabulary.sweep_if_due()
        intern = self.vocabulary.intern
        tracks = intern([entry.track_id for entry in entries])
        names = [name for entry in entries for name in group_keys(entry)]
        groups = intern(names).reshape(-1, GROUP_COLUMNS)
        released = np.array([_date(entry.released_on) for entry in entries], np.int32)
        self._name_artists(tracks, groups[:, ARTIST_COLUMN])
        self._grow()
        new = np.zeros(len(entries), np.uint8)
        put_entries(self._entries, tracks, groups, released, self.vocabulary.hash32, new)
        artists: NDArray[np.int32] = groups[new > 0, ARTIST_COLUMN]
        return np.unique(artists[artists != NO_NAME])

    def delete(self, track_ids: Sequence[str]) -> None:
        """Forget tracks. What is not known is none."""
        tracks = np.array([*map(self.vocabulary.find, track_ids)], np.int32)
        self._grow()
        drop_entries(self._entries, tracks)

    def artists(self, tracks: NDArray[np.int32]) -> NDArray[np.int32]:
        """The name of each track's artist's row, `NO_NAME` where nothing is known."""
        return self._groups(tracks, ARTIST_COLUMN)

    def albums(self, tracks: NDArray[np.int32]) -> NDArray[np.int32]:
        """The name of each track's album's row, `NO_NAME` where nothing is known."""
        return self._groups(tracks, ALBUM_COLUMN)

    def newest(self, name: str) -> list[int]:
        """The newest tracks of a group, at most 32, the newest first."""
        content = self.content
        place = content.place_of[self.vocabulary.find(name)]
        found: list[int] = content.members[place, : content.sizes[place]].tolist()
        return found

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id this catalogue holds, for the vocabulary's sweep."""
        held = np.flatnonzero(self._entries.track)
        return [self._entries.track[held], self._entries.content.groups[held]]

    def _groups(self, tracks: NDArray[np.int32], column: int) -> NDArray[np.int32]:
        content = self.content
        if len(content.slot_of) == 1:
            return np.zeros(len(tracks), np.int32)
        found: NDArray[np.int32] = content.groups[content.slot_of[tracks], column]
        return found

    def _name_artists(self, tracks: NDArray[np.int32], artists: NDArray[np.int32]) -> None:
        """Let it be known who tracks are by, for blocks to hold; what plays say goes before."""
        unnamed = self.vocabulary.artist[tracks] == NO_NAME
        self.vocabulary.artist[tracks[unnamed]] = artists[unnamed]

    def _grow(self) -> None:
        """Make what is by id as long as the vocabulary; until the first entry it is not."""
        content, stretched = self._entries.content, self.vocabulary.stretched
        content = content._replace(
            slot_of=stretched(content.slot_of), place_of=stretched(content.place_of)
        )
        self._entries = self._entries._replace(content=content)


def group_keys(entry: CatalogueEntry) -> list[str]:
    """The names of a track's groups by column, empty where it has none."""
    keys = [""] * GROUP_COLUMNS
    artist = main_artist(entry)
    folded = artist_name(artist) if artist else ""
    if folded:
        keys[ARTIST_COLUMN] = ARTIST_MARK + folded
        album = album_name(artist, entry.album) if entry.album else ""
        keys[ALBUM_COLUMN] = ALBUM_MARK + album if album else ""
    keys[LANGUAGE_COLUMN] = language_key(entry.language) if entry.language else ""
    genres = dict.fromkeys(key for genre in entry.genres if (key := genre_key(genre)))
    keys[FIRST_GENRE:] = [*genres, *[""] * GENRES_KEPT][:GENRES_KEPT]
    return keys


def genre_key(genre: str) -> str:
    """The name of a genre's group: folded as artists are; empty if nothing is left."""
    name = artist_name(genre)
    return GENRE_MARK + name if name else ""


def language_key(language: str) -> str:
    """The name of a language's group: its first subtag, so that `pt` is `pt-BR` too."""
    name = artist_name(language.partition("-")[0])
    return LANGUAGE_MARK + name if name else ""


def _date(released_on: str | None) -> int:
    """YYYYMMDD; what is not said is 0, so that a year alone is the oldest of it."""
    return int(released_on.replace("-", "").ljust(8, "0")) if released_on else 0

"""What feedback does to a listener: statements that hold until they are taken back.

Of one track, and of one artist, the last word counts: it takes the place of what was said before,
and one that is older than what it would replace changes nothing.

A like adds to the row of its artist as a play does, and pairs with the five likes before it as a
play does with those before it in its session. With likes, not with plays: these come by another
topic, and counts must not depend on which topic is ahead. What a like was added to is kept, so that
taking it back subtracts exactly that.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.catalogue import genre_key, language_key
from models.recommend.counting import Sums
from models.recommend.kernels.listener import (
    AT_MS,
    BLOCKED,
    BLOCKED_ARTIST,
    HIDDEN,
    LIKED,
    LIKED_WITH,
    STATEMENT,
    TASTE_ARTIST,
    TASTE_GENRE,
    TASTE_LANGUAGE,
    WEIGHT_UNIT,
    ListenerArrays,
)
from models.recommend.kernels.listening import ONE_SIDED
from models.recommend.kernels.table import add as add_sum
from models.recommend.outgoing import Outbox
from models.recommend.said import add, drop, find, held, oldest
from models.recommend.vocabulary import NO_NAME, Vocabulary
from schemas.artists import artist_name
from schemas.events import Feedback
from schemas.frames import ARTIST_MARK

__all__ = ["Statements", "artist_row", "statements_of", "taste_of"]

_OF_TRACK: Final = (LIKED, BLOCKED, HIDDEN)
_SAYS: Final = {
    "like": LIKED,
    "block_track": BLOCKED,
    "hide": HIDDEN,
    "block_artist": BLOCKED_ARTIST,
}
_TAKES_BACK: Final = {
    "unlike": (LIKED,),
    "unblock_track": (BLOCKED,),
    "unblock_artist": (BLOCKED_ARTIST,),
}
_TASTE: Final = (TASTE_ARTIST, TASTE_GENRE, TASTE_LANGUAGE)


def artist_row(artist: str | None) -> str:
    """The name of the row of an artist; empty if nothing is left of theirs."""
    name = artist_name(artist) if artist else ""
    return ARTIST_MARK + name if name else ""


def taste_of(event: Feedback) -> list[tuple[int, str]]:
    """What a taste names, by kind; each name once, as rows have it."""
    named = [(TASTE_ARTIST, artist_row(name)) for name in event.artists]
    named += [(TASTE_GENRE, genre_key(name)) for name in event.genres]
    named += [(TASTE_LANGUAGE, language_key(name)) for name in event.languages]
    return [(kind, name) for kind, name in dict.fromkeys(named) if name]


def statements_of(event: Feedback) -> int:
    """How many statements it makes, at most; a listener nobody knows is known after one."""
    if event.kind == "taste":
        return len(taste_of(event))
    return int(event.kind in _SAYS)


class Statements:
    """Applies feedback to the arrays of one state; likes go to the sums of pairs of its outbox."""

    def __init__(self, vocabulary: Vocabulary, outbox: Outbox) -> None:
        self.forgotten = 0
        """Statements that gave way to newer ones of their kind, since the start."""
        self._vocabulary, self._outbox = vocabulary, outbox

    def apply(self, arrays: ListenerArrays, slot: int, event: Feedback) -> bool:
        """Let a listener say something; tells whether it changed anything.

        The slot has a row of `said` if anything is noted. O(statements kept), no more than 572.
        """
        if event.kind == "taste":
            return self._taste(arrays, slot, event)
        if event.kind in _SAYS:
            return self._say(arrays, slot, event)
        of_track = event.track_id is not None and event.kind != "unblock_artist"
        name = event.track_id if of_track else artist_row(event.artist)
        kinds = _TAKES_BACK.get(event.kind, _OF_TRACK if of_track else (BLOCKED_ARTIST,))
        at = find(arrays, slot, kinds, self._vocabulary.find(name or ""))
        if at is None or event.at_ms < held(arrays, slot)[0][at, AT_MS]:
            return False
        self._drop(arrays, slot, at)
        return True

    def _say(self, arrays: ListenerArrays, slot: int, event: Feedback) -> bool:
        kind = _SAYS[event.kind]
        of_artist = kind == BLOCKED_ARTIST
        name = artist_row(event.artist) if of_artist else event.track_id
        subject = self._vocabulary.id(name or "")
        at = find(arrays, slot, (BLOCKED_ARTIST,) if of_artist else _OF_TRACK, subject)
        if at is not None:
            key, at_ms = held(arrays, slot)[0][at].tolist()
            again = key >> 32 == kind and (kind != HIDDEN or event.at_ms == at_ms)
            if again or event.at_ms < at_ms:
                return False
            self._drop(arrays, slot, at)
        at = oldest(arrays, slot, kind)
        if at is not None:
            drop(arrays, slot, at)  # a like's addition stays: it was meant
            self.forgotten += 1
        if kind == LIKED:
            liked = self._neighbours(arrays, slot, event.artist)
            _weigh(self._outbox.pairs, subject, liked, 1)
        else:
            liked = None
        add(arrays, slot, (kind, subject, event.at_ms), liked)
        return True

    def sum_given(self, arrays: ListenerArrays, slot: int, given: Sums) -> None:
        """Add up what the likes of a listener that hold gave."""
        said, liked = held(arrays, slot)
        likes = said[said[:, STATEMENT] >> 32 == LIKED, STATEMENT] & 0xFFFFFFFF
        for track, added in zip(likes.tolist(), liked, strict=True):
            _weigh(given, track, added, 1)

    def _taste(self, arrays: ListenerArrays, slot: int, event: Feedback) -> bool:
        """Put what is named in the place of what was named before."""
        said, _ = held(arrays, slot)
        places = np.flatnonzero(np.isin(said[:, STATEMENT] >> 32, _TASTE))
        before, named = said[places].tolist(), taste_of(event)
        if before and event.at_ms < before[0][AT_MS]:
            return False
        new = [kind << 32 | self._vocabulary.id(name) for kind, name in named]
        if [key for key, _ in before] == new:
            return False
        for at in places[::-1].tolist():
            drop(arrays, slot, at)
        for key in new:
            add(arrays, slot, (key >> 32, key & 0xFFFFFFFF, event.at_ms))
        return True

    def _drop(self, arrays: ListenerArrays, slot: int, at: int) -> None:
        _, subject, added = drop(arrays, slot, at)
        if added is not None:
            _weigh(self._outbox.pairs, subject, added, -1)

    def _neighbours(
        self, arrays: ListenerArrays, slot: int, artist: str | None
    ) -> NDArray[np.int32]:
        """What a new like is added to: the artist, and the newest likes."""
        said, _ = held(arrays, slot)
        likes = said[said[:, STATEMENT] >> 32 == LIKED, STATEMENT] & 0xFFFFFFFF
        newest = likes[:-LIKED_WITH:-1]
        added = np.zeros(LIKED_WITH, np.int32)
        added[0] = self._vocabulary.id(artist_row(artist))
        added[1 : 1 + len(newest)] = newest
        return added


def _weigh(pairs: Sums, track: int, added: NDArray[np.int32], sign: int) -> None:
    """Add a like to the rows of what it is added to, or subtract it."""
    pairs.reserve(2 * LIKED_WITH)
    artist, *others = added.tolist()
    if artist != NO_NAME:
        add_sum(pairs.table, artist << 32 | track, ONE_SIDED, sign * WEIGHT_UNIT)
    for distance, other in enumerate(others, start=1):
        if other != NO_NAME:
            amount = sign * (WEIGHT_UNIT // distance)
            add_sum(pairs.table, other << 32 | track, ONE_SIDED, amount)
            add_sum(pairs.table, track << 32 | other, ONE_SIDED, amount)

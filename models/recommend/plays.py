"""What learning reads off plays: hashes and ids, and whether they were broken off early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.recommend.catalogue import Catalogue
from models.recommend.kernels.conduct import FEATURES
from models.recommend.kernels.listener import DUPLICATE, ERASED
from models.recommend.kernels.listening import BROKEN_OFF, NOT_EARLY, SKIPPED_EARLY, PlayColumns
from models.recommend.statements import artist_row
from models.recommend.vocabulary import NO_NAME, Vocabulary
from schemas.events import PlayEvent

__all__ = [
    "EARLY_MS",
    "OUTCOMES",
    "Learned",
    "artist_key",
    "artists_named",
    "event_hashes",
    "hash40",
    "hash64",
    "is_early",
    "play_columns",
]

EARLY_MS: Final = 30_000
"""A skip before this, and before half of the track, says that the track was not wanted."""

_WHOLE: Final = ("finished", "stopped")
_EARLY: Final = {"error": BROKEN_OFF, "skipped": SKIPPED_EARLY}

OUTCOMES: Final = ("applied", "duplicate", "late", "skipped", "held", "erased")
"""What became of an event; `Learned.outcomes` holds positions in this tuple."""

_EVENT_MASK: Final = (1 << 40) - 1


@dataclass(frozen=True, slots=True)
class Learned:
    """What became of a batch: one outcome per event, and whose lists must be written again.

    `touched` holds slots, each once, in order of first touch; they are valid until the next call
    that learns or restores.
    """

    outcomes: NDArray[np.uint8]
    touched: list[int]
    looks: Sequence[float] = ()
    """Scores, from 0 to 1, of the listeners that the forest was shown."""

    def tally(self) -> dict[str, int]:
        """How many events had each outcome that occurred."""
        counts = np.bincount(self.outcomes, minlength=len(OUTCOMES)).tolist()
        return {name: count for name, count in zip(OUTCOMES, counts, strict=True) if count}


def hash64(text: str) -> int:
    """64 bits of BLAKE2b, as a signed number. The same in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


def hash40(event_id: str) -> int:
    """The lower 40 bits of `hash64`: what is kept of an event's id.

    A new id is taken for one of 64 others, and its event lost, once in 17 billion events.
    """
    return hash64(event_id) & _EVENT_MASK


def event_hashes(ids: Sequence[str]) -> NDArray[np.int64]:
    """`hash40` of many ids."""
    digests = [blake2b(name.encode(), digest_size=8).digest() for name in ids]
    return np.frombuffer(b"".join(digests), "<i8") & _EVENT_MASK


def artists_named(columns: PlayColumns) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Tracks that were counted and whom they were played under, in the order of plays."""
    outcome = columns.outcome
    counted = (outcome != DUPLICATE) & (outcome != ERASED) & (columns.held == 0)
    named = counted & (columns.artist != NO_NAME)
    return columns.track[named], columns.artist[named]


def is_early(play: PlayEvent) -> bool:
    """Whether the play says nothing good of the track: an error, or a skip near its start."""
    if play.end_reason == "skipped":
        played_ms, duration_ms = play.played_ms, play.duration_ms
        return played_ms < EARLY_MS and (duration_ms == 0 or 2 * played_ms < duration_ms)
    return play.end_reason == "error"


def artist_key(play: PlayEvent) -> str:
    """The name of the row of a play's artist; empty if it has none."""
    return artist_row(play.artist)


def play_columns(
    plays: Sequence[PlayEvent],
    exempt: Sequence[bool],
    vocabulary: Vocabulary,
    catalogue: Catalogue,
) -> PlayColumns:
    """A batch as arrays, with strings replaced by ids and hashes; to be learned."""
    count = len(plays)
    track = vocabulary.intern([play.track_id for play in plays])
    market = vocabulary.intern([play.market or "" for play in plays])
    artist = vocabulary.intern([*map(artist_key, plays)])
    if len(catalogue):  # what the play says goes before
        artist = np.where(artist, artist, catalogue.artists(track))
    session = [0 if play.session_id is None else hash64(play.session_id) or 1 for play in plays]
    early = [
        _EARLY[play.end_reason] if play.end_reason not in _WHOLE and is_early(play) else NOT_EARLY
        for play in plays
    ]
    return PlayColumns(
        slot=np.empty(count, np.int32),
        track=track,
        track_hash=vocabulary.hash32[track].astype(np.uint16),
        artist=artist,
        album=catalogue.albums(track),
        event=event_hashes([play.event_id for play in plays]),
        session=np.array(session, np.int64),
        started_ms=np.array([play.started_at_ms for play in plays], np.int64),
        market=market,
        early=np.array(early, np.uint8),
        exempt=np.array(exempt, np.uint8) if exempt else np.zeros(count, np.uint8),
        played_ms=np.array([play.played_ms for play in plays], np.int64),
        duration_ms=np.array([play.duration_ms for play in plays], np.int64),
        outcome=np.empty(count, np.uint8),
        held=np.zeros(count, np.uint8),
        touched=np.empty(count, np.int32),
        sampled=np.empty(count, np.int32),
        features=np.empty((count, FEATURES)),
    )

"""What a track sounds like: its nearest tracks by sound, on the compacted topic `audio-neighbours`.

Whoever compares recordings writes it, a network of fingerprints or a service's own. A record is
whole: a later one of the same track replaces it, an empty value deletes it. Every worker reads all
of them before it joins its group. One that cannot be read is counted, logged and skipped, and what
was said of the track before stays.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final

from msgspec import Meta, Struct

from schemas.codec import EventDecoder, Rejected
from schemas.events import ID_BYTES_MAX, Id

__all__ = ["NEIGHBOURS_MAX", "AudioDecoder", "AudioNeighbour", "AudioNeighbours"]

NEIGHBOURS_MAX: Final = 20


class AudioNeighbour(Struct, frozen=True, gc=False):
    """A track that sounds like another."""

    track_id: Annotated[Id, Meta(description="The track.")]
    similarity: Annotated[
        float, Meta(gt=0, le=1, description="How alike they sound; 1 for the same recording.")
    ]


class AudioNeighbours(Struct, frozen=True, gc=False):
    """The nearest tracks of a track by sound. Key of the Kafka message: `track_id`.

    Neighbours are other tracks, each named once, the most similar first.
    """

    track_id: Annotated[Id, Meta(description="The track; also the key of the message.")]
    neighbours: Annotated[
        tuple[AudioNeighbour, ...],
        Meta(
            min_length=1,
            max_length=NEIGHBOURS_MAX,
            description="What it sounds like, the most similar first.",
        ),
    ]


class AudioDecoder:
    """Decodes records of `audio-neighbours`. Built once, used for every record, by one thread."""

    def __init__(self, message_bytes_max: int = 1_000_000) -> None:
        self._decode = EventDecoder(AudioNeighbours, message_bytes_max).decode

    def decode(self, key: bytes, value: bytes) -> AudioNeighbours | Rejected:
        """The neighbours of a track, or why they are rejected. Never raises."""
        found = self._decode(value)
        if isinstance(found, Rejected):
            return found
        if len(found) != 1:
            return Rejected("wrong_type", "a record holds the neighbours of one track")
        if found[0].track_id.encode() != key:
            return Rejected("wrong_key", f"the value is of {found[0].track_id[:ID_BYTES_MAX]}")
        fault = _fault(found[0])
        return Rejected("out_of_range", f"neighbours: {fault}") if fault else found[0]


def _fault(found: AudioNeighbours) -> str:
    """What is wrong with the neighbours, empty if nothing is."""
    named = {neighbour.track_id for neighbour in found.neighbours}
    if found.track_id in named:
        return "the track itself is among them"
    if len(named) < len(found.neighbours):
        return "a track is named twice"
    ordered = all(a.similarity >= b.similarity for a, b in pairwise(found.neighbours))
    return "" if ordered else "not the most similar first"

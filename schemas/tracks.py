"""What a service says of a track: an entry of its catalogue, on the compacted topic `tracks`.

An entry is whole: a later one of the same track replaces it, an empty value deletes it. Every
worker reads all of them before it joins its group. One that cannot be read is counted, logged and
skipped, and what was said of the track before stays.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from schemas.codec import EventDecoder, Rejected
from schemas.events import ID_BYTES_MAX, LENGTH_MS_MAX, Id, Text

__all__ = [
    "GENRES_MAX",
    "CatalogueEntry",
    "Credit",
    "CreditRole",
    "EntryDecoder",
    "main_artist",
]

CREDITS_MAX: Final = 64
GENRES_MAX: Final = 16
ALIASES_MAX: Final = 64
_LANGUAGE: Final = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
_DATE: Final = "^[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$"
_ISRC: Final = "^[A-Z]{2}[A-Z0-9]{3}[0-9]{7}$"

CreditRole = Literal["main", "featured", "remixer", "performer", "composer", "producer"]
Name = Annotated[str, Meta(min_length=1, max_length=256)]


class Credit(Struct, frozen=True, gc=False, omit_defaults=True):
    """Somebody who made a track."""

    name: Annotated[Name, Meta(description="The name as it is shown.")]
    role: Annotated[CreditRole, Meta(description="What they did.")] = "main"


class CatalogueEntry(Struct, frozen=True, gc=False, omit_defaults=True):
    """A track of the catalogue. Key of the Kafka message: `track_id`.

    The main artist is the first of `artists` with the role `main`, else the first.
    """

    track_id: Annotated[Id, Meta(description="The track; also the key of the message.")]
    title: Annotated[Text, Meta(description="Title of the track.")]
    artists: Annotated[
        tuple[Credit, ...],
        Meta(max_length=CREDITS_MAX, description="Who made it, the most important first."),
    ] = ()
    album: Annotated[Text | None, Meta(description="Title of the album.")] = None
    work_id: Annotated[
        Id | None, Meta(description="The work that it is a recording of; covers share it.")
    ] = None
    isrc: Annotated[
        Annotated[str, Meta(pattern=_ISRC)] | None,
        Meta(description="The recording's ISRC, without hyphens."),
    ] = None
    duration_ms: Annotated[
        Annotated[int, Meta(ge=0, le=LENGTH_MS_MAX)],
        Meta(description="The track's length, ms; 0 if unknown."),
    ] = 0
    released_on: Annotated[
        Annotated[str, Meta(pattern=_DATE)] | None,
        Meta(description="When it came out: YYYY, YYYY-MM or YYYY-MM-DD."),
    ] = None
    genres: Annotated[
        tuple[Name, ...], Meta(max_length=GENRES_MAX, description="Its genres, the first first.")
    ] = ()
    language: Annotated[
        Annotated[str, Meta(pattern=_LANGUAGE)] | None,
        Meta(description="Language of what is sung, as BCP 47 says, for example `pt-BR`."),
    ] = None
    aliases: Annotated[
        tuple[Name, ...], Meta(max_length=ALIASES_MAX, description="Other titles it is known by.")
    ] = ()


def main_artist(entry: CatalogueEntry) -> str:
    """The name of the main artist; empty if nobody is named.

    >>> main_artist(CatalogueEntry("t", "T", (Credit("Ann", "composer"), Credit("Bo"))))
    'Bo'
    """
    main = (credit.name for credit in entry.artists if credit.role == "main")
    return next(main, entry.artists[0].name if entry.artists else "")


class EntryDecoder:
    """Decodes records of the topic `tracks`. Built once, used for every record, by one thread."""

    def __init__(self, message_bytes_max: int = 1_000_000) -> None:
        self._decode = EventDecoder(CatalogueEntry, message_bytes_max).decode

    def decode(self, key: bytes, value: bytes) -> CatalogueEntry | Rejected:
        """The entry, or why it is rejected. Never raises."""
        found = self._decode(value)
        if isinstance(found, Rejected):
            return found
        if len(found) != 1:
            return Rejected("wrong_type", "a record holds one entry")
        if found[0].track_id.encode() != key:
            return Rejected("wrong_key", f"the value is of {found[0].track_id[:ID_BYTES_MAX]}")
        return found[0]

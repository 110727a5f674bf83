"""What producers may say: the events on the input topics.

Structs are frozen and checked while they are decoded (`schemas.codec`). A message holds one event
or an array of them. Unknown fields are ignored, so a producer may be newer than we are; a new field
of ours gets a default, so a producer may be older.

Constraints that msgspec cannot state are checked by the codec: an id is bounded in characters here
and in bytes there (256 of UTF-8), and holds no control characters.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from schemas.artists import artist_name

__all__ = [
    "ID_BYTES_MAX",
    "LENGTH_MS_MAX",
    "MISSING_SUBJECT",
    "TASTE_NAMES_MAX",
    "TEXT_CHARACTERS_MAX",
    "TIME_MS_MAX",
    "TIME_MS_MIN",
    "EndReason",
    "Feedback",
    "FeedbackKind",
    "Id",
    "LengthMs",
    "Market",
    "Names",
    "PlayEvent",
    "PrivacyKind",
    "PrivacyRequest",
    "Text",
    "TimeMs",
]

ID_BYTES_MAX: Final = 256
TEXT_CHARACTERS_MAX: Final = 1024
TIME_MS_MIN: Final = 946_684_800_000  # 2000-01-01T00:00:00Z
TIME_MS_MAX: Final = 4_102_444_800_000  # 2100-01-01T00:00:00Z
LENGTH_MS_MAX: Final = 86_400_000  # a day
TASTE_NAMES_MAX: Final = 20

Id = Annotated[str, Meta(min_length=1, max_length=ID_BYTES_MAX)]
Text = Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)]
TimeMs = Annotated[int, Meta(ge=TIME_MS_MIN, le=TIME_MS_MAX)]
LengthMs = Annotated[int, Meta(ge=0, le=LENGTH_MS_MAX)]
# The letters are checked by the codec: a pattern here costs a regular expression per play.
Market = Annotated[
    str,
    Meta(min_length=2, max_length=8, extra_json_schema={"pattern": "^[A-Za-z0-9-]{2,8}$"}),
]

Names = Annotated[tuple[Text, ...], Meta(max_length=TASTE_NAMES_MAX)]

EndReason = Literal["finished", "skipped", "stopped", "error"]
FeedbackKind = Literal[
    "block_track",
    "unblock_track",
    "block_artist",
    "unblock_artist",
    "like",
    "unlike",
    "hide",
    "undo",
    "taste",
]
PrivacyKind = Literal["erase", "export"]
MISSING_SUBJECT: Final = "no subject"
"""How the message of the error begins; the codec calls it a missing field."""
_OF_ARTIST: Final = ("block_artist", "unblock_artist")


class PlayEvent(Struct, frozen=True, gc=False, omit_defaults=True):
    """A listener played a track, for however long. Sent once, when the play ended.

    Key of the Kafka message: `user_id`. An event sent twice with the same `event_id` counts once
    as long as it is among the last ids of its listener.
    """

    event_id: Annotated[Id, Meta(description="Unique per play; a repeated id counts once.")]
    user_id: Annotated[Id, Meta(description="The listener; also the key of the message.")]
    track_id: Annotated[Id, Meta(description="The track.")]
    started_at_ms: Annotated[TimeMs, Meta(description="When the play began, ms since 1970 UTC.")]
    played_ms: Annotated[LengthMs, Meta(description="How long it was heard, ms.")]
    duration_ms: Annotated[LengthMs, Meta(description="The track's length, ms; 0 if unknown.")]
    end_reason: Annotated[EndReason, Meta(description="Why the play ended.")]
    session_id: Annotated[
        Id | None, Meta(description="The app's listening session; without it, gaps decide.")
    ] = None
    artist: Annotated[Text | None, Meta(description="Name of the main artist.")] = None
    title: Annotated[Text | None, Meta(description="Title of the track.")] = None
    context: Annotated[
        Text | None, Meta(description="Where it was played from, for example `playlist:42`.")
    ] = None
    market: Annotated[
        Market | None,
        Meta(description="Country or region; trends are kept per market and for `world`."),
    ] = None
    device: Annotated[Text | None, Meta(description="Kind or model of the device.")] = None


class Feedback(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A listener said something: of a track, of an artist, or what they like to hear.

    Key of the Kafka message: `user_id`. Saying the same again changes nothing. Of one track, and of
    one artist, the last word counts: it takes the place of what was said before.

    `like`, `hide` (for 30 days) and `block_track` are about `track_id`, `block_artist` about
    `artist`; `unlike`, `unblock_track` and `unblock_artist` take that back, `undo` whatever was
    said last of the track or the artist. `taste` names what a newcomer likes, in place of what
    they named before. Raises ValueError, when built too, if the subject is missing.
    """

    event_id: Annotated[Id, Meta(description="Unique per statement.")]
    user_id: Annotated[Id, Meta(description="The listener; also the key of the message.")]
    kind: Annotated[FeedbackKind, Meta(description="What was said.")]
    track_id: Annotated[Id | None, Meta(description="The track it is about.")] = None
    at_ms: Annotated[TimeMs, Meta(description="When it was said, ms since 1970 UTC.")]
    artist: Annotated[
        Text | None,
        Meta(description="The artist it is about; with `like`, the main artist of the track."),
    ] = None
    artists: Annotated[Names, Meta(description="`taste`: artists, the dearest first.")] = ()
    genres: Annotated[Names, Meta(description="`taste`: genres.")] = ()
    languages: Annotated[Names, Meta(description="`taste`: languages of lyrics.")] = ()

    def __post_init__(self) -> None:
        """Raise ValueError if what the statement is about is missing."""
        if self.kind == "taste":
            return
        if self.kind == "undo" and self.track_id is None:
            needed = "track_id or artist"
        else:
            needed = "artist" if self.kind in _OF_ARTIST else "track_id"
        if needed == "track_id":
            missing = self.track_id is None
        else:
            missing = not artist_name(self.artist or "")
        if missing:
            raise ValueError(f"{MISSING_SUBJECT}: `{self.kind}` needs {needed}")


class PrivacyRequest(Struct, frozen=True, gc=False):
    """A listener asks to be forgotten, or for what is kept of them.

    Key of the Kafka message: `user_id`. Erasing twice is the same as erasing once; what happened
    before `at_ms` is refused from then on, whenever it arrives. An export is answered on the topic
    `privacy-exports`.
    """

    event_id: Annotated[Id, Meta(description="Unique per request; the answer names it.")]
    user_id: Annotated[Id, Meta(description="The listener; also the key of the message.")]
    kind: Annotated[PrivacyKind, Meta(description="What is asked for.")]
    at_ms: Annotated[TimeMs, Meta(description="When it was asked for, ms since 1970 UTC.")]

"""What an app shows of a list, and what its listener does with it: the events of `impressions`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from schemas.events import Id, TimeMs
from schemas.outputs import ListKind, Version

__all__ = ["ENTRIES_MAX", "Action", "Impression", "ShownEntry"]

ENTRIES_MAX: Final = 100  # as long as a list can be

Action = Literal["seen", "tapped", "dismissed"]
Probability = Annotated[float, Meta(ge=0, le=1)]
Word = Annotated[str, Meta(max_length=64)]


class ShownEntry(Struct, frozen=True, gc=False, omit_defaults=True):
    """One entry of a list that was on a screen, and the most that its listener did with it."""

    track_id: Annotated[Id, Meta(description="The track.")]
    place: Annotated[int, Meta(ge=0, lt=ENTRIES_MAX, description="Its place, from 0.")]
    action: Annotated[
        Action, Meta(description="`tapped`: taken up. `dismissed`: sent away; hides the track.")
    ]
    source: Annotated[Word | None, Meta(description="Its source, as it stands in the list.")] = None
    propensity: Annotated[
        Probability | None,
        Meta(description="Of an explored entry: the propensity that its list names."),
    ] = None


class Impression(Struct, frozen=True, gc=False, omit_defaults=True):
    """A listener saw entries of a list. Sent once, when the list leaves the screen.

    Key of the Kafka message: `user_id`. What the list itself says (its version, its arm, the source
    of each entry) is echoed: by the time this arrives another list may stand in its place.
    """

    event_id: Annotated[Id, Meta(description="Unique per impression; a repeated id counts once.")]
    user_id: Annotated[Id, Meta(description="The listener; also the key of the message.")]
    kind: Annotated[ListKind, Meta(description="Which list was shown.")]
    version: Annotated[Version, Meta(description="The version of that list.")]
    at_ms: Annotated[TimeMs, Meta(description="When it was shown, ms since 1970 UTC.")]
    entries: Annotated[
        tuple[ShownEntry, ...],
        Meta(min_length=1, max_length=ENTRIES_MAX, description="What was on the screen."),
    ]
    arm: Annotated[
        Word | None, Meta(description="The arm of that list; else the listener's arm now.")
    ] = None

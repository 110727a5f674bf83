"""What is kept of a listener, in the words of the contract."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from models.recommend.kernels.listener import (
    BLOCKED,
    BLOCKED_ARTIST,
    HIDDEN,
    LIKED,
    TASTE_ARTIST,
    TASTE_GENRE,
    TASTE_LANGUAGE,
)
from models.recommend.listener_memory import ListenerSnapshot
from schemas.events import PrivacyRequest
from schemas.frames import ARTIST_MARK, MARKS
from schemas.privacy import ListenerExport

__all__ = ["export_of"]

_HASH_MASK: Final = (1 << 64) - 1
_SAID: Final = {
    LIKED: "like",
    BLOCKED: "block_track",
    HIDDEN: "hide",
    BLOCKED_ARTIST: "block_artist",
    TASTE_ARTIST: "taste_artist",
    TASTE_GENRE: "taste_genre",
    TASTE_LANGUAGE: "taste_language",
}


def export_of(
    request: PrivacyRequest, kept: ListenerSnapshot | None, *, at_ms: int
) -> ListenerExport:
    """The answer to a request, with every field of the snapshot."""
    event, user = request.event_id, request.user_id
    if kept is None:
        return ListenerExport(event_id=event, user_id=user, at_ms=at_ms, known=False)
    fields = asdict(kept) | {
        "artists": [artist.removeprefix(ARTIST_MARK) for artist in kept.artists],
        "session": _hex(kept.session),
        "events": [_hex(hashed) for hashed in kept.events],
        "conduct": [*asdict(kept.conduct).values()],
        "suspected": [*kept.conduct.reasons],
        "said": [_SAID[said.kind] for said in kept.said],
        "said_of": [said.subject.lstrip(MARKS) for said in kept.said],
        "said_ms": [said.at_ms for said in kept.said],
        "liked_with": [name.removeprefix(ARTIST_MARK) for said in kept.said for name in said.liked],
        "passed": [passed.track for passed in kept.passed],
        "passed_after": [passed.after for passed in kept.passed],
        "passed_context": [passed.context for passed in kept.passed],
    }
    return ListenerExport(event_id=event, user_id=user, at_ms=at_ms, known=True, **fields)


def _hex(hashed: int) -> str:
    """A hash as text: not every program reads numbers of 64 bits exactly."""
    return f"{hashed & _HASH_MASK:x}"

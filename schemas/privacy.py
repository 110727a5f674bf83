"""The answer to an export: everything that is kept of one listener, as JSON."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, field

__all__ = ["ListenerExport", "decode_export", "encode_export"]


class ListenerExport(Struct, frozen=True, gc=False):
    """What is kept of a listener. Newest first where order matters.

    `known` is false where nothing is: never played, forgotten, or erased. Lists are not in it: they
    follow from this and from what others play, and `segue next USER` shows them.
    """

    event_id: Annotated[str, Meta(description="The request that this answers.")]
    user_id: Annotated[str, Meta(description="The listener.")]
    at_ms: Annotated[int, Meta(description="When it was answered, ms since 1970 UTC.")]
    known: Annotated[bool, Meta(description="Whether anything is kept of the listener.")]
    plays: Annotated[int, Meta(ge=0, description="How many plays were counted.")] = 0
    newest_ms: Annotated[
        int, Meta(description="When the newest play began that was not late, ms since 1970 UTC.")
    ] = 0
    last_ms: Annotated[
        int, Meta(description="When the play applied last began, ms since 1970 UTC.")
    ] = 0
    market: Annotated[str, Meta(description="The market of the last play that named one.")] = ""
    last_track: Annotated[str, Meta(description="The track played last.")] = ""
    session: Annotated[str, Meta(description="Hash of the listening session's id; 0: none.")] = "0"
    context: Annotated[list[str], Meta(description="The last tracks of the session.")] = field(
        default_factory=list
    )
    recent: Annotated[list[str], Meta(description="The last tracks played.")] = field(
        default_factory=list
    )
    artists: Annotated[
        list[str], Meta(description="The artist of each of `recent`; empty if none was named.")
    ] = field(default_factory=list)
    begins: Annotated[
        list[int], Meta(description="Of each of `recent`, 1 if a session began with it.")
    ] = field(default_factory=list)
    held_back: Annotated[
        list[int], Meta(description="Of each of `recent`, 1 if nobody else gets to know of it.")
    ] = field(default_factory=list)
    passed: Annotated[
        list[str], Meta(description="The last tracks skipped early or heard of late.")
    ] = field(default_factory=list)
    passed_after: Annotated[
        list[int], Meta(description="Of each of `passed`, how many plays of `recent` came after.")
    ] = field(default_factory=list)
    passed_context: Annotated[
        list[int], Meta(description="Of each of `passed`, how many tracks it was skipped after.")
    ] = field(default_factory=list)
    heard: Annotated[
        list[int], Meta(description="The last distinct tracks heard, as hashes of their ids.")
    ] = field(default_factory=list)
    events: Annotated[
        list[str], Meta(description="The last events seen, as hashes of their ids.")
    ] = field(default_factory=list)
    said: Annotated[
        list[str], Meta(description="What was said and holds, oldest first: `like`, `hide` …")
    ] = field(default_factory=list)
    said_of: Annotated[
        list[str], Meta(description="Of each of `said`, the track, artist, genre or language.")
    ] = field(default_factory=list)
    said_ms: Annotated[
        list[int], Meta(description="Of each of `said`, when, ms since 1970 UTC.")
    ] = field(default_factory=list)
    liked_with: Annotated[
        list[str],
        Meta(description="Six for each like: its artist and the five likes before it, or empty."),
    ] = field(default_factory=list)
    conduct: Annotated[
        list[int],
        Meta(description="Numbers on how they listen, by which bots, farms and loops are found."),
    ] = field(default_factory=list)
    suspected: Annotated[
        list[str], Meta(description="Why their plays are kept out of what others get, if they are.")
    ] = field(default_factory=list)
    erased_ms: Annotated[
        int, Meta(description="What happened until then is refused; 0 if never erased.")
    ] = 0


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(ListenerExport)


def encode_export(export: ListenerExport) -> bytes:
    """JSON of an export."""
    return _ENCODER.encode(export)


def decode_export(raw: bytes) -> ListenerExport:
    """Read an export back. Raises msgspec.DecodeError, a ValueError, on anything else."""
    return _DECODER.decode(raw)

"""What the catalogue says of tracks, in arrays: the groups of each, and the newest of each group.

A group is all tracks of one artist, of one album, in one language or of one genre. Its name is an
id of the vocabulary. Slots of tracks and places of groups begin with 1: what is at 0 is nothing, so
that an unknown track is in no group, and an unknown group is empty, without a question.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommend.kernels.compiling import kernel
from models.recommend.kernels.ring import NEWER, link_newest, unlink

__all__ = [
    "ALBUM_COLUMN",
    "ARTIST_COLUMN",
    "EVICTED",
    "FIRST_GENRE",
    "GENRES_KEPT",
    "GROUP_COLUMNS",
    "GROUP_TRACKS",
    "LANGUAGE_COLUMN",
    "TRACKS",
    "Content",
    "EntryArrays",
    "drop_entries",
    "is_known",
    "new_content",
    "put_entries",
]

GROUP_TRACKS: Final = 32
"""Tracks kept of a group: the newest."""
GENRES_KEPT: Final = 4
FEW_GROUPS: Final = 4_096
"""Languages and genres; artists and albums are at most as many as tracks. More find no room: they
stay empty until others are."""

# Columns of Content.groups.
ARTIST_COLUMN: Final = 0
ALBUM_COLUMN: Final = 1
LANGUAGE_COLUMN: Final = 2
FIRST_GENRE: Final = 3
GROUP_COLUMNS: Final = FIRST_GENRE + GENRES_KEPT

# Entries of EntryArrays.counters.
TRACKS: Final = 0
_SLOTS_USED: Final = 1  # slots ever taken
_SLOTS_FREE: Final = 2  # of them, on the stack
_PLACES_USED: Final = 3
_PLACES_FREE: Final = 4
EVICTED: Final = 5  # tracks that gave way to others
_COUNTERS: Final = 6


class Content(NamedTuple):
    """What kernels look at."""

    slot_of: NDArray[np.int32]  # by id of a track
    groups: NDArray[np.int32]  # by slot and column: the name of a group, or 0
    place_of: NDArray[np.int32]  # by name of a group
    members: NDArray[np.int32]  # by place: tracks, the newest first, equal ones by hash
    sizes: NDArray[np.int32]


class EntryArrays(NamedTuple):
    """The same, and what it takes to change it."""

    content: Content
    track: NDArray[np.int32]  # by slot
    released: NDArray[np.int32]  # by slot: YYYYMMDD, 0 if unknown
    name: NDArray[np.int32]  # by place
    links: NDArray[np.int32]  # of slots, by when they were put
    free_slots: NDArray[np.int32]
    free_places: NDArray[np.int32]
    counters: NDArray[np.int64]


def new_content(tracks_max: int) -> EntryArrays:
    """No entries. Memory that nobody wrote takes no room."""
    slots, places = tracks_max + 1, 2 * tracks_max + FEW_GROUPS + 1
    content = Content(
        np.zeros(1, np.int32),
        np.zeros((slots, GROUP_COLUMNS), np.int32),
        np.zeros(1, np.int32),
        np.zeros((places, GROUP_TRACKS), np.int32),
        np.zeros(places, np.int32),
    )
    return EntryArrays(
        content=content,
        track=np.zeros(slots, np.int32),
        released=np.zeros(slots, np.int32),
        name=np.zeros(places, np.int32),
        links=np.zeros((slots + 1, 2), np.int32),
        free_slots=np.zeros(slots, np.int32),
        free_places=np.zeros(places, np.int32),
        counters=np.zeros(_COUNTERS, np.int64),
    )


@kernel
def is_known(content: Content) -> bool:
    """Whether there is a catalogue. Without one its arrays are not as long as the vocabulary."""
    return len(content.slot_of) > 1


@kernel
def _leave(entries: EntryArrays, slot: int) -> None:
    """Take a track out of its groups. A group without tracks is no more."""
    content, track = entries.content, entries.track[slot]
    for column in range(GROUP_COLUMNS):
        name = content.groups[slot, column]
        place = content.place_of[name]
        content.groups[slot, column] = 0
        if place == 0:
            continue
        members, size = content.members[place], content.sizes[place]
        at = 0
        while at < size and members[at] != track:
            at += 1
        if at == size:  # older than those that are kept
            continue
        for i in range(at, size - 1):
            members[i] = members[i + 1]
        content.sizes[place] = size - 1
        if size == 1:
            content.place_of[name] = 0
            entries.free_places[entries.counters[_PLACES_FREE]] = place
            entries.counters[_PLACES_FREE] += 1


@kernel
def _place(entries: EntryArrays, name: int) -> int:
    """The place of a group, a new one if needed; 0 if there is no room."""
    content, counters = entries.content, entries.counters
    place = content.place_of[name]
    if place != 0:
        return int(place)
    if counters[_PLACES_FREE] > 0:
        counters[_PLACES_FREE] -= 1
        place = entries.free_places[counters[_PLACES_FREE]]
    elif counters[_PLACES_USED] + 1 < len(content.sizes):
        counters[_PLACES_USED] += 1
        place = counters[_PLACES_USED]
    else:
        return 0
    content.place_of[name] = place
    content.sizes[place] = 0
    entries.name[place] = name
    return int(place)


@kernel
def _join(entries: EntryArrays, slot: int, name: int, hashes: NDArray[np.uint32]) -> None:
    """Put a track into a group where its date belongs, unless all that are kept are newer."""
    content, released, track = entries.content, entries.released, entries.track[slot]
    place = _place(entries, name)
    if place == 0:
        return
    members, size, date = content.members[place], int(content.sizes[place]), released[slot]
    at = size
    while at > 0:
        other = released[content.slot_of[members[at - 1]]]
        if other > date or (other == date and hashes[members[at - 1]] < hashes[track]):
            break
        at -= 1
    if at == GROUP_TRACKS:
        return
    size = min(size + 1, GROUP_TRACKS)
    for i in range(size - 1, at, -1):
        members[i] = members[i - 1]
    members[at] = track
    content.sizes[place] = size


@kernel
def _drop(entries: EntryArrays, slot: int) -> None:
    _leave(entries, slot)
    unlink(entries.links, slot)
    entries.content.slot_of[entries.track[slot]] = 0
    entries.track[slot] = 0
    entries.counters[TRACKS] -= 1
    entries.free_slots[entries.counters[_SLOTS_FREE]] = slot
    entries.counters[_SLOTS_FREE] += 1


@kernel
def _admit(entries: EntryArrays, track: int) -> int:
    """A slot for a track; if all are taken, that of the one that was put longest ago."""
    counters = entries.counters
    if counters[_SLOTS_FREE] == 0 and counters[_SLOTS_USED] + 1 == len(entries.track):
        _drop(entries, entries.links[0, NEWER] - 1)
        counters[EVICTED] += 1
    if counters[_SLOTS_FREE] > 0:
        counters[_SLOTS_FREE] -= 1
        slot = entries.free_slots[counters[_SLOTS_FREE]]
    else:
        counters[_SLOTS_USED] += 1
        slot = counters[_SLOTS_USED]
    counters[TRACKS] += 1
    entries.track[slot] = track
    entries.content.slot_of[track] = slot
    return int(slot)


@kernel
def put_entries(
    entries: EntryArrays,
    tracks: NDArray[np.int32],
    groups: NDArray[np.int32],
    released: NDArray[np.int32],
    hashes: NDArray[np.uint32],
    new: NDArray[np.uint8],
) -> None:
    """Set entries, in order, and 1 in `new` where a track is. Names in a row are distinct."""
    for i in range(len(tracks)):
        slot = int(entries.content.slot_of[tracks[i]])
        if slot == 0:
            new[i] = 1
            slot = _admit(entries, int(tracks[i]))
        else:
            _leave(entries, slot)
        link_newest(entries.links, slot)
        entries.released[slot] = released[i]
        for column in range(GROUP_COLUMNS):
            name = int(groups[i, column])
            entries.content.groups[slot, column] = name
            if name != 0:
                _join(entries, slot, name, hashes)


@kernel
def drop_entries(entries: EntryArrays, tracks: NDArray[np.int32]) -> None:
    """Forget tracks; those that are not known are none."""
    for i in range(len(tracks)):
        slot = int(entries.content.slot_of[tracks[i]])
        if slot != 0:
            _drop(entries, slot)

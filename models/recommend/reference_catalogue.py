"""The catalogue in plain Python: what the compiled one is tested against."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from models.recommend.catalogue import group_keys
from models.recommend.vocabulary import hash32
from schemas.tracks import CatalogueEntry

__all__ = ["ReferenceCatalogue"]

GROUP_TRACKS = 32


class ReferenceCatalogue:
    """Every entry is kept whole, and groups are made when they are asked for."""

    def __init__(self, entries: Iterable[CatalogueEntry] = (), tracks_max: int = 1_000_000) -> None:
        self.entries: OrderedDict[str, CatalogueEntry] = OrderedDict()
        self.evictions = 0
        self._tracks_max = tracks_max
        for entry in entries:
            self.put(entry)

    def put(self, entry: CatalogueEntry) -> None:
        """Set an entry; a new one of a full catalogue costs the one put longest ago its place."""
        if entry.track_id not in self.entries and len(self.entries) == self._tracks_max:
            self.entries.popitem(last=False)
            self.evictions += 1
        self.entries[entry.track_id] = entry
        self.entries.move_to_end(entry.track_id)

    def delete(self, track_id: str) -> None:
        """Forget a track."""
        self.entries.pop(track_id, None)

    def artist(self, track_id: str) -> str:
        """The name of a track's artist's row, empty if unknown."""
        return self.groups(track_id)[0]

    def album(self, track_id: str) -> str:
        """The name of a track's album's row, empty if unknown."""
        return self.groups(track_id)[1]

    def newest(self, group: str) -> list[str]:
        """The newest tracks of a group."""
        tracks = [t for t in self.entries if group in self.groups(t)] if group else []
        return sorted(tracks, key=lambda t: (-self._date(t), hash32(t)))[:GROUP_TRACKS]

    def groups(self, track_id: str) -> list[str]:
        """The names of a track's artist, album, language and genres, empty where it has none."""
        entry = self.entries.get(track_id)
        return ["", ""] if entry is None else group_keys(entry)

    def _date(self, track_id: str) -> int:
        parts = [*(self.entries[track_id].released_on or "0").split("-"), "0", "0"]
        return 10_000 * int(parts[0]) + 100 * int(parts[1]) + int(parts[2])

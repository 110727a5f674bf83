"""The catalogue: every worker reads the topic `tracks` whole and keeps what lists need of it."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from agents.deps import Deps
from agents.entries import apply_entries
from models.recommend.catalogue import Catalogue
from schemas.registry import TRACKS
from schemas.tracks import CatalogueEntry, EntryDecoder
from segue.telemetry import metrics
from streams.app import SegueApp
from streams.broadcast import Bad, BroadcastReader

__all__ = ["FreshArtists", "register"]

FRESH_MAX = 1_000

_HELD = metrics.STATE.labels("catalogue")
_EVICTIONS = metrics.EVICTIONS.labels("catalogue")


class FreshArtists:
    """The artists that have a new track, for each partition to refresh lists once.

    At most the last 1,000: of more, lists are as fresh as their listener's next play.
    """

    def __init__(self) -> None:
        self._newest: deque[int] = deque(maxlen=FRESH_MAX)
        self._noted = 0
        self._seen: dict[int, int] = {}

    def note(self, artists: Iterable[int]) -> None:
        """Note artists, as ids of the vocabulary."""
        before = list(artists)
        self._newest.extend(before)
        self._noted += len(before)

    def take(self, partition: int) -> list[int]:
        """Return those noted since the partition asked last."""
        behind = self._noted - self._seen.get(partition, 0)
        self._seen[partition] = self._noted
        return list(islice(reversed(self._newest), behind))


def register(app: SegueApp, deps: Deps, catalogue: Catalogue, fresh: FreshArtists) -> None:
    """Register the reader of `tracks`. An entry may come again: it is the same then."""
    settings = deps.settings
    decode = EntryDecoder(settings.message_bytes_max).decode

    def put(entries: Sequence[CatalogueEntry]) -> None:
        artists = catalogue.put(entries)
        if reader.is_complete:  # what was there before is nobody's news
            fresh.note(artists.tolist())

    def apply(keys: Sequence[bytes], values: Sequence[bytes | None]) -> list[Bad]:
        before = catalogue.evictions
        bad = apply_entries((keys, values), decode=decode, put=put, delete=catalogue.delete)
        _HELD.set(len(catalogue))
        _EVICTIONS.inc(catalogue.evictions - before)
        return bad

    topic = TRACKS.topic(settings.topic_prefix)
    reader = BroadcastReader(settings, topic, apply, health=deps.health, priority=app.priority)
    app.readers.append(reader)

"""Fill an index with prints of files: those that are new or changed since the last time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from segue.cli.abreast import in_order
from segue.cli.matching import Printed, Prints, Source
from segue.cli.recordings import Recording, shown
from segue.cli.sounding import SoundProgress

if TYPE_CHECKING:
    from models.match.index import MatchIndex
    from models.match.twins import Twin

__all__ = ["Filled", "Filling", "merged", "noted", "sources_of"]

_SOURCES: Final = "sources"  # of the note of an index
_SAVED_EVERY_S: Final = 300.0


@dataclass(slots=True)
class Filled:
    """What became of the files."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    seconds: float = 0.0
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Files and why they are not in the index."""
    twins: list[Twin] = field(default_factory=list)


def sources_of(note: Mapping[str, str]) -> dict[str, Source]:
    """The files that references were made of, by reference, from the note of an index."""
    held = note.get(_SOURCES)
    return msgspec.json.decode(held, type=dict[str, Source]) if held else {}


def noted(sources: Mapping[str, Source]) -> dict[str, str]:
    """The note of an index whose references were made of these files."""
    return {_SOURCES: msgspec.json.encode(sources, order="deterministic").decode()}


class Filling:
    """Adds files to an index, and saves it every five minutes if it has a place."""

    def __init__(self, index: MatchIndex, *, twins: bool, into: Path | None) -> None:
        self.index, self.filled = index, Filled()
        self.sources = sources_of(index.note)
        self.passed_s = 0.0
        self._twins, self._into, self._saved_s = twins, into, 0.0

    def fill(
        self, recordings: Sequence[Recording], *, workers: int, title: str = "references"
    ) -> None:
        """Add them in their order, in which of several with one name the first counts."""
        distinct = self._distinct(recordings)
        known = {name: held for name, held in self.sources.items() if name in self.index}
        asked = [(each, known.get(each.reference)) for each in distinct]
        workers = min(workers, max(1, len(asked)))
        with SoundProgress(title, len(asked)) as progress:
            for each in self._printed(asked, workers, progress):
                self._take(each)
                progress.done(each.seconds)
                if progress.passed_s - self._saved_s > _SAVED_EVERY_S:
                    self._saved_s = progress.passed_s
                    self.save()
            self.passed_s = progress.passed_s

    def remove_missing(self, recordings: Iterable[Recording]) -> None:
        """Forget references that no file has the name of any more."""
        there = {each.reference for each in recordings}
        gone = [name for name in self.index if name not in there]
        self.filled.removed = self.index.remove(gone)
        self.sources = {name: held for name, held in self.sources.items() if name in there}

    def save(self) -> None:
        """Write the index to its place, whole or not at all."""
        if self._into is not None:
            self.index.save(self._into, noted(self.sources))

    def _printed(
        self,
        asked: Sequence[tuple[Recording, Source | None]],
        workers: int,
        progress: SoundProgress,
    ) -> Iterator[Printed]:
        return in_order(asked, Prints(), workers=workers, heard=progress.heard)

    def _distinct(self, recordings: Iterable[Recording]) -> list[Recording]:
        first: dict[str, Recording] = {}
        for each in recordings:
            held = first.setdefault(each.reference, each)
            if Path(held.path) != Path(each.path):
                reason = f"its name {each.reference!r} is already that of {shown(held.path)}"
                self.filled.failed.append((shown(each.path), reason))
        return [*first.values()]

    def _take(self, each: Printed) -> None:
        name = each.recording.reference
        if each.error is not None:
            self.filled.failed.append((shown(each.recording.path), each.error))
            return
        assert each.source is not None, "what could be read has a source"
        self.sources[name] = each.source
        if each.printed is None:
            self.filled.unchanged += 1
            return
        self.filled.seconds += each.seconds
        replaced = self.index.remove([name])
        if self._twins:
            from models.match.twins import twins_of

            self.filled.twins += twins_of(name, each.printed, self.index)
        self.index.add(name, each.printed)
        if replaced:
            self.filled.replaced += 1
        else:
            self.filled.added += 1
        if self.index.needs_merge:
            self.index.merge()


def merged(parts: Sequence[tuple[str, MatchIndex]]) -> tuple[MatchIndex, list[str]]:
    """One index of all, what is written before each one's names, and what was left out of it.

    Left out are references whose name another before them has with another print.
    """
    from models.match.index import MatchIndex

    made = MatchIndex(parts[0][1].configuration)
    sources: dict[str, Source] = {}
    conflicts: list[str] = []
    with SoundProgress("references", sum(len(one) for _, one in parts)) as progress:
        for prefix, one in parts:
            known = sources_of(one.note)
            for name in one:
                slot = one.slot_of(name)
                held = None if slot is None else one.print_of(slot)
                assert held is not None, "nobody else changes an index that was just read"
                progress.done(held.seconds)
                there = made.slot_of(prefix + name)
                if there is not None:
                    if bytes(held) != bytes(made.print_of(there) or b""):
                        conflicts.append(prefix + name)
                    continue
                made.add(prefix + name, held)
                if name in known:
                    sources[prefix + name] = known[name]
                if made.needs_merge:
                    made.merge()
    made.note = noted(sources)
    return made, conflicts

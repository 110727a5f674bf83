"""Where `segue check --plot` draws, and of what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from segue.cli.indexing import sources_of
from segue.cli.matching import Checked, is_index, need, opened, shipped_engine
from segue.cli.recordings import recordings, shown
from segue.errors import Misconfigured

if TYPE_CHECKING:
    from models.match.index import MatchIndex
    from segue.cli.alignment import Picture

__all__ = ["Plots"]


class Plots:
    """Draws a picture for each file in which something was found."""

    def __init__(self, path: Path, references: Path, *, is_one: bool) -> None:
        """`is_one`: `path` is the picture of the only file, unless it is a folder already."""
        need("matplotlib", extra="protect,logs")
        self._is_file = is_one and not path.is_dir()
        if not self._is_file and path.suffix.lower() == ".png":
            remedy = "name a folder, in which each file gets a picture"
            raise Misconfigured(f"{path} is one picture", setting="--plot", remedy=remedy)
        if not (path.parent if self._is_file else path.absolute().parent).is_dir():
            raise Misconfigured(f"there is no folder {path.parent}", setting="--plot")
        self._path, self._references = path, references
        self._index: MatchIndex | None = None
        self._files: dict[str, str] | None = None
        self._drawn: set[Path] = set()

    def draw(self, checked: Checked, probability_min: float) -> None:
        """Draw the matches of a file that are as probable, and say so if there are none."""
        from segue.cli.alignment import Pair, heard_picture, plot_alignment

        sure = [one for one in checked.findings if one.probability >= probability_min]
        if not sure:
            click.echo(f"{shown(checked.path)}: nothing to draw", err=True)
            return
        names = dict.fromkeys(one.reference for one in sure)
        pairs = [
            Pair(name, self._picture(name), [one for one in sure if one.reference == name])
            for name in names
        ]
        query = heard_picture(checked.path)
        plot_alignment(self._place(checked.path), shown(checked.path), query, pairs)

    def _place(self, path: str) -> Path:
        if self._is_file:
            return self._path
        self._path.mkdir(exist_ok=True)
        stem, number = Path(shown(path)).name, 1
        place = self._path / f"{stem}.png"
        while place in self._drawn:  # files of one name in several folders
            number += 1
            place = self._path / f"{stem}-{number}.png"
        self._drawn.add(place)
        return place

    def _picture(self, reference: str) -> Picture:
        """The spectrogram if the file is at hand; else the peaks, which the index holds."""
        from segue.cli.alignment import heard_picture, peaks_picture

        if self._files is None:
            self._files = self._found()
        file = self._files.get(reference)
        if file is not None and Path(file).is_file():
            try:
                return heard_picture(file)
            except (OSError, ValueError):  # it was replaced by something else since
                if self._index is None:
                    raise
        assert self._index is not None, "a match is of a file of the folder, or of an index"
        slot = self._index.slot_of(reference)
        held = None if slot is None else self._index.print_of(slot)
        assert held is not None, "what was found in an index is in it"
        return peaks_picture(held)

    def _found(self) -> dict[str, str]:
        if not is_index(self._references):
            return {each.reference: each.path for each in recordings([str(self._references)])}
        self._index = opened(self._references, shipped_engine())
        return {name: held.file for name, held in sources_of(self._index.note).items()}

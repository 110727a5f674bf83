"""A catalogue in a file, CSV or JSON lines, becomes entries or reasons why it cannot.

JSON lines hold an entry each, as the contract says. CSV has a header; its columns are the fields of
an entry, `artists`, `genres` and `aliases` with semicolons between several, and all of these
artists are main ones. Read line by line: memory does not grow with the file.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TextIO

import msgspec

from schemas.codec import EventDecoder, Rejected
from schemas.tracks import CatalogueEntry
from segue.errors import Misconfigured
from segue.sim.logrows import BadRows

__all__ = ["count_lines", "read_tracks"]

LISTS: Final = ("artists", "genres", "aliases")
BUFFER_BYTES: Final = 1 << 20

Lines = Callable[[TextIO, str], Iterator[tuple[int, bytes]]]
"""Gives each entry's line number and JSON; it is told the name of the file."""


def read_tracks(path: Path, bad: BadRows) -> Iterator[tuple[int, CatalogueEntry]]:
    """The entries of a file, each with the number of its line. What cannot be one goes to `bad`.

    Raises Misconfigured: no such file or format, and with the first entry: no such column.
    """
    lines = _READERS.get(path.suffix.lower())
    if lines is None or not path.is_file():
        raise Misconfigured(f"{path} is no .jsonl or .csv file", remedy="name one, or convert it")
    return _entries(path, lines, bad)


def count_lines(path: Path) -> int:
    """How many lines a file has, for progress. Reads it once."""
    with path.open("rb") as file:
        blocks = iter(lambda: file.read(BUFFER_BYTES), b"")
        return sum(block.count(b"\n") for block in blocks)


def _entries(path: Path, lines: Lines, bad: BadRows) -> Iterator[tuple[int, CatalogueEntry]]:
    check = EventDecoder(CatalogueEntry).decode
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        for number, raw in lines(file, path.name):
            found = check(raw)
            if isinstance(found, Rejected):
                bad.add(number, f"{found.reason}: {found.detail}")
            else:
                yield from ((number, entry) for entry in found)


def _json_lines(file: TextIO, _: str) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, line.encode(errors="surrogateescape")


def _csv_lines(file: TextIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Each row as the JSON of its entry; what is wrong with it shows when that is decoded."""
    reader = csv.reader(file)
    header = [name.strip() for name in next(reader, [])]
    fields = CatalogueEntry.__struct_fields__
    if not {"track_id", "title"} <= {*header} <= {*fields}:
        raise Misconfigured(
            f"{name} has the columns {', '.join(header) or '(none)'}",
            remedy=f"track_id and title are needed; known are {', '.join(fields)}",
        )
    for row in reader:
        if row:
            entry = {n: _value(n, v) for n, v in zip(header, row, strict=False) if v.strip()}
            yield reader.line_num, msgspec.json.encode(entry)


def _value(name: str, text: str) -> object:
    text = text.strip()
    if name in LISTS:
        parts = [part.strip() for part in text.split(";") if part.strip()]
        return [{"name": part} for part in parts] if name == "artists" else parts
    return int(text) if name == "duration_ms" and text.isdecimal() else text


_READERS: Final[dict[str, Lines]] = {".csv": _csv_lines, ".jsonl": _json_lines}

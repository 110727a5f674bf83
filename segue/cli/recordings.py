"""Which files a command is to hear: those that are named, those in folders, those of a list."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

__all__ = ["SUFFIXES", "Recording", "listed", "recordings", "shown", "sounds_in"]

SUFFIXES: Final = frozenset(
    {
        *(".aac", ".ac3", ".aif", ".aiff", ".amr", ".ape", ".au", ".caf", ".flac", ".m4a", ".m4b"),
        *(".mka", ".mp2", ".mp3", ".mpga", ".oga", ".ogg", ".opus", ".tta", ".w64", ".wav"),
        *(".weba", ".wma", ".wv"),
        *(".3gp", ".asf", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".ogv", ".ts", ".webm", ".wmv"),
    }
)
"""What a file in a folder must end with to be heard. A file that is named may end anyhow."""

_PIECE: Final = 1 << 16


class Recording(NamedTuple):
    """A file and the name that its reference has in an index."""

    reference: str
    path: str


class Readable(Protocol):
    """A stream of bytes that gives what there is."""

    def read(self, size: int, /) -> bytes | None:
        """At most `size` bytes; none: it ends."""
        ...


def shown(path: str | Path) -> str:
    """A path as text that any terminal and JSON can take: bytes that are no UTF-8 become �."""
    return os.fsencode(path).decode("utf-8", "replace")


def listed(stream: Readable) -> Iterator[str]:
    """Paths, one a line, as soon as each line is whole. Blank lines are nothing."""
    rest = b""
    while piece := stream.read(_PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        yield from map(_path, filter(bytes.strip, lines))
    if rest.strip():
        yield _path(rest)


def sounds_in(folder: str) -> Iterator[str]:
    """Files below a folder that look like sound, in the order of their names."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            # Beside each file on other disks, macOS leaves a `._file` that is no sound.
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield str(Path(here) / name)


def recordings(paths: Iterable[str]) -> Iterator[Recording]:
    """Files by the names of their references: the path below the folder, without its suffix."""
    for path in paths:
        if Path(path).is_dir():
            for inner in sounds_in(path):
                name = Path(inner).relative_to(path).with_suffix("")
                yield Recording(shown(name.as_posix()), inner)
        else:
            yield Recording(shown(Path(path).stem), path)


def _path(line: bytes) -> str:
    return os.fsdecode(line.removesuffix(b"\r"))

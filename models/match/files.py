"""Files of a snapshot: named by what is in them, listed in a manifest that is replaced at once.

A file is written under another name, brought to disk and renamed; then the manifest is. Whoever
reads finds the old snapshot or the new one. Files of the old one are removed at the end.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["FORMAT", "FileRecord", "IndexRefused", "Manifest", "checked", "publish", "stored"]

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_PARTIAL: Final = ".partial"
_OURS: Final = re.compile(r"(vectors|table|peaks|cold)-[0-9a-f]{32}\.bin(\.partial)?")
_PIECE: Final = 1 << 24
_CURE: Final = "take another copy of the snapshot, or build the index again"


class IndexRefused(ValueError):
    """A snapshot that is damaged, not whole, or not for this encoder or this version."""


class FileRecord(msgspec.Struct, frozen=True):
    """A file of the snapshot, its length and the checksum of its bytes."""

    name: str
    size: int
    blake2b: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot holds. `checksum` is that of the manifest while it is empty."""

    format: int = FORMAT
    configuration: str
    note: dict[str, str]
    reference_count: int
    vector_count: int
    chunk_rows: int
    end: int
    watermark: int
    trained_on: int
    chunks: list[FileRecord | None]
    table: FileRecord
    peaks: FileRecord
    cold: FileRecord | None
    checksum: str = ""

    @property
    def records(self) -> list[FileRecord]:
        """All files."""
        every = (*self.chunks, self.table, self.peaks, self.cold)
        return [record for record in every if record is not None]


def stored(folder: Path, kind: str, write: Callable[[Path], object]) -> FileRecord:
    """Have `write` fill a file and keep it under a name of its content. Raises OSError."""
    partial = folder / f"{kind}-{'0' * 32}.bin{_PARTIAL}"
    write(partial)
    digest, size = hashlib.blake2b(digest_size=16), 0
    with partial.open("rb+") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
        os.fsync(file.fileno())
    record = FileRecord(f"{kind}-{digest.hexdigest()}.bin", size, digest.hexdigest())
    partial.replace(folder / record.name)
    return record


def publish(folder: Path, manifest: Manifest) -> None:
    """Make this the snapshot of the folder and remove what it does not need. Raises OSError."""
    _sync(folder)
    partial = folder / (_MANIFEST + _PARTIAL)
    with partial.open("wb") as file:
        file.write(_encoded(manifest))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / _MANIFEST)
    _sync(folder)
    needed = {record.name for record in manifest.records}
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in needed:
            path.unlink()


def checked(folder: Path, configuration: str | None) -> tuple[Manifest, dict[str, memoryview]]:
    """The manifest and, by name, the bytes of the files, mapped into memory.

    Every byte is read once, for its checksum. Raises IndexRefused.
    """
    manifest = _manifest(folder / _MANIFEST)
    if configuration is not None and manifest.configuration != configuration:
        raise IndexRefused(
            f"{folder} holds vectors of encoder {manifest.configuration}, not of {configuration}:"
            " make the prints again with the encoder in use"
        )
    return manifest, dict(_mapped(folder, manifest.records))


def _mapped(folder: Path, records: Iterable[FileRecord]) -> Iterable[tuple[str, memoryview]]:
    for record in records:
        path = folder / record.name
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                data = memoryview(
                    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
                )
        except OSError as error:
            raise IndexRefused(f"{path} cannot be read ({error}): {_CURE}") from error
        if size != record.size:
            raise IndexRefused(f"{path} has {size} bytes instead of {record.size}: {_CURE}")
        if _digest(data) != record.blake2b:
            raise IndexRefused(f"{path} is damaged, its checksum does not fit: {_CURE}")
        yield record.name, data


def _manifest(path: Path) -> Manifest:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise IndexRefused(f"{path.parent} holds no snapshot of an index: {error}") from error
    try:
        found = msgspec.json.decode(raw, type=_Version).format
        if found != FORMAT:
            raise IndexRefused(f"{path} is of format {found}; this version reads {FORMAT}")
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IndexRefused(f"{path} is damaged ({error}): {_CURE}") from error
    if _encoded(manifest) != raw:
        raise IndexRefused(f"{path} is damaged, its checksum does not fit: {_CURE}")
    return manifest


class _Version(msgspec.Struct):
    format: int


def _encoded(manifest: Manifest) -> bytes:
    """Bytes of a manifest with its checksum, the same for the same manifest."""
    bare = msgspec.structs.replace(manifest, checksum="")
    digest = _digest(memoryview(msgspec.json.encode(bare)))
    whole = msgspec.json.encode(msgspec.structs.replace(manifest, checksum=digest))
    return msgspec.json.format(whole, indent=1) + b"\n"


def _digest(data: memoryview) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _sync(folder: Path) -> None:
    """Bring names to disk, not only bytes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

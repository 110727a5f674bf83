"""The state of an index as files, and back.

Files are the chunks of vectors, the table of references, their peaks, and the compressed part. What
was removed is not in them: its rows are zeros. A chunk that is full hardly changes any more, nor
does the compressed part between merges, so most snapshots write little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from models.fingerprint.prints import DIMENSIONS
from models.match.cold import ColdSegment
from models.match.files import FileRecord, IndexRefused, Manifest, checked, publish, stored
from models.match.references import Dead, Reference
from models.match.store import Chunk, StoreView

__all__ = ["State", "Written", "read", "verify", "write"]

_ROW_BYTES: Final = DIMENSIONS + 4
_DIGEST: Final = 16


class State(NamedTuple):
    """An index at one moment. `dead` is what `cold` still holds of those removed."""

    view: StoreView
    references: Sequence[Reference]
    cold: ColdSegment | None
    watermark: int
    dead: list[Dead]


@dataclass(slots=True)
class Written:
    """Under which names things were written, so that they need not be again if they are there."""

    chunks: dict[int, tuple[int, int, FileRecord]] = field(default_factory=dict)
    cold: tuple[ColdSegment, FileRecord] | None = None


class _Table(msgspec.Struct):
    """References in the order of their rows, a column each."""

    ids: list[str]
    digests: bytes
    seconds: bytes
    firsts: bytes
    counts: bytes
    heard: bytes
    peak_counts: bytes
    dead: list[Dead]


def write(
    path: Path, configuration: str, state: State, *, note: Mapping[str, str], written: Written
) -> None:
    """Write a snapshot into a directory and remove the one before. Raises OSError."""
    path.mkdir(parents=True, exist_ok=True)
    held = sorted(state.references, key=lambda each: (each.first, each.count))  # empty ones first
    table = msgspec.msgpack.encode(_table(held, state.dead))
    cold = _cold_record(path, state.cold, written)
    manifest = Manifest(
        configuration=configuration,
        note=dict(note),
        reference_count=len(held),
        vector_count=sum(each.count for each in held),
        chunk_rows=state.view.chunk_rows,
        end=state.view.end,
        watermark=state.watermark,
        trained_on=state.cold.trained_on if state.cold else 0,
        chunks=_chunk_records(path, state.view, written),
        table=stored(path, "table", lambda to: to.write_bytes(table)),
        peaks=stored(path, "peaks", lambda to: _write_peaks(to, held)),
        cold=cold,
    )
    publish(path, manifest)


def verify(path: Path, configuration: str | None = None) -> Manifest:
    """Read all of a snapshot and keep nothing; returns what it is said to hold.

    Any configuration will do unless one is given. Raises IndexRefused.
    """
    return _read(path, configuration)[0]


def read(path: Path, configuration: str) -> tuple[dict[str, str], State]:
    """The note and the state. Slots are new; vectors are mapped, not read. Raises IndexRefused."""
    manifest, state = _read(path, configuration)
    return manifest.note, state


def _chunk_records(path: Path, view: StoreView, written: Written) -> list[FileRecord | None]:
    records: list[FileRecord | None] = []
    for number, chunk in enumerate(view.chunks):
        rows = min(view.chunk_rows, view.end - number * view.chunk_rows)
        if chunk is None:
            records.append(None)
            continue
        # Rows never change and scales only become 0: so these two say whether anything did.
        marks = (rows, int(np.count_nonzero(chunk.scales[:rows])))
        known = written.chunks.get(number)
        if known is None or known[:2] != marks or not (path / known[2].name).exists():
            body = Chunk(chunk.vectors[:rows], chunk.scales[:rows])
            record = stored(path, "vectors", partial(_write_chunk, chunk=body))
            written.chunks[number] = known = (*marks, record)
        records.append(known[2])
    return records


def _cold_record(path: Path, cold: ColdSegment | None, written: Written) -> FileRecord | None:
    if cold is None:
        written.cold = None
        return None
    known = written.cold
    if known is None or known[0] is not cold or not (path / known[1].name).exists():
        written.cold = known = (cold, stored(path, "cold", cold.write))
    return known[1]


def _write_chunk(path: Path, chunk: Chunk) -> None:
    vectors = np.where(chunk.scales[:, None] > 0, chunk.vectors, np.int8(0))
    with path.open("wb") as file:
        file.write(vectors.data)
        file.write(chunk.scales.astype("<f4").data)


def _write_peaks(path: Path, held: Sequence[Reference]) -> None:
    with path.open("wb") as file:
        for each in held:
            file.write(each.peak_frames.astype("<i4").tobytes())
        for each in held:
            file.write(each.peak_bins.tobytes())


def _table(held: Sequence[Reference], dead: list[Dead]) -> _Table:
    def column(name: str, kind: str) -> bytes:
        return np.array([getattr(each, name) for each in held], kind).tobytes()

    return _Table(
        ids=[each.reference_id for each in held],
        digests=b"".join(each.digest for each in held),
        seconds=column("seconds", "<f8"),
        firsts=column("first", "<i8"),
        counts=column("count", "<i8"),
        heard=column("heard", "<i8"),
        peak_counts=np.array([len(each.peak_frames) for each in held], "<i8").tobytes(),
        dead=dead,
    )


def _read(path: Path, configuration: str | None) -> tuple[Manifest, State]:
    manifest, files = checked(path, configuration)
    try:
        chunks = [_chunk(manifest, n, files) for n in range(len(manifest.chunks))]
        view = StoreView(tuple(chunks), manifest.chunk_rows, manifest.end)
        table = msgspec.msgpack.decode(files[manifest.table.name], type=_Table)
        references = _references(table, files[manifest.peaks.name])
        _check_rows(manifest, references)
        cold = None
        if manifest.cold is not None:
            cold = ColdSegment.read(path / manifest.cold.name, manifest.trained_on)
    except (ValueError, msgspec.MsgspecError) as error:
        raise IndexRefused(
            f"{path} is no whole snapshot ({error}), though its checksums fit: build it again"
        ) from error
    return manifest, State(view, references, cold, manifest.watermark, table.dead)


def _chunk(manifest: Manifest, number: int, files: Mapping[str, memoryview]) -> Chunk | None:
    record = manifest.chunks[number]
    if record is None:
        return None
    rows = min(manifest.chunk_rows, manifest.end - number * manifest.chunk_rows)
    data = files[record.name]
    if len(data) != rows * _ROW_BYTES:
        raise ValueError(f"{record.name} does not hold {rows} rows")
    vectors = np.frombuffer(data, np.int8, rows * DIMENSIONS).reshape(rows, DIMENSIONS)
    scales = np.frombuffer(data, "<f4", rows, rows * DIMENSIONS)
    return Chunk(vectors, scales.astype(np.float32))


def _references(table: _Table, peaks: memoryview) -> list[Reference]:
    count = len(table.ids)

    def column(data: bytes, kind: str) -> list[Any]:  # Any: int or float by kind
        found: list[Any] = np.frombuffer(data, kind).tolist()
        if len(found) != count:
            raise ValueError("columns of the table differ in length")
        return found

    peak_counts = column(table.peak_counts, "<i8")
    ends = np.cumsum([0, *peak_counts]).tolist()
    frames = np.frombuffer(peaks, "<i4", ends[-1])
    bins = np.frombuffer(peaks, np.uint8, ends[-1], 4 * ends[-1])
    columns = (
        *(column(table.firsts, "<i8"), column(table.counts, "<i8"), column(table.heard, "<i8")),
        [table.digests[at : at + _DIGEST] for at in range(0, _DIGEST * count, _DIGEST)],
        [frames[a:b] for a, b in pairwise(ends)],
        [bins[a:b] for a, b in pairwise(ends)],
        column(table.seconds, "<f8"),
    )
    rows = zip(table.ids, range(count), *columns, strict=True)
    return [Reference(*row) for row in rows]


def _check_rows(manifest: Manifest, references: Sequence[Reference]) -> None:
    """That rows follow one another, lie in chunks that are there, and are as many as was said."""
    at = 0
    for held in references:
        if held.first < at or held.first + held.count > manifest.end:
            raise ValueError(f"rows of {held.reference_id} lie where others do, or nowhere")
        last = (held.first + max(held.count, 1) - 1) // manifest.chunk_rows
        numbers = range(held.first // manifest.chunk_rows, last + 1) if held.count else ()
        if any(manifest.chunks[number] is None for number in numbers):
            raise ValueError(f"rows of {held.reference_id} are missing")
        at = held.first + held.count
    said = (manifest.reference_count, manifest.vector_count)
    found = (len({each.reference_id for each in references}), sum(e.count for e in references))
    if said != found or len(references) != found[0]:
        raise ValueError(f"it holds {found} references and vectors instead of {said}")

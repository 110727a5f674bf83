"""The two file formats of a play log, CSV and Parquet, behind one protocol.

Both are read in batches: memory is bounded by the batch (and one column page of Parquet), whatever
the size of the file. Parquet needs pyarrow, which comes with the extra `logs`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from segue.errors import Misconfigured
from segue.sim.logrows import COLUMNS, REQUIRED, Rows

__all__ = ["CsvSource", "LogSource", "ParquetSource", "open_source"]

FIELD_CHARACTERS_MAX: Final = 131_072  # the csv module's own limit: a longer field is a broken row


class LogSource(Protocol):
    """A file of rows. Every method reads it from the disk anew and may block."""

    def scan(self) -> tuple[int, float]:
        """The number of rows, and the greatest finite time (-inf if there is none)."""
        ...

    def batches(self, start_row: int, batch_rows: int) -> Iterator[Rows]:
        """The rows from `start_row` on, at most `batch_rows` at a time."""
        ...

    @property
    def times_are_ms(self) -> bool:
        """Whether the format itself says that times are milliseconds."""
        ...


def open_source(path: Path) -> LogSource:
    """The reader of a file by its suffix. Raises Misconfigured: no such file, column or format."""
    if not path.is_file():
        raise Misconfigured(f"there is no file {path}", remedy="name a .parquet or .csv file")
    if path.suffix.lower() == ".csv":
        return CsvSource(path)
    if path.suffix.lower() == ".parquet":
        return ParquetSource(path)
    raise Misconfigured(
        f"{path.name} is neither .parquet nor .csv", remedy="convert it, or rename it if it is one"
    )


def _check_columns(path: Path, found: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        shown = ", ".join(found[:12]) or "none"
        raise Misconfigured(
            f"{path.name} has no column {' and no column '.join(missing)}",
            remedy=f"its columns are: {shown}; needed are {', '.join(REQUIRED)}",
        )


class CsvSource:
    """A CSV file with a header line; comma, double quotes, UTF-8 with or without a mark."""

    times_are_ms = False

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._reader() as reader:
            self._header = [name.strip() for name in next(reader, [])]
        _check_columns(path, self._header)

    def scan(self) -> tuple[int, float]:
        """The number of rows, and the greatest finite time. Reads the whole file."""
        position, rows, latest = self._header.index("ts"), 0, -math.inf
        for _, row in self._rows():
            rows += 1
            if isinstance(row, list) and len(row) > position:
                latest = max(latest, _finite(row[position]))
        return rows, latest

    def batches(self, start_row: int, batch_rows: int) -> Iterator[Rows]:
        """The rows from `start_row` on; skipping to it costs a pass over the lines before."""
        good: list[list[str]] = []
        numbers: list[int] = []
        lines: list[int] = []
        broken: list[tuple[int, str]] = []
        number = -1
        for number, (line, row) in enumerate(self._rows()):
            if number < start_row:
                continue
            if isinstance(row, str):
                broken.append((line, row))
            elif len(row) != len(self._header):
                broken.append((line, f"{len(row)} fields where the header has {len(self._header)}"))
            else:
                good.append(row)
                numbers.append(number)
                lines.append(line)
            if len(good) + len(broken) >= batch_rows:
                yield self._as_columns(good, numbers, lines, broken, number + 1)
                good, numbers, lines, broken = [], [], [], []
        if good or broken:
            yield self._as_columns(good, numbers, lines, broken, number + 1)

    def _as_columns(
        self,
        good: list[list[str]],
        numbers: list[int],
        lines: list[int],
        broken: list[tuple[int, str]],
        next_row: int,
    ) -> Rows:
        columns = dict(zip(self._header, zip(*good, strict=True), strict=False))
        kept = {name: columns[name] for name in COLUMNS if name in columns}
        return Rows(kept, numbers, lines, broken, next_row)

    def _rows(self) -> Iterator[tuple[int, list[str] | str]]:
        """Each row with the line it ends on; a text instead of fields says what is wrong."""
        with self._reader() as reader:
            next(reader, None)
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield reader.line_num, f"not CSV: {error}"
                    continue
                if row:  # a blank line is no row
                    yield reader.line_num, row

    @contextmanager
    def _reader(self) -> Iterator[Any]:  # Any: the csv module does not name its reader's type
        # What is not UTF-8 becomes surrogates, which the row's ids refuse with their line.
        with self._path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield csv.reader(file)


class ParquetSource:
    """A Parquet file; `ts` may be a number or a timestamp."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrow = _pyarrow()
        with self._open() as file:
            schema = file.schema_arrow
        _check_columns(path, schema.names)
        self._names = [name for name in COLUMNS if name in schema.names]
        self.times_are_ms = self._arrow.types.is_timestamp(schema.field("ts").type)

    def scan(self) -> tuple[int, float]:
        """The number of rows, and the greatest finite time. Reads the column `ts` only."""
        latest = -math.inf
        with self._open() as file:
            rows: int = file.metadata.num_rows
            if not self.times_are_ms:
                for batch in file.iter_batches(columns=["ts"]):
                    latest = max([latest, *map(_finite, batch.column(0).to_pylist())])
        return rows, latest

    def batches(self, start_row: int, batch_rows: int) -> Iterator[Rows]:
        """The rows from `start_row` on; whole row groups before it are not read."""
        with self._open() as file:
            groups, first = _groups_from(file.metadata, start_row)
            for batch in file.iter_batches(batch_rows, row_groups=groups, columns=self._names):
                end = first + batch.num_rows
                if end > start_row:
                    skip = max(0, start_row - first)
                    yield self._as_columns(batch.slice(skip), first + skip, end)
                first = end

    def _as_columns(self, batch: Any, first: int, end: int) -> Rows:
        columns = {name: self._values(batch, name) for name in self._names}
        return Rows(columns, range(first, end), range(first + 1, end + 1), (), end)

    def _values(self, batch: Any, name: str) -> list[Any]:
        column = batch.column(batch.schema.get_field_index(name))
        if name == "ts" and self.times_are_ms:
            column = column.cast(self._arrow.timestamp("ms"), safe=False).cast("int64")
        values: list[Any] = column.to_pylist()
        return values

    @contextmanager
    def _open(self) -> Iterator[Any]:  # Any: pyarrow publishes no types
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        try:
            # Without pre_buffer a whole row group would not be held at once.
            with ParquetFile(self._path, pre_buffer=False, memory_map=True) as file:
                yield file
        except ArrowException as error:
            raise Misconfigured(
                f"{self._path.name} cannot be read as Parquet: {error}",
                remedy="check that the file is whole",
            ) from error


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise Misconfigured(
            "reading Parquet needs pyarrow", remedy='pip install "segue[logs]", or use CSV'
        ) from error
    return pyarrow


def _groups_from(metadata: Any, start_row: int) -> tuple[list[int], int]:
    """The row groups that hold `start_row` and what follows, and the first row of the first."""
    first = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if first + rows > start_row:
            return list(range(group, metadata.num_row_groups)), first
        first += rows
    return [], first


def _finite(value: Any) -> float:
    """The value as a number, or -inf if it is none: only for finding the greatest."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return -math.inf
    return number if math.isfinite(number) else -math.inf

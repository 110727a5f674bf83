"""A log of past plays: a Parquet or CSV file with the columns user, item and ts.

Optional are session, weight, artist, market, event_id, played_ms and duration_ms. Times are seconds
or milliseconds since 1970, told apart by the greatest of the file; if that is below 10^8, they are
an order only and are laid out one second apart from 2020-01-01 UTC. `segue feed` publishes a log,
`segue replay` runs it through the models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.events import PlayEvent
from segue.errors import Misconfigured
from segue.sim.logrows import BadRows, RowsToPlays, TimeUnit
from segue.sim.logsource import LogSource, open_source

__all__ = ["BATCH_ROWS", "LogBatch", "PlayLog", "log_size", "open_log", "read_log"]

BATCH_ROWS: Final = 2_000
ORDER_BELOW: Final = 1e8
"""Times below this are an order: as seconds they would all lie before 1973-03-03."""
MS_FROM: Final = 1e11
"""Times from this on are milliseconds: as seconds they would lie after the year 5138."""


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Some plays, and the row to go on from once they are dealt with."""

    plays: list[PlayEvent]
    next_row: int


@dataclass(frozen=True, slots=True)
class PlayLog:
    """An opened log: what it is, and the way to read it as often as one likes."""

    path: Path
    rows: int
    digest: str
    """16 hexadecimal digits of its content: the same for a copy under another name."""
    unit: TimeUnit
    source: LogSource

    def batches(
        self, bad: BadRows, *, start_row: int = 0, batch_rows: int = BATCH_ROWS
    ) -> Iterator[LogBatch]:
        """Its plays from row `start_row` on, in the order of the file. Bad rows go to `bad`.

        Reads from the disk as it goes; holds one batch in memory.
        """
        convert = RowsToPlays(self.unit, self.digest)
        for rows in self.source.batches(start_row, batch_rows):
            yield LogBatch(convert.plays(rows, bad), rows.next_row)


def open_log(path: Path) -> PlayLog:
    """Look through the file once: rows, unit of time, digest. About a second per million rows.

    Raises Misconfigured, naming file and column, if it cannot be a play log.
    """
    source = open_source(path)
    rows, latest = source.scan()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "blake2b").hexdigest()[:16]
    return PlayLog(path, rows, digest, _unit(source, latest), source)


def read_log(path: Path, *, bad: BadRows | None = None) -> Iterator[list[PlayEvent]]:
    """The plays of a log in batches. Without `bad` the first row that is no play raises."""
    strict = BadRows()
    for batch in open_log(path).batches(strict if bad is None else bad):
        if strict.count:
            line, reason = strict.examples[0]
            raise Misconfigured(f"{path.name}, line {line}: {reason}", remedy="correct the row")
        yield batch.plays


def log_size(path: Path) -> int:
    """The number of rows in a log, bad ones included. O(size of the file) for CSV."""
    return open_source(path).scan()[0]


def _unit(source: LogSource, latest: float) -> TimeUnit:
    if source.times_are_ms or latest >= MS_FROM:
        return "ms"
    return "order" if latest < ORDER_BELOW else "s"

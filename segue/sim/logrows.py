"""Rows of a play log become play events, or reasons why they cannot.

A row names a listener, a track and a time; all else has a default. A row that cannot be an event
is never dropped in silence: it is counted, and the first ones are kept with line and reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final, Literal

from schemas.events import (
    ID_BYTES_MAX,
    LENGTH_MS_MAX,
    TEXT_CHARACTERS_MAX,
    TIME_MS_MAX,
    TIME_MS_MIN,
    EndReason,
    PlayEvent,
)

__all__ = ["COLUMNS", "ORDER_BASE_MS", "REQUIRED", "BadRows", "Rows", "RowsToPlays", "TimeUnit"]

TimeUnit = Literal["s", "ms", "order"]

REQUIRED: Final = ("user", "item", "ts")
COLUMNS: Final = (
    *REQUIRED,
    *("session", "weight", "artist", "market", "event_id", "played_ms", "duration_ms"),
)
ORDER_BASE_MS: Final = 1_577_836_800_000
"""2020-01-01T00:00:00Z: where a log whose times are an order only begins, 1 s per step."""

_SKIP_PLAYED_MS: Final = 30_000
_FINISHED_SHARE: Final = 0.9
_MARKET: Final = re.compile("[A-Za-z0-9-]{2,8}")


@dataclass(slots=True)
class BadRows:
    """What could not be read: how many rows, and the first few as (line, reason)."""

    count: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)
    examples_max: int = 10

    def add(self, line: int, reason: str) -> None:
        """Count one row."""
        self.count += 1
        if len(self.examples) < self.examples_max:
            self.examples.append((line, reason))

    def lines(self) -> Iterator[str]:
        """What a person is told, one text per line; nothing if all rows were good."""
        for line, reason in self.examples:
            yield f"line {line}: {reason}"
        if self.count > len(self.examples):
            yield f"and {self.count - len(self.examples)} more"


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows as columns of equal length, as they stand in the file.

    `first_row` counts rows from 0 over the whole file; `lines` are what a person sees in an editor
    (CSV) or rows from 1 (Parquet). `broken` rows have no columns; `next_row` is behind all of them.
    """

    columns: Mapping[str, Sequence[Any]]  # Any: texts in CSV, values of any type in Parquet
    numbers: Sequence[int]
    lines: Sequence[int]
    broken: Sequence[tuple[int, str]]
    next_row: int


class RowsToPlays:
    """Converts rows of one file. `unit` says what its times are, `digest` names its content.

    Without a column event_id a play's id is made of digest and row number, so that feeding the same
    file again gives the same ids. A missing length is 0 (unknown); a play of unknown length counts
    as finished unless `weight` is 0 or less (a skip) or played_ms is under 30 s.
    """

    def __init__(self, unit: TimeUnit, digest: str) -> None:
        self._unit = unit
        self._digest = digest
        self._factor = 1 if unit == "ms" else 1000
        self._base_ms = ORDER_BASE_MS if unit == "order" else 0
        self._markets: set[str] = set()

    def plays(self, rows: Rows, bad: BadRows) -> list[PlayEvent]:
        """The plays of some rows, in their order. What cannot be one goes to `bad`."""
        for line, reason in rows.broken:
            bad.add(line, reason)
        plays = []
        columns = (rows.columns.get(name, repeat(None)) for name in COLUMNS)
        # The numbers end the iteration: absent columns repeat None for ever.
        for number, line, *values in zip(rows.numbers, rows.lines, *columns, strict=False):
            try:
                plays.append(self._play(number, *values))
            except (ValueError, OverflowError) as error:
                bad.add(line, str(error))
        return plays

    def _play(  # noqa: PLR0913  # one argument per column of the log
        self,
        number: int,
        user: Any,
        item: Any,
        ts: Any,
        session: Any,
        weight: Any,
        artist: Any,
        market: Any,
        event_id: Any,
        played_ms: Any,
        duration_ms: Any,
    ) -> PlayEvent:
        played, duration, reason = _listened(
            _length("played_ms", played_ms), _length("duration_ms", duration_ms), weight
        )
        return PlayEvent(
            f"{self._digest}-{number}" if _absent(event_id) else _id("event_id", event_id),
            _id("user", user),
            _id("item", item),
            self._time_ms(ts),
            played,
            duration,
            reason,
            None if _absent(session) else _id("session", session),
            None if _absent(artist) else _text("artist", artist),
            market=None if _absent(market) else self._market(market),
        )

    def _time_ms(self, ts: Any) -> int:
        if _absent(ts):
            raise ValueError("ts: missing")
        at_ms = self._base_ms + round(_number("ts", ts) * self._factor)
        if not TIME_MS_MIN <= at_ms <= TIME_MS_MAX:
            raise ValueError(f"ts: {ts} ({self._unit}) is not between the years 2000 and 2100")
        return at_ms

    def _market(self, value: Any) -> str:
        text = str(value)
        if text in self._markets:
            return text
        if _MARKET.fullmatch(text) is None:
            raise ValueError(f"market: {text[:20]!r} is not 2 to 8 of A-Z a-z 0-9 -")
        self._markets.add(text)
        return text


def _absent(value: Any) -> bool:
    """Nothing stands there: an empty field, a null, or a NaN in its place."""
    return value is None or value == "" or value != value


def _id(name: str, value: Any) -> str:
    if _absent(value):
        raise ValueError(f"{name}: missing")
    text: str = value if type(value) is str else _spelled(name, value)
    if text.isascii():
        good = len(text) <= ID_BYTES_MAX and text.isprintable()
    else:
        good = len(_utf8(name, text)) <= ID_BYTES_MAX and not _has_control(text)
    if not good:
        raise ValueError(f"{name}: longer than {ID_BYTES_MAX} bytes or with control characters")
    return text


def _spelled(name: str, value: Any) -> str:
    if isinstance(value, bytes):  # how some writers of Parquet store texts
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError(f"{name}: not valid UTF-8") from None
    # A column of integers with gaps is read as floats by most tools: 7.0 is listener 7.
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


def _text(name: str, value: Any) -> str:
    text = value if type(value) is str else _spelled(name, value)
    _utf8(name, text)
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ValueError(f"{name}: longer than {TEXT_CHARACTERS_MAX} characters")
    return text


def _utf8(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name}: not valid UTF-8") from None


def _has_control(text: str) -> bool:
    return any(c < " " or "\x7f" <= c <= "\x9f" for c in text)


def _number(name: str, value: Any) -> int | float:
    try:
        number: int | float = value if isinstance(value, int | float) else int(value)
    except (TypeError, ValueError):
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{name}: {str(value)[:40]!r} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{name}: {value} is not a finite number")
    return number


def _length(name: str, value: Any) -> int | None:
    if _absent(value):
        return None
    length_ms = round(_number(name, value))
    if not 0 <= length_ms <= LENGTH_MS_MAX:
        raise ValueError(f"{name}: {value} is not between 0 and a day")
    return length_ms


def _listened(
    played_ms: int | None, duration_ms: int | None, weight: Any
) -> tuple[int, int, EndReason]:
    """How long was heard, of how much, and why it ended, from what the log says."""
    length_ms = duration_ms or 0
    if played_ms is None:
        share = 1.0 if _absent(weight) else _number("weight", weight)
        if share <= 0.0:
            return 0, length_ms, "skipped"
        if share >= 1.0 or not length_ms:
            return length_ms, length_ms, "finished"
        played_ms = round(share * length_ms)
    if played_ms < min(_SKIP_PLAYED_MS, length_ms / 2 if length_ms else _SKIP_PLAYED_MS):
        return played_ms, length_ms, "skipped"
    finished = not length_ms or played_ms >= _FINISHED_SHARE * length_ms
    return played_ms, length_ms, "finished" if finished else "stopped"

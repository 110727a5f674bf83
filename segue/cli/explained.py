"""What `segue explain` found, and how it is drawn. Pure: a value in, what rich can draw out."""

from __future__ import annotations

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.outputs import RecommendationList
from segue.demo.tables import recommendation_table

__all__ = ["Explanation", "Known", "SaidView", "SignView", "draw"]

UNITS_S = (("days", 86_400), ("h", 3_600), ("min", 60))
SHOWN = 10
"""How many tracks of a session, or statements, are named."""


class SignView(msgspec.Struct, frozen=True):
    """One sign of conduct: suspected from `mark` on, trusted again below half of it."""

    reason: str
    words: str
    amount: float
    mark: float
    unit: str


class SaidView(msgspec.Struct, frozen=True):
    """A statement of the listener that holds."""

    kind: str
    subject: str
    at_ms: int


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a listener as it was committed last; newest tracks first."""

    written_at_ms: int
    plays: int
    newest_at_ms: int
    market: str
    session: list[str]
    recent: list[str]
    heard: int
    said: list[SaidView]
    suspected: list[str]
    counts: bool
    signs: list[SignView]
    anomaly: float | None


class Explanation(msgspec.Struct, frozen=True):
    """All that is known of a listener; None where nothing is."""

    user_id: str
    partition: int
    known: Known | None
    next: RecommendationList | None
    discover: RecommendationList | None


def draw(found: Explanation, *, now_ms: int) -> RenderableType:
    """Facts, conduct, then both lists with the reason of each entry."""
    parts: list[RenderableType] = [Text(found.user_id, style="bold")]
    if found.known is None:
        parts.append(Text("no state: forgotten, or nothing was committed yet"))
    else:
        parts += [_facts(found, found.known, now_ms), _conduct(found.known)]
    for kind, shown in (("next", found.next), ("discover", found.discover)):
        if shown is None:
            parts.append(Text(f"no list `{kind}` in Redis: none was made, or it expired"))
        else:
            parts.append(recommendation_table(shown))
            parts.append(Text(f"{_age(now_ms - shown.at_ms)} old", style="dim"))
    return Group(*parts)


def _facts(found: Explanation, known: Known, now_ms: int) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in (
        ("plays", f"{known.plays:,}, the newest began {_age(now_ms - known.newest_at_ms)} ago"),
        ("market", known.market or "unknown"),
        ("session", _named(known.session)),
        ("last 50 plays", f"{len(set(known.recent))} tracks, {len(known.recent)} plays"),
        ("heard lately", f"{known.heard} tracks"),
        ("said", _named([f"{said.kind} {said.subject}" for said in known.said[::-1]])),
        ("state", f"partition {found.partition}, written {_age(now_ms - known.written_at_ms)} ago"),
        ("plays count for others", _verdict(known)),
    ):
        grid.add_row(name, Text(value))  # ids hold any characters, brackets too
    return grid


def _verdict(known: Known) -> str:
    reasons = ", ".join(sign.words for sign in known.signs if sign.reason in known.suspected)
    if not reasons:
        return "yes; repeats (a track 4 times among the last 50) do not"
    return f"no: {reasons}" if known.counts is False else f"yes, though suspected: {reasons}"


def _conduct(known: Known) -> RenderableType:
    table = Table("sign", "now", "suspected from", "trusted again below", "")
    for sign in known.signs:
        mark = "suspected" if sign.reason in known.suspected else ""
        numbers = (sign.amount, sign.mark, sign.mark / 2)
        cells = (f"{number:,.1f} {sign.unit}" for number in numbers)
        table.add_row(sign.words, *cells, Text(mark, style="bold red"))
    score = "not looked at yet" if known.anomaly is None else f"{known.anomaly:.2f} of 1"
    return Group(table, Text(f"how unusual, among all listeners: {score}", style="dim"))


def _named(tracks: list[str]) -> str:
    more = len(tracks) - SHOWN
    return ", ".join([*tracks[:SHOWN], *([f"and {more} more"] if more > 0 else [])]) or "none"


def _age(milliseconds: int) -> str:
    seconds = max(0, milliseconds) / 1000
    for unit, length in UNITS_S:
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.1f} s"

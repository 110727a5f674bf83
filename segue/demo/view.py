"""The demo's live view: one snapshot in, something rich can draw out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from segue.demo.follow import SHOWN, Entry, ListenerView
from segue.demo.scrape import Latency

__all__ = [
    "FraudView",
    "Quality",
    "Snapshot",
    "TrendView",
    "Trending",
    "draw",
    "milliseconds",
    "percent",
    "place_mark",
]

PLAYS_SHOWN = 3
TRENDS_SHOWN = 6
_MOVING_STYLES: Final = {"rising": "green", "new": "bold green", "falling": "red"}


@dataclass(frozen=True, slots=True)
class Quality:
    """How often the track played next was in the list served before, as shares of `trials`."""

    next: float | None
    popular: float | None
    trials: int


class Trending(NamedTuple):
    """A track that trends: decayed plays, its direction, and `segue.client.movement` of it.

    `moved` is places up (positive) or down on the screen; None if it was not there before.
    """

    track_id: str
    score: float
    direction: str = ""
    movement: str = ""
    moved: int | None = 0

    @property
    def mark(self) -> Text:
        """How it moves: as published if it does, else by its place on the screen."""
        style = _MOVING_STYLES.get(self.direction)
        return place_mark(self.moved) if style is None else Text(self.movement, style=style)


@dataclass(frozen=True, slots=True)
class TrendView:
    """The world's trending tracks, and the one of the simulator that is to trend, if any.

    Each track has its score, its direction and how it moves in words.
    """

    tracks: tuple[Trending, ...]
    awaited: str | None = None
    in_s: float | None = None
    """Seconds until it begins to trend; None once it does."""

    @property
    def place(self) -> int | None:
        """The place of the awaited track among those trending, from 1."""
        names = [track.track_id for track in self.tracks]
        return names.index(self.awaited) + 1 if self.awaited in names else None


@dataclass(frozen=True, slots=True)
class FraudView:
    """Plays held back by reason, how many listeners were suspected, and who is known to cheat."""

    held: Mapping[str, int] = field(default_factory=dict)
    suspected: int = 0
    cheats: tuple[str, ...] = ()

    def words(self) -> str:
        """The reasons and their counts, most first."""
        ordered = sorted(self.held.items(), key=lambda entry: -entry[1])
        return ", ".join(f"{reason} {count:,}" for reason, count in ordered) or "none"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the view shows at one time."""

    elapsed_s: float
    total_s: float
    sent: int
    plays_per_s: float
    latency: Latency
    lag: int
    quality: Quality
    listener: ListenerView | None
    trend: TrendView
    titles: Mapping[str, str] = field(default_factory=dict)
    """Titles and artists by id; of other tracks the id is shown."""
    fraud: FraudView = field(default_factory=FraudView)

    def title(self, track_id: str) -> str:
        """What a track is called in the view."""
        return self.titles.get(track_id, track_id)


def draw(snapshot: Snapshot) -> RenderableType:
    """The whole view: 26 lines high, as wide as the terminal, for 80 characters and more."""
    above = Table.grid(expand=True, padding=(0, 1))
    above.add_column(ratio=1)
    above.add_column(ratio=1)
    above.add_row(_figures_panel(snapshot), _trend_panel(snapshot))
    return Group(_progress(snapshot), above, _listener_panel(snapshot))


def milliseconds(value_ms: float | None) -> str:
    """A latency for people; a dash if there is none."""
    return "–" if value_ms is None else f"{value_ms:.1f} ms"


def percent(share: float | None) -> str:
    """A share for people; a dash if there is none."""
    return "–" if share is None else f"{100 * share:.1f} %"


def place_mark(moved: int | None) -> Text:
    """What happened to a track in a list: `new`, places up or down, or nothing."""
    if moved is None:
        return Text("new", style="bold green")
    if moved == 0:
        return Text()
    arrow, style = ("▲", "green") if moved > 0 else ("▼", "red")
    return Text(f"{arrow}{abs(moved)}", style=style)


def _progress(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    shown_s = min(snapshot.elapsed_s, snapshot.total_s)
    grid.add_row(
        Text("Segue demo", style="bold"),
        ProgressBar(total=snapshot.total_s, completed=shown_s, width=40),
        Text(f"{shown_s:.0f} of {snapshot.total_s:.0f} s, {snapshot.sent:,} plays sent"),
    )
    return grid


def _figures_panel(snapshot: Snapshot) -> Panel:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", style="bold", no_wrap=True)
    quality = snapshot.quality
    for name, value in (
        ("plays a second", f"{snapshot.plays_per_s:,.0f}"),
        ("play → Redis, p50", milliseconds(snapshot.latency.p50_ms)),
        ("play → Redis, p99", milliseconds(snapshot.latency.p99_ms)),
        ("lag, records", f"{snapshot.lag:,}"),
        ("plays kept from others", f"{sum(snapshot.fraud.held.values()):,}"),
        ("next play in our top 10", percent(quality.next)),
        ("  in the popular top 10", percent(quality.popular)),
        ("  plays tested", f"{quality.trials:,}"),
    ):
        grid.add_row(name, value)
    return Panel(grid, title="now", title_align="left")


def _trend_panel(snapshot: Snapshot) -> Panel:
    trend = snapshot.trend
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(justify="right", style="dim", no_wrap=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    for place in range(TRENDS_SHOWN):
        cells = _trending_cells(snapshot, place) if place < len(trend.tracks) else ()
        grid.add_row(str(place + 1), *cells)
    awaited = "" if trend.awaited is None else _awaited(trend, snapshot.title(trend.awaited))
    grid.add_row("", Text(awaited, style="yellow"), "", "")
    return Panel(grid, title="trending in the world", title_align="left")


def _trending_cells(snapshot: Snapshot, place: int) -> tuple[Text, Text, Text]:
    track = snapshot.trend.tracks[place]
    style = "bold yellow" if track.track_id == snapshot.trend.awaited else ""
    return (
        Text(snapshot.title(track.track_id), style=style),
        Text(f"{track.score:.0f}"),
        track.mark,
    )


def _awaited(trend: TrendView, title: str) -> str:
    if trend.in_s is not None:
        return f"in {trend.in_s:.0f} s: {title}"
    if trend.place is None:
        return f"not yet there: {title}"
    return f"place {trend.place} {trend.tracks[trend.place - 1].mark.plain}".rstrip() + f": {title}"


def _listener_panel(snapshot: Snapshot) -> Panel:
    listener = snapshot.listener
    if listener is None:
        return Panel(Text("waiting for somebody to play a few tracks"), title="one listener")
    grid = Table.grid(expand=True, padding=(0, 1))
    for _ in ("next", "discover"):
        grid.add_column(justify="right", style="dim", no_wrap=True)
        grid.add_column(width=4, no_wrap=True)
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_row("", "", Text("next", style="bold"), "", "", Text("discover", style="bold"))
    for place in range(SHOWN):
        cells = (_cells(snapshot, shown, place) for shown in (listener.next, listener.discover))
        grid.add_row(*chain.from_iterable(cells))
    plays = Text("just played  ", no_wrap=True, overflow="ellipsis")
    for play in listener.plays[:PLAYS_SHOWN]:
        style = "strike" if play.end_reason == "skipped" else "bold"
        plays.append(snapshot.title(play.track_id), style=style)
        plays.append("   ")
    title = Text(f"{listener.user_id} (followed lists changed {listener.changes} times)")
    return Panel(Group(plays, Text(), grid), title=title, title_align="left")


def _cells(snapshot: Snapshot, entries: Sequence[Entry], place: int) -> tuple[Text, Text, Text]:
    if place >= len(entries):
        return Text(str(place + 1)), Text(), Text()
    entry = entries[place]
    return Text(str(place + 1)), place_mark(entry.moved), Text(snapshot.title(entry.track_id))

"""Lists from Redis as tables for a terminal. Pure: a value in, a rich table out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.outputs import RecommendationList, SimilarTracks, TrendingTracks
from segue.client.movement import movement
from segue.client.reasons import reason

__all__ = ["recommendation_table", "similar_table", "trend_table"]

WEIGHT_UNIT: Final = 2520
"""What a track's weight grows by when another is played directly before or after it."""


def recommendation_table(found: RecommendationList) -> RenderableType:
    """A listener's `next` or `discover` list, best first."""
    reasons = [reason(found, i) for i in range(len(found.track_ids))]
    table = _table(found.track_ids, found.scores, ("because", reasons))
    return _titled(f"{found.kind} for {found.user_id}", table, found.at_ms, found.version)


def similar_table(found: SimilarTracks) -> RenderableType:
    """The tracks similar to one, most similar first; 1 is once played side by side."""
    table = _table(found.track_ids, [weight / WEIGHT_UNIT for weight in found.scores])
    title = f"similar to {found.track_id}, played {found.plays:,} times"
    return _titled(title, table, found.at_ms, found.version)


def trend_table(found: TrendingTracks) -> RenderableType:
    """A market's trending tracks, most played first."""
    moves = [movement(found, i) for i in range(len(found.track_ids))]
    table = _table(found.track_ids, found.scores, ("moves", moves))
    title = f"trending in {found.market}, by the {found.window}"
    return _titled(title, table, found.at_ms, found.version)


def _titled(title: str, table: Table, at_ms: int, version: str) -> RenderableType:
    at = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    below = Text(f"computed {at} UTC, version {version}", style="dim")
    return Group(Text(title, style="bold"), table, below)


def _table(
    track_ids: Sequence[str],
    scores: Sequence[float],
    more: tuple[str, Sequence[str]] | None = None,
) -> Table:
    """`more` is one more column: its name and what is in it."""
    table = Table()
    table.add_column("#", justify="right", style="dim")
    table.add_column("track", overflow="fold")
    table.add_column("score", justify="right")
    if more is not None:
        table.add_column(more[0], overflow="fold")
    for place, (track_id, score) in enumerate(zip(track_ids, scores, strict=True), start=1):
        last = () if more is None else (Text(more[1][place - 1]),)
        # Ids hold any characters, so they go in as Text: rich would read brackets as markup.
        table.add_row(str(place), Text(track_id), f"{score:,.4g}", *last)
    return table

"""The demo without a terminal: plain lines, one a second, and one when the lists changed."""

from __future__ import annotations

from collections.abc import Sequence

from segue.demo.follow import Entry, ListenerView
from segue.demo.view import Snapshot, milliseconds, percent, place_mark

__all__ = ["change_line", "status_line"]

_TRACKS = 3


def status_line(snapshot: Snapshot) -> str:
    """The figures of a snapshot in one line."""
    parts = [
        f"{snapshot.elapsed_s:3.0f} s",
        f"{snapshot.sent:,} plays sent",
        f"{snapshot.plays_per_s:,.0f}/s",
        f"play to Redis p50 {milliseconds(snapshot.latency.p50_ms)}",
        f"p99 {milliseconds(snapshot.latency.p99_ms)}",
        f"lag {snapshot.lag:,}",
        f"hit rate {percent(snapshot.quality.next)} (popular {percent(snapshot.quality.popular)})",
    ]
    if snapshot.fraud.held:
        parts.append(f"held back: {snapshot.fraud.words()}")
    trend = snapshot.trend
    if trend.awaited is not None and trend.in_s is None and trend.place is not None:
        moves = trend.tracks[trend.place - 1].mark.plain
        parts.append(
            f"{snapshot.title(trend.awaited)} trends, place {trend.place} {moves}".rstrip()
        )
    return "  ".join(parts)


def change_line(snapshot: Snapshot, listener: ListenerView) -> str:
    """What a listener played and what their lists became by it."""
    played = snapshot.title(listener.plays[0].track_id) if listener.plays else "nothing"
    upcoming, fresh = (_entries(snapshot, shown) for shown in (listener.next, listener.discover))
    return f"      {listener.user_id} played {played} | next: {upcoming} | discover: {fresh}"


def _entries(snapshot: Snapshot, entries: Sequence[Entry]) -> str:
    return ", ".join(
        f"{snapshot.title(entry.track_id)} {place_mark(entry.moved).plain}".rstrip()
        for entry in entries[:_TRACKS]
    )

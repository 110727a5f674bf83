"""How the demo ends: what happened, in a table, and how to look further, with real ids."""

from __future__ import annotations

from urllib.parse import urlsplit

from rich.table import Table

from schemas.rediskeys import next_key
from segue.demo.show import Outcome
from segue.demo.view import milliseconds, percent
from segue.local.state import Endpoints

__all__ = ["look_further", "summary_table"]


def summary_table(outcome: Outcome) -> Table:
    """The whole run in figures."""
    snapshot = outcome.snapshot
    table = Table(title="What happened", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    if outcome.first_list_s is not None:
        waited = f"{outcome.first_list_s:.1f} s"
        table.add_row("first list in Redis, after the command", waited)
    table.add_row("plays sent", f"{snapshot.sent:,}")
    for name, count in outcome.outcomes.items():
        table.add_row(f"  {name}", f"{count:,}")
    table.add_row("play → list in Redis, median", milliseconds(outcome.latency.p50_ms))
    table.add_row("play → list in Redis, 99 of 100 within", milliseconds(outcome.latency.p99_ms))
    quality = snapshot.quality
    table.add_row("next play was in the list of 10", percent(quality.next))
    table.add_row("  with the most popular instead", percent(quality.popular))
    fraud = snapshot.fraud
    if fraud.held:
        table.add_row("listeners suspected", f"{fraud.suspected:,}")
        table.add_row("plays kept from others", fraud.words())
    trend = snapshot.trend
    if trend.awaited is not None:
        place = "not among the first" if trend.place is None else f"place {trend.place}"
        table.add_row(f"trending: {snapshot.title(trend.awaited)}", place)
    if snapshot.listener is not None:
        table.add_row("followed lists seen to change", f"{snapshot.listener.changes} times")
    return table


def look_further(outcome: Outcome, endpoints: Endpoints, *, running: bool) -> list[str]:
    """Commands for going on, with ids that exist. `running` tells whether the stack still does."""
    listener = outcome.snapshot.listener
    lines = ["How to look further:"]
    if not running:
        lines.append(
            "  segue up               (everything is stopped now; what was learned is kept)"
        )
    if listener is not None:
        lines += [f"  segue next {listener.user_id}", f"  segue discover {listener.user_id}"]
        if listener.plays:
            lines.append(f"  segue similar {listener.plays[0].track_id}")
    if outcome.snapshot.fraud.cheats:
        lines.append(f"  segue explain {outcome.snapshot.fraud.cheats[0]}")
    lines.append("  segue trends")
    if listener is not None:
        port = urlsplit(endpoints.redis_url).port or 6379
        lines.append(f"  redis-cli -p {port} GET {next_key(listener.user_id)}")
    if running and endpoints.workers:
        lines.append(f"  curl http://127.0.0.1:{endpoints.workers[0].web_port}/metrics")
    return lines

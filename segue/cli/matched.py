"""What `segue check` says of a file: a line of JSON, or a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from segue.cli.recordings import shown

if TYPE_CHECKING:
    from models.match.finding import Finding, Transform
    from segue.cli.matching import Checked

__all__ = ["change", "clock_time", "matched_row", "matched_table"]

_NEAR: Final = 0.005


def matched_row(checked: Checked, findings: Sequence[Finding]) -> dict[str, Any]:  # Any: JSON
    """As `--json` has it. Times are seconds; those of the reference before its changes."""
    row: dict[str, Any] = {
        "file": shown(checked.path),
        "matches": [_match(one) for one in findings],
    }
    if checked.error is not None:
        row["error"] = checked.error
    return row


def matched_table(findings: Sequence[Finding]) -> Table:
    """Matches in the order of their time in the file."""
    table = Table()
    table.add_column("reference", overflow="fold", min_width=12)
    for heading in ("in the file", "in the reference", "changed", "probability"):
        table.add_column(heading, min_width=8)
    for one in findings:
        span = one.span
        places = f"\nor at {one.repeats} more" if one.repeats else ""
        table.add_row(
            Text(one.reference),
            f"{clock_time(span.query_start_s)}–{clock_time(span.query_end_s)}",
            f"{clock_time(span.reference_start_s)}–{clock_time(span.reference_end_s)}{places}",
            change(one.transform),
            f"{one.probability:.4f}",
        )
    return table


def change(transform: Transform) -> str:
    """What was done to a recording, in words.

    >>> from models.match.finding import Transform
    >>> change(Transform(1.25, 0.0, 1.0)), change(Transform(1.0, -1.5, 0.93))
    ('speed × 1.25', 'pitch -1.5, tempo × 0.93')
    >>> change(Transform(1.0, 0.0, 1.002))
    'not'
    """
    speed, pitch, tempo = transform
    said = [
        f"speed × {speed:.3g}" if abs(speed - 1) > _NEAR else "",
        f"pitch {pitch:+.1f}" if pitch else "",
        f"tempo × {tempo:.3g}" if abs(tempo - 1) > _NEAR else "",
    ]
    return ", ".join(filter(None, said)) or "not"


def clock_time(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock_time(75.04), clock_time(3671.5), clock_time(-0.04), clock_time(59.96)
    ('1:15.0', '1:01:11.5', '0:00.0', '1:00.0')
    """
    tenths = max(0, round(seconds * 10))
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    ahead = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{ahead}:{rest // 10:02}.{rest % 10}"


def _match(one: Finding) -> dict[str, Any]:  # Any: JSON
    span, transform = one.span, one.transform
    return {
        "reference": one.reference,
        "probability": round(one.probability, 6),
        "query_start_s": _second(span.query_start_s),
        "query_end_s": _second(span.query_end_s),
        "reference_start_s": _second(span.reference_start_s),
        "reference_end_s": _second(span.reference_end_s),
        "speed": round(transform.speed, 4),
        "pitch_semitones": round(transform.pitch_semitones, 2),
        "tempo": round(transform.tempo, 4),
        "repeats": one.repeats,
    }


def _second(value: float) -> float:
    """Milliseconds are enough; an alignment may begin a frame before the recording does."""
    return round(max(0.0, value), 3)

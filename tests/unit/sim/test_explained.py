"""What `segue explain` draws: facts, signs in words, both lists; ids as they are."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from models.recommend.conduct import Conduct, signs
from schemas.outputs import RecommendationList
from segue.cli.explained import Explanation, Known, SaidView, SignView, draw

NOW_MS = 1_800_000_000_000
LIST = RecommendationList(
    "7", "[b]u", "next", NOW_MS - 90_000, ["[i]x"], [1.0], ["often"], [-1], []
)


def known(conduct: Conduct, **fields: Any) -> Known:
    values: dict[str, Any] = {
        "written_at_ms": NOW_MS - 500,
        "plays": 1_234,
        "newest_at_ms": NOW_MS - 3 * 3_600_000,
        "market": "SE",
        "session": [f"[t]{i}" for i in range(12)],
        "recent": ["a", "a", "b"],
        "heard": 2,
        "said": [SaidView("blocks", "z", 0)],
        "suspected": [*conduct.reasons],
        "counts": not conduct.reasons,
        "signs": [SignView(*sign) for sign in signs(conduct)],
        "anomaly": None,
    }
    return Known(**(values | fields))


def shown(found: Explanation) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(draw(found, now_ms=NOW_MS))
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()


def test_a_trusted_listener_is_shown_with_facts_and_lists() -> None:
    text = shown(Explanation("[b]u", 3, known(Conduct(awake_ms=36 * 3_600_000)), LIST, None))
    for expected in (
        "[b]u",
        "1,234, the newest began 3 h ago",
        "[t]9, and 2 more",
        "2 tracks, 3 plays",
        "blocks z",
        "partition 3, written 0.5 s ago",
        "yes; repeats",
        "36.0 hours",
        "120.0 hours",
        "60.0 hours",
        "not looked at yet",
        "[i]x",
        "played often",
        "90.0 s old",
        "no list `discover`",
    ):
        assert expected in text
    assert "suspected\n" not in text


def test_a_suspected_listener_is_told_why_in_words() -> None:
    conduct = Conduct(ahead_ms=30 * 3_600_000, cut_count=55, suspicion=0b101, score=912_345)
    text = shown(Explanation("bot", 0, known(conduct, anomaly=0.912345), None, None))
    assert "no: more listening than time passed, plays cut short" in text
    assert "0.91 of 1" in text
    counted = known(conduct, counts=True)
    assert "yes, though suspected: more" in shown(Explanation("bot", 0, counted, None, None))


def test_a_listener_without_state_is_told_so() -> None:
    assert "no state" in shown(Explanation("ann", 0, None, LIST, None))


@pytest.mark.parametrize(
    ("field", "value", "reason", "amount", "mark"),
    [
        ("ahead_ms", 5_400_000, "overlap", 1.5, 24),
        ("awake_ms", 5_400_000, "restless", 1.5, 120),
        ("looped_ms", 5_400_000, "loop", 1.5, 24),
        ("cut_count", 7, "cut", 7, 40),
    ],
)
def test_a_sign_is_read_off_its_own_bucket(
    field: str, value: int, reason: str, amount: float, mark: float
) -> None:
    (sign,) = (sign for sign in signs(Conduct(**{field: value})) if sign.amount)
    assert (sign.reason, sign.amount, sign.mark) == (reason, amount, mark)

"""Every law of the recommender, on logs that Hypothesis draws."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.checks import Case, Law, yield_checks
from models.recommend import ListenerLimits, warm
from models.recommend.kernels.candidates import Rates
from models.recommend.kernels.listener import HIDDEN_MS
from schemas.events import Feedback, FeedbackKind, PlayEvent

START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warm()


@st.composite
def plays(draw: st.DrawFn, number: int) -> PlayEvent:
    """Few listeners, tracks and sessions, so that everything meets; times mostly go forward."""
    step_ms = draw(st.sampled_from([0, 60_000, 20 * 60_000, HOUR_MS, -HOUR_MS, -3 * HOUR_MS]))
    return PlayEvent(
        event_id=draw(st.sampled_from([f"new-{number}", f"new-{number}", "again", "twice"])),
        user_id=draw(st.sampled_from(["ann", "bob", "cid", "dör"])),
        track_id=f"track-{draw(st.integers(0, 8))}",
        started_at_ms=START_MS + number * 10 * 60_000 + step_ms,
        played_ms=draw(st.sampled_from([0, 24_999, 25_000, 29_999, 30_000, 200_000])),
        duration_ms=draw(st.sampled_from([0, 50_000, 200_000])),
        end_reason=draw(st.sampled_from(["finished", "skipped", "stopped", "error"])),
        session_id=draw(st.sampled_from([None, None, "morning", "evening"])),
        artist=draw(st.sampled_from([None, "Abba", " ABBA", "Kino"])),
        market=draw(st.sampled_from([None, "SE", "BR", "JP", "world"])),
    )


@st.composite
def feedback(draw: st.DrawFn, number: int) -> Feedback:
    kind = draw(st.sampled_from(get_args(FeedbackKind)))
    of_artist = kind.endswith("artist") or (kind == "undo" and draw(st.booleans()))
    artist = st.sampled_from(["ABBA", "kino "])
    return Feedback(
        event_id=f"said-{number}",
        user_id=draw(st.sampled_from(["ann", "bob", "eve"])),
        kind=kind,
        track_id=None if of_artist else f"track-{draw(st.integers(0, 8))}",
        at_ms=START_MS + draw(st.sampled_from([0, 0, HOUR_MS, number * 10 * 60_000])),
        artist=draw(artist if of_artist else st.none() | artist),
        artists=tuple(draw(st.lists(artist, max_size=3))),
        genres=tuple(draw(st.lists(st.sampled_from(["Pop", "pop", ""]), max_size=2))),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(1, 60))
    kinds = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    events = [draw(plays(i)) if kind else draw(feedback(i)) for i, kind in enumerate(kinds)]
    batch = draw(st.integers(1, 20))
    return Case(
        events=events,
        batch=batch,
        cut=draw(st.integers(0, (count - 1) // batch)),
        limits=ListenerLimits(
            listeners_max=draw(st.sampled_from([1, 2, 3, 100])),
            dedupe_window=draw(st.sampled_from([1, 2, 64])),
        ),
        tracks_max=draw(st.sampled_from([1, 2, 5, 100])),
        vocabulary_limit=draw(st.sampled_from([1, 1000])),
        at_ms=draw(st.sampled_from([0, START_MS + HIDDEN_MS + HOUR_MS // 2])),
        rates=draw(st.sampled_from([Rates(), Rates(0.5, 0.2)])),
    )


@pytest.mark.parametrize("law", [*yield_checks()], ids=lambda law: law.__name__)
@settings(
    max_examples=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(case=cases())
def test_law_holds(law: Law, case: Case) -> None:
    law(case)

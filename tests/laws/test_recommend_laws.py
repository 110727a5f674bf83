"""Every law of the recommender, on logs that Hypothesis draws."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from models.checks import Case, Law, yield_checks
from models.recommend import ListenerLimits, warm
from models.recommend.conduct import ConductTally
from models.recommend.kernels.listener import HIDDEN_MS
from models.recommend.kernels.scene import Rates
from models.recommend.laws.driving import Event, new_listeners
from models.recommend.vocabulary import hash32
from schemas.audio import AudioNeighbour, AudioNeighbours
from schemas.events import Feedback, FeedbackKind, PlayEvent, PrivacyRequest
from schemas.tracks import CatalogueEntry, Credit
from segue.testing.characters import CHEATS, heavy_listener

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
        languages=tuple(draw(st.lists(st.sampled_from(["PT-br", "sv", "is"]), max_size=2))),
    )


@st.composite
def erasures(draw: st.DrawFn, number: int) -> PrivacyRequest:
    """At about the time of the plays around it, or long before or after."""
    step_ms = draw(st.sampled_from([0, HOUR_MS, -3 * HOUR_MS, 48 * HOUR_MS]))
    return PrivacyRequest(
        event_id=f"asked-{number}",
        user_id=draw(st.sampled_from(["ann", "bob", "eve"])),
        kind="erase",
        at_ms=START_MS + number * 10 * 60_000 + step_ms,
    )


@st.composite
def entries(draw: st.DrawFn, number: int) -> CatalogueEntry:
    """Of tracks that are played and of some that are not; a later entry replaces an earlier one."""
    names = st.sampled_from(["Abba", "abba ", "Ann"])
    return CatalogueEntry(
        f"track-{draw(st.integers(0, 11))}",
        f"Title {number}",
        tuple(Credit(name) for name in draw(st.lists(names, max_size=2))),
        draw(st.sampled_from([None, "Tide", "Rain"])),
        released_on=draw(st.sampled_from([None, "1999", "1999-06", "2001-01-01"])),
        genres=tuple(draw(st.lists(st.sampled_from(["pop", "Pop", "jazz"]), max_size=3))),
        language=draw(st.sampled_from([None, "pt-BR", "pt", "sv"])),
    )


@st.composite
def sounds(draw: st.DrawFn) -> AudioNeighbours:
    """Of tracks that are played, of some that are not; a later one replaces an earlier one."""
    names = draw(st.lists(st.integers(0, 14), min_size=2, max_size=8, unique=True))
    track, *others = (f"track-{number}" for number in names)
    near = sorted((draw(st.sampled_from([1.0, 0.9, 0.5, 0.01])) for _ in others), reverse=True)
    alike = (AudioNeighbour(*each) for each in zip(others, near, strict=True))
    return AudioNeighbours(track, tuple(alike))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(1, 60))
    kinds = draw(st.lists(st.integers(0, 19), min_size=count, max_size=count))
    drawn: dict[int, Callable[[int], st.SearchStrategy[Event]]]
    drawn = {0: feedback, 1: feedback, 2: erasures}
    events = [draw(drawn.get(kind, plays)(i)) for i, kind in enumerate(kinds)]
    batch = draw(st.integers(1, 20))
    return Case(
        events=events,
        batch=batch,
        cut=draw(st.integers(0, (count - 1) // batch)),
        limits=ListenerLimits(
            listeners_max=draw(st.sampled_from([1, 2, 3, 100])),
            dedupe_window=draw(st.sampled_from([1, 2, 64])),
            erasures_max=draw(st.sampled_from([1, 100])),
            erasure_memory_ms=draw(st.sampled_from([HOUR_MS, 1000 * HOUR_MS])),
        ),
        tracks_max=draw(st.sampled_from([1, 2, 5, 100])),
        vocabulary_limit=draw(st.sampled_from([1, 1000])),
        at_ms=draw(st.sampled_from([0, START_MS + HIDDEN_MS + HOUR_MS // 2])),
        rates=draw(st.sampled_from([Rates(), Rates(0.5, 0.2)])),
        entries=[draw(entries(i)) for i in range(draw(st.sampled_from([0, 0, 5, 20])))],
        sounds=draw(st.lists(sounds(), max_size=draw(st.sampled_from([0, 12])))),
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


@pytest.fixture(scope="module")
def cheating() -> Case:
    """A looper, two bots and a person at once; those who cheat are found on the way."""
    kinds = (*(CHEATS[name] for name in ("cut", "overlap", "loop")), heavy_listener)
    plays = [play for kind in kinds for play in islice(kind(1), 90)]
    plays += [*islice(CHEATS["overlap"](2), 520)]
    limits = ListenerLimits(plays_per_look=2)
    events = [
        replace(play, track_id=f"track-{hash32(play.track_id) % 40}")  # fewer than a row holds
        for play in sorted(plays, key=lambda play: play.started_at_ms)
    ]
    return Case(events=events, batch=97, cut=5, limits=limits, vocabulary_limit=1000)


@pytest.mark.parametrize("law", [*yield_checks()], ids=lambda law: law.__name__)
def test_law_holds_where_some_cheat(law: Law, cheating: Case) -> None:
    law(cheating)


def test_the_cheats_of_the_case_are_found(cheating: Case) -> None:
    state = new_listeners(cheating)
    found = state.learn([event for event in cheating.events if isinstance(event, PlayEvent)])
    tally = ConductTally.of(state.arrays)
    assert found.tally()["held"] == sum(tally.held)
    assert (tally.suspected, min(tally.held[0], tally.held[2], tally.held[4]) > 40) == (
        (1, 0, 1, 0),
        True,
    )

"""Who is suspected after how many plays, who is not, and what becomes of their plays."""

from __future__ import annotations

from itertools import islice

import pytest

from models.recommend import OUTCOMES, ListenerState
from models.recommend.conduct import SUSPICIONS, Conduct, ConductTally
from models.recommend.reference import ReferenceListeners
from schemas.events import PlayEvent
from segue.sim.simulator import Simulator
from segue.testing.characters import CHEATS, PEOPLE, Character
from segue.testing.stage_a import MINUTE, T0, outcomes, play, state, weights

HOUR = 60 * MINUTE


def conduct(listeners: ListenerState, user: str = "ann") -> Conduct:
    found = listeners.snapshot(user)
    assert found is not None
    return found.conduct


def cut(number: int, **fields: object) -> PlayEvent:
    """31 seconds of another track, half a minute after the last."""
    values = {"played_ms": 31_000, "duration_ms": 200_000, "end_reason": "stopped"}
    return play(f"t{number}", T0 + number * 32_000, **(values | fields))


def suspected_at(plays: list[PlayEvent]) -> tuple[int, tuple[str, ...]] | None:
    """The number of the play by which its listener is suspected, from 1, and why."""
    listeners = state(listeners_max=1)
    for number, event in enumerate(plays, start=1):
        listeners.learn([event])
        if reasons := conduct(listeners, event.user_id).reasons:
            return number, reasons
    return None


@pytest.mark.parametrize(
    ("kind", "earliest", "latest"),
    [
        ("cut", 40, 40),
        ("cut, jittered", 40, 70),
        ("overlap", 400, 550),
        ("loop", 500, 1100),
        ("restless", 1900, 2050),
        ("loop, farm", 1400, 2100),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_cheat_is_suspected_after(kind: str, earliest: int, latest: int, seed: int) -> None:
    plays, listeners = [*islice(CHEATS[kind](seed), latest)], state(listeners_max=1)
    listeners.learn(plays[: earliest - 1])
    assert conduct(listeners, plays[0].user_id).reasons == ()
    listeners.learn(plays[earliest - 1 :])
    assert conduct(listeners, plays[0].user_id).reasons == (kind.partition(",")[0],)


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_nobody_who_listens_for_themselves_is_suspected(person: Character, seed: int) -> None:
    listeners = state(listeners_max=1)
    listeners.learn([*islice(person(seed), 4_000)])
    assert ConductTally.of(listeners.arrays).suspected == (0, 0, 0, 0)


@pytest.mark.parametrize("seed", range(12))
def test_no_listener_of_the_simulator_is_suspected(seed: int) -> None:
    listeners = state(listeners_max=60)
    simulator = Simulator(seed, listeners=60, tracks=2_000, trend_after=5_000)
    held = sum(listeners.learn([*simulator.plays(1_000)]).tally().get("held", 0) for _ in range(15))
    assert ConductTally.of(listeners.arrays).suspected == (0, 0, 0, 0)
    assert held < 0.04 * 15_000, "a favourite now and then"


@pytest.mark.parametrize(
    ("person", "share"), [("heavy_listener", 0.0), ("shop", 0.0), ("album_evening", 0.55)]
)
def test_a_heavy_listener_loses_repeats_at_most(person: str, share: float) -> None:
    (character,) = (kind for kind in PEOPLE if kind.__name__ == person)
    listeners = state()
    plays = [*islice(character(5), 2_000)]
    tally = listeners.learn(plays).tally()
    assert tally.get("held", 0) <= share * len(plays)
    assert ConductTally.of(listeners.arrays).held[:4] == (0, 0, 0, 0)


def test_plays_of_the_suspected_count_for_nobody_else_and_make_their_own_lists() -> None:
    listeners = state()
    listeners.learn([cut(i) for i in range(40)])
    assert conduct(listeners).reasons == ("cut",)
    weights(listeners)
    listeners.drain_trend_counts()
    more = [
        cut(40, artist="Abba", market="SE"),
        cut(41, played_ms=10_000, end_reason="skipped"),
        play("late", T0 - 2 * HOUR),
    ]
    learned = listeners.learn(more)
    assert [OUTCOMES[code] for code in learned.outcomes] == ["held", "skipped", "late"]
    assert weights(listeners) == {}
    assert listeners.drain_trend_counts() == []
    found = listeners.snapshot("ann")
    assert found is not None
    assert (found.plays, found.recent[0], found.context[0]) == (43, "t40", "t40")
    slot = listeners.slot("ann")
    assert learned.touched == [slot]
    assert slot is not None
    assert listeners.has_heard(slot, "late")


def test_the_play_that_fills_the_bucket_is_held_itself() -> None:
    assert outcomes(state(), *(cut(i) for i in range(41)))[38:] == ["applied", "held", "held"]


def test_plays_are_held_by_reason() -> None:
    listeners = state()
    listeners.learn([cut(i) for i in range(45)])
    listeners.learn([play("x", T0 + 10 * HOUR + i) for i in range(6)])
    assert ConductTally.of(listeners.arrays) == ((0, 0, 12, 0, 0), (0, 0, 1, 0), 0)
    other = state()
    other.learn([play("x", T0 + i * HOUR) for i in range(6)])
    assert ConductTally.of(other.arrays) == ((0, 0, 0, 0, 2), (0, 0, 0, 0), 0)


def test_trust_comes_back_at_half_the_mark_and_not_before() -> None:
    listeners = state()
    listeners.learn([cut(i) for i in range(40)])
    whole = [play(f"w{i}", T0 + HOUR + i * 4 * MINUTE) for i in range(22)]
    found = outcomes(listeners, *whole)
    assert found == 20 * ["held"] + 2 * ["applied"]
    assert conduct(listeners).reasons == ()
    assert ConductTally.of(listeners.arrays).trusted == 1


def test_a_bucket_holds_twice_its_mark_so_that_trust_is_not_out_of_reach() -> None:
    listeners = state()
    listeners.learn([cut(i) for i in range(500)])
    assert conduct(listeners).cut_count == 80


def test_the_fifth_play_of_a_track_among_51_is_a_repeat() -> None:
    listeners = state()
    again = [play("x", T0 + i * HOUR) for i in range(5)]
    assert outcomes(listeners, *again) == [*4 * ["applied"], "held"]
    others = [play(f"t{i}", T0 + (5 + i) * HOUR) for i in range(46)]
    assert {*outcomes(listeners, *others)} == {"applied"}
    assert outcomes(listeners, play("x", T0 + 60 * HOUR)) == ["held"]
    assert outcomes(listeners, *(play(f"u{i}", T0 + (61 + i) * HOUR) for i in range(5)))
    assert outcomes(listeners, play("x", T0 + 70 * HOUR)) == ["applied"]


def test_plays_that_do_not_say_how_long_was_heard_are_no_evidence() -> None:
    listeners = state()
    silent = [play("x", T0 + i, played_ms=0, duration_ms=0) for i in range(500)]
    assert {*outcomes(listeners, *silent)} == {"applied"}
    assert conduct(listeners) == Conduct()


def test_a_preview_of_thirty_seconds_is_not_a_cut() -> None:
    assert suspected_at([cut(i, played_ms=30_000) for i in range(200)]) is None


def test_a_track_stopped_in_its_last_tenth_is_not_a_cut() -> None:
    assert suspected_at([cut(i, played_ms=36_000, duration_ms=40_000) for i in range(200)]) is None
    assert suspected_at([cut(i, played_ms=35_999, duration_ms=40_000) for i in range(200)])


def test_plays_all_cut_at_the_same_length_are_found_however_long() -> None:
    alike = [cut(i, played_ms=95_000 + (i % 2) * 1_000) for i in range(60)]
    assert suspected_at(alike) == (41, ("cut",))
    varied = [cut(i, played_ms=95_000 + (i % 2) * 1_001) for i in range(60)]
    assert suspected_at(varied) is None


def test_a_pause_within_a_track_is_not_listening() -> None:
    paused = [play(f"t{i}", T0 + i, played_ms=20 * HOUR) for i in range(50)]
    assert suspected_at(paused) is None


def test_nothing_is_held_where_an_operator_only_wants_to_know() -> None:
    listeners = state(hold_suspicious=False)
    assert {*outcomes(listeners, *(cut(i) for i in range(60)))} == {"applied"}
    assert conduct(listeners).reasons == ("cut",)
    assert ConductTally.of(listeners.arrays) == ((0, 0, 0, 0, 0), (0, 0, 1, 0), 0)


def test_suspicion_is_kept_in_the_record() -> None:
    before, after = state(), state()
    before.learn([cut(i) for i in range(40)])
    for key, value in before.changes():
        after.restore(key, value)
    assert conduct(after) == conduct(before)
    assert outcomes(after, cut(40)) == ["held"]


def test_a_new_listener_does_not_inherit_the_conduct_of_the_one_evicted() -> None:
    listeners = state(listeners_max=1)
    listeners.learn([cut(i) for i in range(40)])
    assert outcomes(listeners, cut(41, user_id="bob")) == ["applied"]
    assert conduct(listeners, "bob").cut_count == 1


@pytest.mark.parametrize("kind", CHEATS)
def test_compiled_conduct_equals_the_reference_over_days(kind: str) -> None:
    listeners, reference = (
        state(plays_per_look=3),
        ReferenceListeners(state(plays_per_look=3).limits),
    )
    for event in islice(CHEATS[kind](9), 2_200):
        assert outcomes(listeners, event) == reference.learn([event])
    user = event.user_id
    assert listeners.snapshot(user) == reference.snapshot(user)
    assert {*SUSPICIONS} & {*conduct(listeners, user).reasons}
    assert conduct(listeners, user).score > 0

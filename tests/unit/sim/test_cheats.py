"""The simulator's cheats: what they play, that people play the same beside them, who is caught."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from models.recommend.conduct import ConductTally
from schemas.events import PlayEvent
from segue.sim.cheats import FARM_TRACKS
from segue.sim.simulator import CHEATS_WAIT_MS, START_MS, Simulator
from segue.testing.stage_a import state


def simulated(*, bots: int, farm: int, count: int = 12_000) -> list[PlayEvent]:
    simulator = Simulator(3, listeners=300, tracks=600)
    if bots or farm:
        simulator.add_cheats(bots=bots, farm=farm)
    return [*simulator.plays(count)]


def of(plays: list[PlayEvent], kind: str) -> list[PlayEvent]:
    return [play for play in plays if play.user_id.startswith(kind)]


def test_a_bot_hears_31_seconds_of_any_track_without_a_rest() -> None:
    plays = of(simulated(bots=1, farm=0), "bot")
    assert all(31_000 <= play.played_ms < 31_500 for play in plays)
    starts = [play.started_at_ms for play in plays]
    assert max(b - a for a, b in pairwise(starts)) < 32_000
    assert len({play.track_id for play in plays}) > len(plays) / 2


def test_a_farm_plays_few_tracks_of_one_artist() -> None:
    plays = of(simulated(bots=0, farm=4), "farm")
    assert len({play.user_id for play in plays}) == 4
    assert len({play.track_id for play in plays}) <= FARM_TRACKS
    assert len({play.artist for play in plays}) == 1
    assert {play.end_reason for play in plays} == {"finished", "skipped"}


def test_cheats_begin_when_people_have_begun() -> None:
    plays = of(simulated(bots=2, farm=2), ("bot"))
    assert plays[0].started_at_ms >= START_MS + CHEATS_WAIT_MS


def test_who_cheats_is_caught_and_nobody_else() -> None:
    listeners = state(listeners_max=400)
    plays = simulated(bots=2, farm=5, count=20_000)
    outcomes = listeners.learn(plays).outcomes.tolist()
    tally = ConductTally.of(listeners.arrays)
    assert tally.suspected == (0, 0, 2, 0)
    held = Counter(
        play.user_id.split(":")[0]
        for play, outcome in zip(plays, outcomes, strict=True)
        if outcome == 4
    )
    counted = Counter(
        play.user_id for play, outcome in zip(plays, outcomes, strict=True) if outcome == 0
    )
    assert all(counted[f"bot:{number:03d}"] == 39 for number in range(2))
    assert all(counted[f"farm:{number:03d}"] <= 5 * FARM_TRACKS for number in range(5))
    assert held["listener"] < 0.05 * sum(counted.values())

"""The forest of conduct: warm-up, what it finds unusual, its record; it decides nothing."""

from __future__ import annotations

from itertools import islice

import pytest

from models.recommend import ListenerState
from models.recommend.forest import FOREST_KEY, ConductForest
from models.recommend.kernels.conduct import FEATURES
from models.recommend.plays import hash40
from segue.testing.characters import CHEATS, heavy_listener
from segue.testing.stage_a import state

USUAL = [0.0, 0.1, 0.0, 0.0, 0.9, 0.1, 0.2, 0.0]
WINDOW = 256


def warmed(forest: ConductForest | None = None) -> ConductForest:
    forest = forest or ConductForest()
    for _ in range(WINDOW):
        forest.score(USUAL)
    return forest


def test_there_is_no_score_before_the_first_window_is_full() -> None:
    forest = ConductForest()
    assert [forest.score(USUAL) for _ in range(WINDOW)] == WINDOW * [0]
    assert forest.score(USUAL) > 0


@pytest.mark.parametrize("feature", range(FEATURES))
def test_what_was_not_seen_is_more_unusual_than_what_was(feature: int) -> None:
    forest = warmed()
    strange = [*USUAL]
    strange[feature] = 1.0 if USUAL[feature] < 0.5 else 0.0
    assert forest.score(strange) > forest.score(USUAL)


def test_a_restored_forest_goes_on_as_the_first_would_have() -> None:
    original, restored = warmed(), ConductForest()
    original.score([0.5] * FEATURES)
    ((key, value),) = original.changes()
    assert key == FOREST_KEY
    restored.restore(value)
    looks = [[0.01 * i % 1] * FEATURES for i in range(300)]
    assert [restored.score(x) for x in looks] == [original.score(x) for x in looks]
    assert restored.changes() == original.changes()


def test_nothing_is_written_where_nothing_was_looked_at() -> None:
    forest = warmed()
    forest.changes()
    assert forest.changes() == []


def test_a_record_of_other_trees_is_left_aside_and_a_broken_one_refused() -> None:
    ((_, value),) = warmed().changes()
    assert value is not None
    forest = warmed()
    forest.restore(b"\x09" + value[1:])
    assert forest.score(USUAL) == 0
    for broken in (b"", value[:7], value[:-1]):
        with pytest.raises(ValueError, match="forest record"):
            forest.restore(broken)


def scores(listeners: ListenerState, character: str, count: int) -> list[float]:
    kind = CHEATS.get(character, heavy_listener)
    return [*listeners.learn([*islice(kind(1), count)]).looks]


def test_a_bot_stands_out_among_listeners_and_the_score_holds_nothing_back() -> None:
    listeners = state(plays_per_look=4)
    for seed in range(20):
        listeners.learn([*islice(heavy_listener(seed), 200)])
    usual = scores(listeners, "heavy", 200)
    strange = scores(listeners, "loop", 400)
    assert max(usual) < min(strange[-20:])
    looped = listeners.snapshot("endless-loop-1")
    assert looped is not None
    assert looped.conduct.score > 1_000_000 * max(usual)
    assert looped.conduct.reasons == ()


def test_one_play_in_sixty_four_is_looked_at_and_none_twice() -> None:
    listeners = state()
    plays = [*islice(heavy_listener(3), 6_400)]
    listeners.learn(plays)
    ((_, value),) = [(k, v) for k, v in listeners.changes() if k == FOREST_KEY]
    assert value is not None
    assert listeners.learn(plays[-64:]).tally() == {"duplicate": 64}
    assert listeners.changes() == []
    looks = sum(hash40(play.event_id) % 64 == 0 for play in plays)
    assert 60 < looks < 140
    assert int.from_bytes(value[5:7], "little") == looks % WINDOW

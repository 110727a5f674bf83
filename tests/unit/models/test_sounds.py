"""Audio neighbours in a worker: equal to plain rules, bounded, and what lists make of them."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommend.arms import WHOLE, Arms
from models.recommend.pipeline import Pipeline
from models.recommend.recommender import ServedLists
from models.recommend.sounds import Sounds
from models.recommend.vocabulary import Vocabulary
from schemas.audio import NEIGHBOURS_MAX, AudioNeighbour, AudioNeighbours
from schemas.events import Feedback, PlayEvent
from schemas.tracks import CatalogueEntry, Credit
from segue.testing.listening import Listening

START_MS = 1_700_000_000_000


def alike(track: str, /, **near: float) -> AudioNeighbours:
    return AudioNeighbours(track, tuple(AudioNeighbour(*each) for each in near.items()))


def play(number: int, track: str, user: str = "u") -> PlayEvent:
    at_ms = START_MS + 60_000 * number
    return PlayEvent(f"e{number}", user, track, at_ms, 60_000, 60_000, "finished")


def knowing(*found: AudioNeighbours) -> Pipeline:
    pipeline = Pipeline()
    pipeline.sounds.put(found)
    pipeline.learn([play(0, "old"), play(1, "now")])
    pipeline.propagate()
    return pipeline


def served(pipeline: Pipeline, user: str = "u") -> ServedLists:
    slot = pipeline.listeners.slot(user)
    assert slot is not None
    return pipeline.recommend([slot])[0]


names = st.integers(0, 12).map("t{}".format)
records = st.builds(
    lambda track, near: alike(track, **dict(sorted(near.items(), key=lambda each: -each[1]))),
    names,
    st.dictionaries(names, st.sampled_from([1.0, 0.5, 0.25]), min_size=1, max_size=NEIGHBOURS_MAX),
)


@settings(max_examples=100, deadline=None, print_blob=True)
@given(
    st.lists(records | names, max_size=60),
    st.sampled_from([1, 3, 8, 100]),
    st.integers(1, 9),
    st.sampled_from([1, 1000]),
)
def test_it_holds_what_was_put_last_and_the_newest_if_there_are_too_many(
    steps: list[AudioNeighbours | str], tracks_max: int, batch: int, limit: int
) -> None:
    words = Vocabulary(limit)
    sounds, plain, evictions = Sounds(words, tracks_max), OrderedDict[str, AudioNeighbours](), 0
    waiting: list[AudioNeighbours] = []
    for step in [*steps, "nothing"]:
        if isinstance(step, AudioNeighbours):
            waiting.append(step)
            plain[step.track_id] = step
            plain.move_to_end(step.track_id)
            if len(plain) > tracks_max:
                plain.popitem(last=False)
                evictions += 1
        if waiting and (isinstance(step, str) or len(waiting) == batch):
            sounds.put(waiting)
            waiting = []
        if isinstance(step, str):
            sounds.delete([step])
            plain.pop(step, None)
    assert (len(sounds), sounds.evictions) == (len(plain), evictions)
    for number in range(13):
        found = plain.get(f"t{number}")
        near = [(n.track_id, n.similarity) for n in found.neighbours] if found else []
        assert sounds.neighbours(f"t{number}") == near


def test_names_are_kept_as_long_as_a_track_sounds_like_them() -> None:
    words = Vocabulary(1)
    sounds = Sounds(words)
    sounds.put([alike("a", b=1.0), alike("c", d=0.5)])
    words.collect(sounds.used_ids())
    assert {*words.names} == {"", "a", "b", "c", "d"}
    sounds.delete(["a"])
    words.collect(sounds.used_ids())
    assert [words.find(name) > 0 for name in "abcd"] == [False, False, True, True]
    sounds.put([alike(f"t{i}", **{f"n{i}": 1.0}) for i in range(5_000)])  # ids grow past the room
    assert sounds.neighbours("c") == [("d", 0.5)]
    assert sounds.neighbours("t4999") == [("n4999", 1.0)]


def test_of_more_neighbours_than_a_record_may_hold_the_first_are_kept() -> None:
    sounds = Sounds(Vocabulary())
    many = {f"n{i}": 1 - i / 100 for i in range(2 * NEIGHBOURS_MAX)}
    sounds.put([alike("a", **many), alike("b", c=0.5)])
    assert [name for name, _ in sounds.neighbours("a")] == [*many][:NEIGHBOURS_MAX]
    assert sounds.audio.sizes[:2].tolist() == [NEIGHBOURS_MAX, 1]
    assert sounds.neighbours("b") == [("c", 0.5)]


def test_a_track_takes_at_most_180_bytes() -> None:
    arrays = Sounds(Vocabulary(), 1_000)._arrays
    columns = [*arrays.audio, arrays.owner, arrays.links, arrays.free]
    held = [column for column in columns if len(column) in (1_000, 1_001)]
    assert sum(column.nbytes / len(column) for column in held) == pytest.approx(180)


def test_a_track_never_played_is_in_both_lists_because_of_what_it_sounds_like() -> None:
    pipeline = knowing(alike("now", fresh=0.9, other=0.4), alike("old", far=0.7, other=0.6))
    lists = served(pipeline)
    for tracks, _, sources, because in (lists.next, lists.discover):
        found = dict(zip(tracks, zip(sources, because.tolist(), strict=True), strict=True))
        assert found["fresh"] == ("audio", 0)
        assert found["far"] == ("audio", 1)
        assert found["other"] == ("audio", 1), "0.8 x 0.6 is more than 0.4"


def test_untrained_rankers_order_by_sound_what_nothing_else_speaks_for() -> None:
    near = {f"t{i}": 1 - i / 20 for i in range(20)}
    lists = served(knowing(alike("now", **near)))
    assert lists.discover[0] == [*near]


def test_of_many_the_most_similar_to_the_newest_track_come_first() -> None:
    world = Listening(list_length=3)
    world.sounds.put([alike("now", a=0.5, b=0.25), alike("old", c=0.5, b=0.5)])
    world.plays("old", "now")
    world.trust("audio")
    assert world.shares() == pytest.approx({"b": 1.0, "a": 0.5 / 0.65, "c": 0.4 / 0.65}, rel=1e-5)


def test_the_sixth_track_back_names_nothing() -> None:
    world = Listening()
    world.sounds.put([alike("t6", far=1.0), alike("t5", near=1.0)])
    world.plays("t6", "t5", "t4", "t3", "t2", "t1")
    assert [*world.lists()[1]] == ["near"]


def test_what_is_deleted_names_nothing_any_more() -> None:
    pipeline = knowing(alike("now", fresh=0.9))
    assert served(pipeline).discover[0] == ["fresh"]
    pipeline.sounds.delete(["now", "unheard of"])
    assert served(pipeline).discover[0] == []


def test_the_track_put_longest_ago_gives_way_and_names_nothing_any_more() -> None:
    pipeline = Pipeline(tracks_max=2)
    pipeline.sounds.put([alike("now", fresh=0.9), alike("a", b=0.5), alike("c", d=0.5)])
    pipeline.learn([play(0, "now")])
    assert (len(pipeline.sounds), pipeline.sounds.evictions) == (2, 1)
    assert served(pipeline).discover[0] == []


@pytest.mark.parametrize(
    "said",
    [{"kind": "block_track", "track_id": "fresh"}, {"kind": "block_artist", "artist": "Ann"}],
)
def test_what_is_blocked_is_in_no_list_whatever_it_sounds_like(said: dict[str, str]) -> None:
    pipeline = knowing(alike("now", fresh=0.9, other=0.4))
    pipeline.catalogue.put([CatalogueEntry("fresh", "T", (Credit("Ann"),))])
    statement = Feedback(event_id="f", user_id="u", at_ms=START_MS, **said)  # type: ignore[arg-type]  # texts only
    pipeline.listeners.apply_feedback([statement])
    lists = served(pipeline)
    assert "fresh" not in {*lists.next[0], *lists.discover[0]}
    assert lists.discover[0] == ["other"]


def test_what_was_heard_may_be_played_next_and_is_no_discovery() -> None:
    pipeline = knowing(alike("now", old=0.9, fresh=0.4))
    lists = served(pipeline)
    assert lists.next[0] == ["old", "fresh"]
    assert lists.discover[0] == ["fresh"]


def test_rankers_learn_what_sounds_alike() -> None:
    world = Listening()
    world.sounds.put([alike("hit", near=0.9, far=0.1)])
    before = world.state.ranker.weights.copy()
    for i in range(50):
        world.plays("hit", "near", user=f"user-{i}", trained=True)
    assert world.state.ranker.trained.tolist() == [50, 50], "reached by sound alone"
    after = world.state.ranker.weights - before
    changed = {int(feature) for feature in np.flatnonzero(after[0])}
    assert changed == {24, 25, 26}
    world.plays("hit", user="eve")
    assert [*world.lists("eve")[1]] == ["near", "far"]


def test_an_arm_without_audio_knows_of_no_sound() -> None:
    world = Listening(arms=Arms({"without-audio": WHOLE}))
    world.sounds.put([alike("now", fresh=0.9)])
    world.plays("now")
    assert world.lists() == ({}, {})


def test_without_a_record_nothing_is_as_long_as_the_vocabulary() -> None:
    sounds = Sounds(Vocabulary())
    sounds.delete(["a"])
    assert len(sounds.audio.slot_of) == 1
    assert sounds.neighbours("a") == []
    with pytest.raises(ValueError, match="tracks_max"):
        Sounds(Vocabulary(), 0)

from __future__ import annotations

import numpy as np

from models.recommend.track_slots import TrackSlots
from models.recommend.vocabulary import Vocabulary


def test_a_track_is_where_a_kernel_put_it_however_far_the_vocabulary_grows() -> None:
    vocabulary = Vocabulary()
    slots = TrackSlots(vocabulary)
    slots.places[vocabulary.id("a")] = 7 + 1
    vocabulary.intern([f"track-{i}" for i in range(vocabulary.capacity)])
    assert (slots.find("a"), slots.find("track-1"), slots.find("unheard of")) == (7, None, None)
    assert len(slots.places) == vocabulary.capacity


def test_what_went_is_told_once_unless_it_is_held_again() -> None:
    vocabulary = Vocabulary()
    slots = TrackSlots(vocabulary)
    evicted = vocabulary.intern(["a", "b", "a"])
    slots.note_evicted(evicted)
    slots.note_gone("c")
    slots.places[vocabulary.id("b")] = 1
    assert slots.drain_gone() == [(b"a", None), (b"c", None)]
    assert (slots.drain_gone(), slots.evictions) == ([], 3)


def test_no_name_has_no_slot() -> None:
    slots = TrackSlots(Vocabulary())
    slots.places[:] = np.arange(1, len(slots.places) + 1)
    assert slots.find("") is None

from __future__ import annotations

import gc

import numpy as np
from numpy.typing import NDArray

from models.recommend import Vocabulary
from models.recommend.vocabulary import NO_NAME, hash32


class Holding:
    def __init__(self, *ids: int) -> None:
        self.ids = np.array(ids, np.int32)

    def used_ids(self) -> list[NDArray[np.int32]]:
        return [self.ids]


def test_a_name_keeps_its_id_and_its_hash() -> None:
    vocabulary = Vocabulary()
    ids = vocabulary.intern(["a", "b", "a", ""])
    assert ids[0] == ids[2] != ids[1]
    assert ids[3] == NO_NAME
    assert [vocabulary.names[i] for i in ids] == ["a", "b", "a", ""]
    assert vocabulary.hash32[ids[1]] == hash32("b") == 0x71BEEFF9


def test_find_does_not_add() -> None:
    vocabulary = Vocabulary()
    assert vocabulary.find("a") == NO_NAME
    assert len(vocabulary) == 1


def test_names_nobody_holds_are_forgotten_and_their_ids_used_again() -> None:
    vocabulary = Vocabulary()
    kept, dropped = vocabulary.intern(["kept", "dropped"]).tolist()
    assert vocabulary.collect([np.array([kept], np.int32)]) == 1
    assert vocabulary.find("dropped") == NO_NAME
    assert vocabulary.generation == 1
    assert vocabulary.id("new") == dropped
    assert vocabulary.hash32[dropped] == hash32("new")
    assert vocabulary.names[kept] == "kept"
    assert vocabulary.objects[[kept, dropped]].tolist() == ["kept", "new"]


def test_collecting_twice_frees_an_id_once() -> None:
    vocabulary = Vocabulary()
    vocabulary.intern(["a", "b"])
    assert vocabulary.collect([]) == 2
    assert vocabulary.collect([]) == 0
    assert {*vocabulary.intern(["c", "d"]).tolist()} == {1, 2}


def test_nothing_is_swept_below_the_limit_and_then_only_what_nobody_holds() -> None:
    vocabulary = Vocabulary(limit=10)
    holder = Holding(*vocabulary.intern(["a", "b"]).tolist())
    vocabulary.register(holder)
    vocabulary.intern([f"n{i}" for i in range(6)])
    vocabulary.sweep_if_due()
    assert len(vocabulary) == 9
    vocabulary.intern(["x", "y"])
    vocabulary.sweep_if_due()
    assert len(vocabulary) == 3


def test_a_holder_that_is_gone_holds_nothing() -> None:
    vocabulary = Vocabulary(limit=1)
    holder = Holding(vocabulary.id("a"))
    vocabulary.register(holder)
    del holder
    gc.collect()
    vocabulary.sweep_if_due()
    assert vocabulary.find("a") == NO_NAME


def test_it_grows_past_its_first_capacity() -> None:
    vocabulary = Vocabulary()
    names = [f"track-{i}" for i in range(10_000)]
    ids = vocabulary.intern(names)
    assert vocabulary.capacity > ids.max()
    assert [vocabulary.names[i] for i in ids.tolist()] == names
    assert vocabulary.hash32[ids[9_999]] == hash32("track-9999")
    assert vocabulary.objects[ids].tolist() == names


def test_an_array_is_stretched_once_to_hold_every_id_with_zeros_behind() -> None:
    vocabulary = Vocabulary()
    short = np.array([1, 2], np.int32)
    stretched = vocabulary.stretched(short)
    assert stretched[:3].tolist() == [1, 2, 0]
    assert (len(stretched), stretched.dtype) == (vocabulary.capacity, short.dtype)
    assert not stretched[2:].any()
    assert vocabulary.stretched(stretched) is stretched

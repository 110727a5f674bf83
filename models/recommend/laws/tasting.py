"""Laws of the embedding."""

from __future__ import annotations

import numpy as np

from models.recommend.laws.driving import (
    Case,
    batches,
    continued,
    learn,
    new_listeners,
    reference_learn,
)
from models.recommend.listeners import ListenerState
from models.recommend.reference import ReferenceListeners
from models.recommend.reference_vectors import ReferenceVectors
from models.recommend.tastes import Tastes
from models.recommend.vectors import VectorState
from models.recommend.vocabulary import Vocabulary
from schemas.discoveries import DiscoveriesFrame

CLOSE = 1e-3


def check_vectors_equal_reference(case: Case) -> None:
    """What is discovered, and what is learned from it."""
    state, vectors = new_listeners(case, evicting=False), VectorState(Vocabulary(1), 1_000)
    listeners, reference = ReferenceListeners(), ReferenceVectors()
    for batch in batches(case.events, case.batch):
        learn(state, batch)
        reference_learn(listeners, batch)
        _feed(state, vectors)
    for track, before in listeners.discoveries:
        reference.learn(track, before)
    assert len(vectors) == len(reference.vectors)
    for track, expected in reference.vectors.items():
        found = vectors.vector(track)
        assert found is not None
        np.testing.assert_allclose(found.vector, expected, atol=CLOSE)
        np.testing.assert_allclose(found.bias, reference.bias[track], atol=CLOSE)
        assert found.discoveries == reference.discoveries[track]


def check_vectors_continue_after_restore(case: Case) -> None:
    """Vectors rebuilt from their records at any place go on, to the last bit."""
    states = VectorState(Vocabulary(1), 1_000), VectorState(Vocabulary(1), 1_000)
    for records, again in continued(case, states, _discovered):
        assert again == records


def check_tastes_are_those_learned(case: Case) -> None:
    """Who reads the records knows the vectors as their learner does."""
    state = new_listeners(case, evicting=False)
    vocabulary = Vocabulary(1)
    vectors, tastes = VectorState(vocabulary, 1_000), Tastes(vocabulary)
    for batch in batches(case.events, case.batch):
        learn(state, batch)
        _feed(state, vectors)
        records = vectors.changes()
        assert tastes.apply([key for key, _ in records], [value for _, value in records]) == []
    assert len(tastes) == len(vectors)
    learned, read = vectors.taste, tastes.taste
    for track in np.flatnonzero(learned.slot_of).tolist():
        own, other = learned.slot_of[track] - 1, read.slot_of[track] - 1
        assert other >= 0
        assert (learned.vectors[own] == read.vectors[other]).all()
        assert learned.bias[own] == read.bias[other]
        np.testing.assert_allclose(learned.logs[own], read.logs[other], rtol=1e-6)


def _discovered(state: ListenerState) -> list[DiscoveriesFrame]:
    found = state.drain_discoveries()
    return [] if found is None else [found]


def _feed(state: ListenerState, vectors: VectorState) -> None:
    for found in _discovered(state):
        vectors.learn(found)

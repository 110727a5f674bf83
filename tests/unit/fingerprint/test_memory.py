"""What is remembered is a negative, unless it is the same music."""

from __future__ import annotations

import torch
from torch.nn import functional

from models.fingerprint.memory import Memory
from models.fingerprint.network import DIMENSIONS


def vectors(count: int, seed: int) -> torch.Tensor:
    made = torch.randn(count, DIMENSIONS, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(made, dim=1)


def test_the_last_are_kept_and_the_oldest_go() -> None:
    memory = Memory(5)
    memory.add(vectors(4, 1), torch.tensor([[1.0, float(second)] for second in range(4)]))
    memory.add(vectors(3, 2), torch.tensor([[2.0, float(second)] for second in range(3)]))
    kept = memory.state()
    assert kept["places"].tolist() == [[1, 2], [1, 3], [2, 0], [2, 1], [2, 2]]
    assert torch.equal(kept["vectors"], torch.cat((vectors(4, 1)[2:], vectors(3, 2))))


def test_what_overlaps_is_no_negative() -> None:
    memory = Memory(9)
    memory.add(vectors(3, 3), torch.tensor([[1.0, 5.0], [1.0, 7.0], [2.0, 5.0]]))
    asked = vectors(1, 4)
    found = memory.negatives(asked, torch.tensor([[1.0, 5.9]]))
    assert found[0, 0] == -torch.inf
    torch.testing.assert_close(found[0, 1:], (asked @ vectors(3, 3)[1:].T)[0])


def test_a_checkpoint_brings_it_back() -> None:
    memory, again = Memory(4), Memory(4)
    memory.add(vectors(3, 5), torch.zeros(3, 2))
    again.restore(memory.state())
    asked, places = vectors(2, 6), torch.ones(2, 2)
    assert torch.equal(memory.negatives(asked, places), again.negatives(asked, places))

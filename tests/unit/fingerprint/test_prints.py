"""A print comes back from its bytes, and damaged bytes do not."""

from __future__ import annotations

import numpy as np
import pytest

from models.fingerprint.prints import Print, PrintRefused, expanded, narrowed


def printed(seed: int, count: int = 12, peaks: int = 40) -> Print:
    rng = np.random.default_rng(seed)
    return Print(
        rng.integers(-127, 128, (count, 128)).astype(np.int8),
        np.sort(rng.integers(0, 700_000, peaks)).astype(np.int32),
        rng.integers(0, 118, peaks).astype(np.uint8),
        count / 4,
    )


@pytest.mark.parametrize(("count", "peaks"), [(12, 40), (0, 0), (1, 0), (0, 3)])
def test_it_comes_back(count: int, peaks: int) -> None:
    made = printed(1, count, peaks)
    again = Print.read(bytes(made))
    np.testing.assert_array_equal(again.vectors, made.vectors)
    np.testing.assert_array_equal(again.peak_frames, made.peak_frames)
    np.testing.assert_array_equal(again.peak_bins, made.peak_bins)
    assert again.seconds == made.seconds


def test_every_damaged_byte_is_noticed() -> None:
    data = bytes(printed(2, 3, 5))
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1
        with pytest.raises(PrintRefused):
            Print.read(bytes(damaged))


@pytest.mark.parametrize("length", [0, 3, 8, 20, 100])
def test_a_part_is_refused(length: int) -> None:
    with pytest.raises(PrintRefused):
        Print.read(bytes(printed(3))[:length])


def test_a_byte_a_number_is_enough() -> None:
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(500, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    near = vectors[:-1] + 0.7 * vectors[1:]
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    exact = np.sum(vectors[:-1] * near, axis=1)
    kept = np.sum(expanded(narrowed(vectors[:-1])) * expanded(narrowed(near)), axis=1)
    np.testing.assert_allclose(kept, exact, atol=0.005)

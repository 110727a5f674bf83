"""A codec changes a sound, and does not shift it."""

from __future__ import annotations

import numpy as np
import pytest

from models.fingerprint.codecs import CODECS, Codec, round_trip
from segue.testing.sounds import music


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: f"{codec.name}-{codec.bit_rate}")
def test_what_comes_back_is_where_it_was(codec: Codec) -> None:
    sound = music(1, 2.2)
    heard = round_trip(sound, codec)
    assert heard.shape == sound.shape
    size = 2 * len(sound)
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sound, size))
    lag = int(np.fft.irfft(product).argmax())
    assert lag in {0, 1}
    assert 0.5 < np.corrcoef(heard, sound)[0, 1] < 0.999

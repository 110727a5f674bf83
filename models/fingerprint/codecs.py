"""Sound through a lossy codec and back."""

from __future__ import annotations

import io
from typing import Final, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from models.fingerprint.decoding import SAMPLE_RATE, decode

__all__ = ["CODECS", "Codec", "round_trip"]


class Codec(NamedTuple):
    """A codec, what holds it, and bits a second at 8 kHz: `delay` samples come before the sound."""

    name: str
    container: str
    bit_rate: int
    delay: int = 0


CODECS: Final = (
    Codec("libmp3lame", "mp3", 8_000),
    Codec("libmp3lame", "mp3", 16_000),
    Codec("libopus", "ogg", 6_000),
    Codec("libopus", "ogg", 12_000),
    Codec("aac", "adts", 12_000, delay=1_024),
)


def round_trip(sound: NDArray[np.float32], codec: Codec) -> NDArray[np.float32]:
    """As many samples as `sound` has (8 kHz, mono), as they are after the codec."""
    file = io.BytesIO()
    with av.open(file, "w", format=codec.container) as out:
        stream = out.add_stream(codec.name, rate=SAMPLE_RATE, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = codec.bit_rate
        frame = av.AudioFrame.from_ndarray(sound[None, :], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        resampler = av.AudioResampler(stream.format, "mono", stream.rate, stream.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    file.seek(0)
    heard = np.concatenate([*decode(file)])[codec.delay :][: len(sound)]
    return np.pad(heard, (0, len(sound) - len(heard)))

"""Generated sounds, and files of them in many formats: tests need no recordings."""

from __future__ import annotations

import io
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["FORMATS", "encoded", "music"]

FORMATS: Final = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "mp3": "libmp3lame",
    "opus": "libopus",
    "adts": "aac",
    "mp4": "aac",
    "webm": "libopus",
}
"""Containers, and a codec that each of them holds."""
_NOTES: Final = 220.0 * 2.0 ** (np.array([0, 2, 3, 5, 7, 8, 10, 12, 14, 15]) / 12)


def music(seed: int, seconds: float, rate: int = 8_000) -> NDArray[np.float32]:
    """Chords and beats drawn from a seed: no two seeds sound alike."""
    rng = np.random.default_rng(seed)
    count = int(seconds * rate)
    sound, at = np.zeros(count), 0
    beat = int(rate * rng.uniform(0.18, 0.35))
    while at < count:
        length = min(beat * int(rng.integers(1, 5)), count - at)
        time_s = np.arange(length) / rate
        for note in rng.choice(_NOTES, rng.integers(1, 4), replace=False):
            for harmonic in range(1, 6):
                loudness = rng.uniform(0.2, 1.0) / harmonic
                sound[at : at + length] += (
                    loudness
                    * np.sin(2 * np.pi * note * harmonic * time_s)
                    * np.exp(-time_s * rng.uniform(1, 6))
                )
        knock = min(length, rate // 20)
        sound[at : at + knock] += rng.normal(0, 1, knock) * np.exp(-np.arange(knock) / (rate / 80))
        at += beat
    made: NDArray[np.float32] = (0.7 * sound / np.abs(sound).max()).astype(np.float32)
    return made


def encoded(
    sound: NDArray[np.float32],
    container: str,
    *,
    rate: int = 48_000,
    channels: int = 1,
    codec: str | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """A file of a sound, the same in each channel; `options` are FFmpeg's for the container."""
    file = io.BytesIO()
    layout = {1: "mono", 2: "stereo", 8: "7.1"}[channels]

    def again(*_: object) -> io.BytesIO:  # `faststart` reads what it wrote
        return io.BytesIO(file.getvalue())

    with av.open(file, "w", format=container, options=options, io_open=again) as out:
        experimental = {"strict": "experimental"}  # as FFmpeg's own Vorbis is
        stream = out.add_stream(
            codec or FORMATS[container], rate=rate, layout=layout, options=experimental
        )
        assert isinstance(stream, av.AudioStream)
        interleaved = np.repeat(sound, channels)[None, :]
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, layout, rate, stream.frame_size or 1024)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return file.getvalue()

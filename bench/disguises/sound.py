"""What can be done to a sound: resampling, stretching, codecs, filters, mixing."""

from __future__ import annotations

import io
import subprocess
import tempfile
import wave
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from bench.disguises.samples import RATE, Sound
from segue.errors import Unavailable

__all__ = ["coded", "filtered", "loudness", "mixed", "resampled", "reverberated", "rubberband"]

_HEADROOM: Final = 0.5  # changes of pitch move phases, and so the peaks


def loudness(sound: Sound) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0


def mixed(sound: Sound, other: Sound, ratio_db: float, kept: slice) -> Sound:
    """`sound` and `other`, which is `ratio_db` weaker in the part that is kept."""
    there = loudness(other[kept])
    gain = loudness(sound[kept]) / max(there, 1e-9) * 10 ** (-ratio_db / 20)
    return (sound + np.float32(gain) * other).astype(np.float32)


def resampled(sound: Sound, speed: float) -> Sound:
    """Played faster by `speed`: shorter, and higher by as much. Band-limited, without delay.

    The spectrum is cut or filled up, so the two ends of a sound run into each other.
    """
    count = round(len(sound) / speed)
    spectrum = np.fft.rfft(sound)
    size = count // 2 + 1
    fitted = np.zeros(size, np.complex128)
    common = min(size, len(spectrum))
    fitted[:common] = spectrum[:common]
    found: Sound = (np.fft.irfft(fitted, count) * (count / len(sound))).astype(np.float32)
    return found


def filtered(sound: Sound, hz: NDArray[np.float64], gain_db: NDArray[np.float64]) -> Sound:
    """With gains that run in straight lines over the logarithm of frequency. No phase moves."""
    at = np.fft.rfftfreq(len(sound), 1 / RATE)
    gains = np.interp(np.log2(np.maximum(at, 1.0)), np.log2(hz), gain_db)
    found: Sound = np.fft.irfft(np.fft.rfft(sound) * 10 ** (gains / 20), len(sound)).astype(
        np.float32
    )
    return found


def reverberated(sound: Sound, room: Sound, wet: float) -> Sound:
    """What a room answers, as loud as the sound, mixed with it: `wet` is the room's share."""
    size = 1 << (len(sound) + len(room) - 2).bit_length()
    there = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)[: len(sound)]
    there *= loudness(sound) / max(loudness(there.astype(np.float32)), 1e-9)
    found: Sound = (wet * there + (1 - wet) * sound).astype(np.float32)
    return found


def coded(sound: Sound, codec: str, kbit: int) -> Sound:
    """Through a lossy codec and back; no later and no longer than it was."""
    container = {"libmp3lame": "mp3", "libopus": "ogg"}[codec]
    loudest = max(1.0, float(np.abs(sound).max()))
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=RATE, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = kbit * 1_000
        frame = av.AudioFrame.from_ndarray(
            (sound / loudest).astype(np.float32)[None, :], format="flt", layout="mono"
        )
        frame.sample_rate = RATE
        resampler = av.AudioResampler(stream.format, "mono", RATE, stream.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    file.seek(0)
    parts = [np.zeros(0, np.float32)]
    back = av.AudioResampler("flt", "mono", RATE)
    with av.open(file, "r") as opened:
        for heard in opened.decode(opened.streams.audio[0]):
            parts += [each.to_ndarray()[0] for each in back.resample(heard)]
    parts += [each.to_ndarray()[0] for each in back.resample(None)]
    heard_all = np.concatenate(parts)[: len(sound)] * np.float32(loudest)
    return np.pad(heard_all, (0, len(sound) - len(heard_all)))


def rubberband(sound: Sound, *, tempo: float = 1.0, semitones: float = 0.0) -> Sound:
    """Another tempo at the same pitch, or another pitch at the same tempo.

    By the program `rubberband`. Raises Unavailable if there is none.
    """
    scale = _HEADROOM / max(float(np.abs(sound).max()), 1e-9)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "given.wav"), Path(folder, "made.wav")
        _write(given, sound * np.float32(scale))
        how = [f"--tempo={tempo}", f"--pitch={semitones}"]
        command = ["rubberband", "--quiet", *how, str(given), str(made)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except FileNotFoundError as error:
            raise Unavailable(
                "there is no program rubberband, which changes tempo and pitch",
                what="rubberband",
                remedy="apt-get install rubberband-cli (macOS: brew install rubberband)",
            ) from error
        return _read(made) / np.float32(scale)


def _write(path: Path, sound: Sound) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.rint(sound * 32_767).astype("<i2").tobytes())


def _read(path: Path) -> Sound:
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    found: Sound = samples.astype(np.float32) / np.float32(32_767)
    return found

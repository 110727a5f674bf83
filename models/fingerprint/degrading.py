"""What happens to music before it is heard again: rooms, noise, speech, equalisers, clipping,
codecs and small changes of pitch and tempo. Larger ones can be undone on the spectrogram, so they
are not trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.fingerprint.codecs import CODECS, round_trip
from models.fingerprint.decoding import SAMPLE_RATE
from models.fingerprint.pools import Pool
from models.fingerprint.spectrogram import (
    BINS,
    FRAME,
    HOP,
    MARGIN,
    SPECTRUM_BINS,
    WINDOW_FRAMES,
    filterbank,
)

__all__ = [
    "CONTEXT",
    "SEGMENT",
    "UNTOUCHED",
    "Degrader",
    "Degrading",
    "powers",
    "synthetic_rooms",
    "warped",
]

CONTEXT: Final = 6_400  # samples before a window, 0.8 s: what a room still answers to
AFTER: Final = 2_000
WINDOW: Final = FRAME + (WINDOW_FRAMES - 1) * HOP
SEGMENT: Final = CONTEXT + WINDOW + AFTER
LEAD: Final = 8  # frames before and after a window that shifts and stretches may reach
_HANN = torch.hann_window(FRAME)


@dataclass(frozen=True, slots=True)
class Degrading:
    """How often, and how much. Decibels are of power; shares are of segments."""

    room: float = 0.4
    noise: float = 0.35
    speech: float = 0.25
    music: float = 0.05
    noise_db: tuple[float, float] = (-4.0, 14.0)
    speech_db: tuple[float, float] = (-4.0, 10.0)
    equaliser: float = 0.5
    equaliser_db: float = 10.0
    low_pass: float = 0.25
    high_pass: float = 0.25
    clipping: float = 0.15
    codec: float = 0.08
    masks: float = 0.2
    late_s: float = 0.14
    pitch_bins: float = 1.4  # 0.7 semitones
    tempo: float = 0.06


UNTOUCHED: Final = Degrading(
    room=0.0,
    noise=0.0,
    speech=0.0,
    music=0.0,
    equaliser=0.0,
    low_pass=0.0,
    high_pass=0.0,
    clipping=0.0,
    codec=0.0,
    masks=0.0,
    late_s=0.0,
    pitch_bins=0.0,
    tempo=0.0,
)
"""Nothing happens: to begin from, where one thing shall."""


def powers(samples: Tensor) -> Tensor:
    """Power spectrograms (batch, 118, frames) of samples (batch, n)."""
    spectrum = torch.stft(
        samples, FRAME, HOP, window=_HANN, center=False, return_complex=True
    ).abs()
    return (spectrum.square().transpose(1, 2) @ torch.from_numpy(filterbank())).transpose(1, 2)


def warped(power: Tensor, first: Tensor, shift: Tensor, stretch: Tensor) -> Tensor:
    """Windows (batch, 96, 40) of power (batch, 118, frames), each where and how it is asked for.

    Frame t of a window is frame `first` + `stretch` t, bin b is bin 11 + `shift` + b.
    """
    frames = first[:, None] + stretch[:, None] * torch.arange(WINDOW_FRAMES)
    bins = MARGIN + shift[:, None] + torch.arange(BINS)
    count = power.shape[2]
    grid = torch.stack(
        (
            (2 * frames / (count - 1) - 1)[:, None, :].expand(-1, BINS, -1),
            (2 * bins / (SPECTRUM_BINS - 1) - 1)[:, :, None].expand(-1, -1, WINDOW_FRAMES),
        ),
        dim=3,
    )
    return functional.grid_sample(power[:, None], grid, padding_mode="border", align_corners=True)[
        :, 0
    ]


class Degrader:
    """Degrades segments with what is in its pools. The same seed does the same."""

    def __init__(
        self,
        pools: tuple[Pool, Pool, Pool],  # music, noise, voice
        rooms: NDArray[np.float32],
        how: Degrading,
    ) -> None:
        self.music, self.noise, self.voice = pools
        self.rooms, self.how = torch.from_numpy(rooms), how

    def queries(self, segments: Tensor, rng: np.random.Generator) -> Tensor:
        """Degraded power windows (batch, 96, 40) of segments (batch, SEGMENT).

        The window that is meant begins at sample CONTEXT.
        """
        how, count = self.how, len(segments)
        sound = self.heard(segments, rng)
        begin = CONTEXT - LEAD * HOP
        power = powers(sound[:, begin : CONTEXT + WINDOW + LEAD * HOP])
        power = power * self.gains(count, rng)[:, :, None]
        tempo = _uniform(rng, count, 1 - how.tempo, 1 + how.tempo)
        shift = _uniform(rng, count, -how.pitch_bins, how.pitch_bins)
        late = _uniform(rng, count, -how.late_s, how.late_s) * SAMPLE_RATE / HOP
        middle = WINDOW_FRAMES / 2
        first = LEAD + middle - tempo * middle + late
        return _masked(warped(power, first, shift, tempo), how.masks, rng)

    def heard(self, sound: Tensor, rng: np.random.Generator) -> Tensor:
        """Sounds (batch, n) as they are heard: in rooms, beside others, clipped and coded."""
        sound = self._in_rooms(sound, rng)
        sound = self._beside_others(sound, rng)
        sound = _clipped(sound, _chosen(rng, len(sound), self.how.clipping), rng)
        return _coded(sound, _chosen(rng, len(sound), self.how.codec), rng)

    def references(self, segments: Tensor) -> Tensor:
        """Power windows (batch, 96, 40) of the segments as they are."""
        power = powers(segments[:, CONTEXT : CONTEXT + WINDOW])
        return power[:, MARGIN : MARGIN + BINS]

    def _in_rooms(self, sound: Tensor, rng: np.random.Generator) -> Tensor:
        chosen = torch.from_numpy(np.flatnonzero(_chosen(rng, len(sound), self.how.room)))
        if not len(chosen):
            return sound
        rooms = self.rooms[rng.integers(len(self.rooms), size=len(chosen))]
        size = 1 << int(sound.shape[1] + rooms.shape[1] - 1).bit_length()
        there = torch.fft.irfft(
            torch.fft.rfft(sound[chosen], size) * torch.fft.rfft(rooms, size), size
        )[:, : sound.shape[1]]
        wet = _uniform(rng, len(chosen), 0.3, 1.0)[:, None]
        dry = sound[chosen]
        there = there * (_rms(dry) / _rms(there).clamp_min(1e-6))
        result = sound.clone()
        result[chosen] = wet * there + (1 - wet) * dry
        return result

    def _beside_others(self, sound: Tensor, rng: np.random.Generator) -> Tensor:
        how, length = self.how, sound.shape[1]
        shares = (how.noise, how.speech, how.music)
        kinds = rng.choice(4, len(sound), p=[*shares, 1 - sum(shares)])
        others = torch.zeros_like(sound)
        for kind, pool in enumerate((self.noise, self.voice, self.music)):
            places = np.flatnonzero(kinds == kind)
            if len(places):
                found = pool.segments(*pool.places(rng, len(places), length), length)
                others[torch.from_numpy(places)] = torch.from_numpy(found)
        hiss = torch.from_numpy((kinds == 0) & (rng.random(len(sound)) < 0.3))
        others[hiss] = _coloured(rng, int(hiss.sum()), length)
        low = torch.where(torch.from_numpy(kinds == 1), how.speech_db[0], how.noise_db[0])
        high = torch.where(torch.from_numpy(kinds == 1), how.speech_db[1], how.noise_db[1])
        ratio = low + (high - low) * torch.from_numpy(rng.random(len(sound), np.float32))
        gain = _rms(sound) / _rms(others).clamp_min(1e-4) * 10 ** (-ratio[:, None] / 20)
        return sound + gain * others

    def gains(self, count: int, rng: np.random.Generator) -> Tensor:
        """Power gains by bin: seven bands, and the slopes of filters of 12 to 48 dB an octave."""
        how, octaves = self.how, (SPECTRUM_BINS - 1) / 24
        at = np.linspace(0, octaves, SPECTRUM_BINS)
        gains = np.zeros((count, SPECTRUM_BINS))
        for i in np.flatnonzero(_chosen(rng, count, how.equaliser)):
            bands = rng.uniform(-how.equaliser_db, how.equaliser_db, 7)
            gains[i] += np.interp(at, np.linspace(0, octaves, 7), bands)
        for share, sign, lowest, highest in (
            (how.low_pass, 1, 2.5, octaves),
            (how.high_pass, -1, 0.0, 2.5),
        ):
            for i in np.flatnonzero(_chosen(rng, count, share)):
                beyond = np.maximum(0, sign * (at - rng.uniform(lowest, highest)))
                gains[i] -= rng.uniform(12, 48) * beyond
        return torch.from_numpy(10 ** (gains / 10)).float()


def synthetic_rooms(rng: np.random.Generator, count: int = 64) -> NDArray[np.float32]:
    """Impulse responses (count, 8000) of made-up rooms: noise that fades by 60 dB in 0.2 to 1.5 s,
    behind the direct sound (Moorer, 1979)."""
    time_s = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    fading_s = rng.uniform(0.2, 1.5, (count, 1))
    rooms = rng.standard_normal((count, SAMPLE_RATE)) * 10 ** (-3 * time_s / fading_s)
    rooms *= rng.uniform(0.02, 0.3, (count, 1))
    rooms[:, 0] = 1.0
    return rooms.astype(np.float32)


def _chosen(rng: np.random.Generator, count: int, share: float) -> NDArray[np.bool_]:
    return rng.random(count) < share


def _uniform(rng: np.random.Generator, count: int, low: float, high: float) -> Tensor:
    return torch.from_numpy(rng.uniform(low, high, count)).float()


def _rms(sound: Tensor) -> Tensor:
    return sound.square().mean(dim=1, keepdim=True).sqrt()


def _clipped(sound: Tensor, chosen: NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
    drive = _uniform(rng, len(sound), 1.0, 4.0)[:, None] / sound.abs().amax(
        1, keepdim=True
    ).clamp_min(1e-4)
    return torch.where(torch.from_numpy(chosen)[:, None], torch.tanh(drive * sound), sound)


def _coded(sound: Tensor, chosen: NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
    result = sound.clone()
    for i in np.flatnonzero(chosen):
        codec = CODECS[rng.integers(len(CODECS))]
        loudest = sound[i].abs().max().clamp_min(1.0)  # codecs clip what is beyond full scale
        result[i] = torch.from_numpy(round_trip((sound[i] / loudest).numpy(), codec)) * loudest
    return result


def _coloured(rng: np.random.Generator, count: int, length: int) -> Tensor:
    """White to brown noise."""
    white = torch.from_numpy(rng.standard_normal((count, length), np.float32))
    slope = _uniform(rng, count, 0.0, 1.0)[:, None]
    hz = torch.fft.rfftfreq(length, 1 / SAMPLE_RATE).clamp_min(20.0)
    made: Tensor = torch.fft.irfft(torch.fft.rfft(white) * torch.pow(hz, -slope), length)
    return made


def _masked(window: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Some without a stretch of time or a band (Park et al., SpecAugment, 2019)."""
    for i in np.flatnonzero(_chosen(rng, len(window), share)):
        at, width = rng.integers(WINDOW_FRAMES - 8), rng.integers(2, 9)
        window[i, :, at : at + width] = 0.0
        at, width = rng.integers(BINS - 16), rng.integers(4, 17)
        window[i, at : at + width] = 0.0
    return window

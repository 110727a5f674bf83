"""The conditions by name: 24 that stand in the mean, and 4 that lie between their values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.disguises.samples import RATE, Samples
from bench.disguises.sources import Recording
from bench.disguises.steps import (
    Band,
    Codec,
    Equaliser,
    Noise,
    Pitch,
    Room,
    Speed,
    Step,
    Tempo,
    Voice,
)
from bench.disguises.surroundings import Surroundings

__all__ = ["CONDITIONS", "OFF_GRID", "Condition", "in_the_mean"]

LEAD_S: Final = 1.0
"""Before what is heard: rooms and codecs answer to what came before."""
_TAIL_S: Final = 0.25
_MP3_64, _MP3_32, _OPUS_24 = (
    Codec("libmp3lame", 64),
    Codec("libmp3lame", 32),
    Codec("libopus", 24),
)


@dataclass(frozen=True, slots=True)
class Condition:
    """What is done to a query."""

    name: str
    steps: tuple[Step, ...] = ()

    @property
    def pace(self) -> float:
        """Seconds of the recording in a second of the query."""
        return math.prod(step.pace for step in self.steps)

    def heard(
        self,
        recording: Recording,
        offset_s: float,
        seconds: float,
        rng: np.random.Generator,
        around: Surroundings,
    ) -> Samples:
        """So many seconds of the recording, disguised; the first sample stands at `offset_s`."""
        lead, count = round(LEAD_S * RATE), round(seconds * RATE)
        whole = lead + count + round(_TAIL_S * RATE)
        first = round((offset_s - LEAD_S * self.pace) * RATE)
        sound = recording.sound(first, round(whole * self.pace))
        kept = slice(lead, lead + count)
        for step in self.steps:
            sound = step(sound, rng, around, kept)
        part = sound[kept]
        part = np.pad(part, (0, count - len(part)))
        loudest = float(np.abs(part).max())
        if loudest > 1.0:
            part = part / np.float32(loudest)
        found: Samples = np.rint(part * 32_767).astype(np.int16)
        return found


CONDITIONS: Final[Mapping[str, Condition]] = {
    name: Condition(name, steps)
    for name, steps in (
        ("clean", ()),
        ("noise10", (Noise(10.0),)),
        ("noise5", (Noise(5.0),)),
        ("noise0", (Noise(0.0),)),
        ("mp3_64", (_MP3_64,)),
        ("mp3_32", (_MP3_32,)),
        ("opus_24", (_OPUS_24,)),
        ("reverb", (Room(0.7),)),
        ("lowpass", (Band(0.0, 2_000.0),)),
        ("eq", (Equaliser(12.0),)),
        ("ts-8", (Tempo(0.92),)),
        ("ts-4", (Tempo(0.96),)),
        ("ts+4", (Tempo(1.04),)),
        ("ts+8", (Tempo(1.08),)),
        ("ps-2", (Pitch(-2.0),)),
        ("ps-1", (Pitch(-1.0),)),
        ("ps+1", (Pitch(1.0),)),
        ("ps+2", (Pitch(2.0),)),
        ("sp+5", (Speed(1.05),)),
        ("sp+10", (Speed(1.1),)),
        ("sp+20", (Speed(1.2),)),
        ("voice0", (Voice(0.0),)),
        ("combo", (Room(0.7), Noise(5.0), Band(150.0, 3_400.0), _MP3_64)),
        ("nightcore", (Speed(1.25), _MP3_64)),
        ("sp+7.5", (Speed(1.075),)),
        ("sp+13", (Speed(1.13),)),
        ("ps+1.5", (Pitch(1.5),)),
        ("ts-7", (Tempo(0.93),)),
    )
}
OFF_GRID: Final = ("sp+7.5", "sp+13", "ps+1.5", "ts-7")


def in_the_mean(name: str) -> bool:
    """Whether a condition is one of the 24.

    >>> sum(map(in_the_mean, CONDITIONS))
    24
    """
    return name not in OFF_GRID

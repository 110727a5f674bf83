"""Generated songs as files, for commands that read files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.testing.sounds import encoded, music

__all__ = ["faster", "recorded", "song"]

_CONTAINERS: Final = {".m4a": "mp4", ".aac": "adts"}


def song(number: int, begin_s: float = 0.0, end_s: float = 24.0) -> NDArray[np.float32]:
    """A part of one of many songs of 24 seconds, at 8 kHz."""
    return music(900 + number, 24.0)[int(begin_s * 8_000) : int(end_s * 8_000)]


def faster(sound: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
    """Played so many times as fast, pitch and all."""
    places = np.arange(0, len(sound), speed)
    made: NDArray[np.float32] = np.interp(places, np.arange(len(sound)), sound).astype(np.float32)
    return made


def recorded(path: Path, sound: NDArray[np.float32]) -> Path:
    """Write a sound of 8 kHz into a file of the format that its name ends with, at 48 kHz."""
    container = _CONTAINERS.get(path.suffix, path.suffix[1:])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(faster(sound, 1 / 6), container))
    return path

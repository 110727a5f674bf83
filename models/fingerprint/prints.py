"""The print of a recording: what is kept of it, and all that matching needs."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.spectrogram import WINDOW_FRAMES

__all__ = ["DIMENSIONS", "PRINT_HOP", "Print", "PrintRefused", "expanded", "narrowed"]

DIMENSIONS: Final = 128
PRINT_HOP: Final = WINDOW_FRAMES // 4
"""Frames from one vector of a print to the next: four a second."""
_SCALE: Final = 256.0
_HEADER: Final = struct.Struct("<4sIIf")  # magic, vectors, peaks, seconds
_MAGIC: Final = b"SGP1"
_DIGEST: Final = 8


class PrintRefused(ValueError):
    """Bytes that are no print, or no whole one."""


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """Vectors (n, 128) int8 of windows, four a second; vector i begins at frame 10 i.

    And spectral peaks in order of time: `peak_frames` (m) int32 and `peak_bins` (m) uint8 of the
    whole spectrogram. A frame is 25 ms.
    """

    vectors: NDArray[np.int8]
    peak_frames: NDArray[np.int32]
    peak_bins: NDArray[np.uint8]
    seconds: float

    def __bytes__(self) -> bytes:
        """As `read` takes it: 512 bytes a second of vectors and 5 bytes a peak."""
        body = b"".join(
            (
                _HEADER.pack(_MAGIC, len(self.vectors), len(self.peak_frames), self.seconds),
                self.vectors.tobytes(),
                self.peak_frames.astype("<i4").tobytes(),
                self.peak_bins.tobytes(),
            )
        )
        return body + hashlib.blake2b(body, digest_size=_DIGEST).digest()

    @classmethod
    def read(cls, data: bytes) -> Print:
        """The print of its bytes. Raises PrintRefused if they are damaged or something else."""
        body, digest = data[:-_DIGEST], data[-_DIGEST:]
        if body[:4] != _MAGIC or len(body) < _HEADER.size:
            raise PrintRefused("these bytes are no print")
        if hashlib.blake2b(body, digest_size=_DIGEST).digest() != digest:
            raise PrintRefused("this print is damaged: its checksum does not fit")
        _, vectors, peaks, seconds = _HEADER.unpack_from(body)
        at = _HEADER.size
        frames = at + vectors * DIMENSIONS
        return cls(
            np.frombuffer(body, np.int8, vectors * DIMENSIONS, at).reshape(-1, DIMENSIONS),
            np.frombuffer(body, "<i4", peaks, frames),
            np.frombuffer(body, np.uint8, peaks, frames + 4 * peaks),
            seconds,
        )

    @property
    def is_of_silence(self) -> bool:
        """Whether there is nothing in it that could match."""
        return not self.vectors.any()


def narrowed(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Unit vectors in one byte a number; likenesses change by less than 0.005."""
    found: NDArray[np.int8] = np.clip(np.rint(vectors * _SCALE), -127, 127).astype(np.int8)
    return found


def expanded(vectors: NDArray[np.int8]) -> NDArray[np.float32]:
    """`narrowed` undone."""
    return vectors.astype(np.float32) / np.float32(_SCALE)

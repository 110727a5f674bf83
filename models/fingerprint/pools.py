"""Audio to train on: many recordings in one file of samples, read where they are needed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.decoding import SAMPLE_RATE

__all__ = ["Pool", "Role", "pools"]

Role = Literal["music", "noise", "voice"]


@dataclass(frozen=True)
class Pool:
    """Recordings of one role; `samples` (int16) of each stand one after another in its file."""

    samples: list[NDArray[np.int16]]

    @property
    def seconds(self) -> float:
        """How long all of them last."""
        return sum(len(each) for each in self.samples) / SAMPLE_RATE

    def places(
        self, rng: np.random.Generator, count: int, length: int, *, again: float = 0.0
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Recording and start of `count` random segments, longer recordings more often.

        A share of `again` lies in the same recording as the one before.
        """
        lengths = np.array([len(each) for each in self.samples], np.float64)
        which = rng.choice(len(lengths), count, p=lengths / lengths.sum())
        for i in range(1, count):
            if rng.random() < again:
                which[i] = which[i - 1]
        room = np.maximum(lengths[which] - length, 0)
        return which, (rng.random(count) * (room + 1)).astype(np.int64)

    def segments(
        self, which: NDArray[np.int64], starts: NDArray[np.int64], length: int
    ) -> NDArray[np.float32]:
        """Segments (n, length), as `places` draws them."""
        places = zip(which.tolist(), starts.tolist(), strict=True)
        return np.stack([self.segment(*place, length) for place in places])

    def segment(self, which: int, start: int, length: int) -> NDArray[np.float32]:
        """Samples in [-1, 1]; a recording that is too short is repeated."""
        held = self.samples[which]
        part = held[start : start + length]
        if len(part) < length:
            part = np.resize(held, length)
        found: NDArray[np.float32] = part.astype(np.float32) / np.float32(32_768)
        return found


def pools(folder: Path, packages: Iterable[str]) -> dict[Role, Pool]:
    """The recordings of packages that `segue fingerprint fetch` unpacked, by role."""
    found: dict[Role, list[NDArray[np.int16]]] = {"music": [], "noise": [], "voice": []}
    for package in packages:
        manifest = json.loads((folder / f"{package}.json").read_text())
        if not manifest["clips"]:
            continue
        samples = np.memmap(folder / f"{package}.i16", np.int16, mode="r")
        for clip in manifest["clips"]:
            found[clip["role"]].append(samples[clip["at"] : clip["at"] + clip["n"]])
    return {role: Pool(samples) for role, samples in found.items()}

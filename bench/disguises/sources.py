"""Recordings of distribution packages, mono at 16 kHz: what queries are made of.

Beside each package's samples (`NAME.16k.i16`) stands a manifest (`NAME.16k.json`). This decoder is
the benchmark's own: what it measures has another.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NamedTuple

import av
import numpy as np
from av.error import FFmpegError

from bench.disguises.samples import RATE, Samples, Sound
from segue.corpus.fetching import audio_files, download, unpack

__all__ = ["MUSIC_MIN_S", "Recording", "fetched"]

MUSIC_MIN_S: Final = 25.0
_LENGTH_MAX_S: Final = 420.0
_LENGTH_MIN_S: Final = 0.3
_SILENCE: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording and where it comes from."""

    package: str
    name: str
    samples: Samples

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / RATE

    @property
    def title(self) -> str:
        """Package and name."""
        return f"{self.package}/{self.name}"

    def sound(self, start: int, count: int) -> Sound:
        """Samples in [-1, 1]; what lies outside of the recording is silence."""
        found = np.zeros(count, np.float32)
        first, last = max(start, 0), min(start + count, len(self.samples))
        if first < last:
            part = self.samples[first:last].astype(np.float32) / np.float32(32_768)
            found[first - start : last - start] = part
        return found


class _Clip(NamedTuple):
    name: str
    at: int
    n: int


def fetched(package: str, folder: Path) -> list[Recording]:
    """The recordings of a package, fetched and decoded if they are not in `folder` yet.

    What is there twice is kept once, what is silent or shorter than 0.3 s is left out, and after
    7 minutes a recording is cut. Raises Unavailable if the package cannot be fetched.
    """
    manifest = folder / f"{package}.16k.json"
    if not manifest.exists():
        folder.mkdir(parents=True, exist_ok=True)
        archive = next(folder.glob(f"{package}_*.deb"), None) or download(package, folder)
        clips = _decoded(archive, folder / f"{package}.16k.i16")
        manifest.write_text(json.dumps(clips))
    clips = [_Clip(*each) for each in json.loads(manifest.read_text())]
    samples = np.memmap(folder / f"{package}.16k.i16", np.int16, mode="r")
    return [Recording(package, each.name, samples[each.at : each.at + each.n]) for each in clips]


def _decoded(archive: Path, file: Path) -> list[_Clip]:
    clips: list[_Clip] = []
    seen: set[bytes] = set()
    part, at = file.with_suffix(".part"), 0
    with tempfile.TemporaryDirectory(dir=file.parent) as unpacked, part.open("wb") as out:
        unpack(archive, unpacked)
        for name, source in audio_files(Path(unpacked)):
            samples = _samples(source, "g722" if name.lower().endswith(".g722") else None)
            digest = hashlib.blake2b(samples.tobytes()).digest()
            if not len(samples) or digest in seen:
                continue
            seen.add(digest)
            clips.append(_Clip(name, at, len(samples)))
            out.write(samples.tobytes())
            at += len(samples)
    part.replace(file)
    return clips


def _samples(source: str | IO[bytes], container: str | None) -> Samples:
    """What decodes of a file; nothing if that is too short or silent."""
    parts, left = [np.zeros(0, np.float32)], int(_LENGTH_MAX_S * RATE)
    try:
        for sound in _frames(source, container):
            parts.append(sound[:left])
            left -= len(sound)
            if left <= 0:
                break
    except (FFmpegError, ValueError, IndexError):
        pass  # what came before the damage is as good
    whole = np.concatenate(parts)
    if len(whole) < _LENGTH_MIN_S * RATE or np.abs(whole).max() < _SILENCE:
        return np.zeros(0, np.int16)
    kept: Samples = (np.clip(whole, -1, 1) * 32_767).astype("<i2")
    return kept


def _frames(source: str | IO[bytes], container: str | None) -> Iterator[Sound]:
    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(source, mode="r", format=container, metadata_errors="ignore") as opened:
        for frame in opened.decode(opened.streams.audio[0]):
            for made in resampler.resample(frame):
                yield made.to_ndarray()[0]
        for made in resampler.resample(None):
            yield made.to_ndarray()[0]

"""Fetch packages by name, unpack them, and keep their audio as samples: one file a package.

Beside the samples (`NAME.i16`, mono, 8 kHz) stands a manifest (`NAME.json`): each recording's name,
place, length and role. A package that has one is not fetched again.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.decoding import SAMPLE_RATE, Rejected, decode
from models.fingerprint.pools import Role
from segue.errors import Unavailable

__all__ = ["Clip", "audio_files", "download", "keep_audio", "unpack"]

_AUDIO: Final = {".ogg", ".oga", ".opus", ".mp3", ".flac", ".wav", ".m4a", ".g722"}
_ARCHIVES: Final = {".zip", ".pk3", ".pk4"}
_MUSIC_MIN_S: Final = 25.0
_LENGTH_MAX_S: Final = 420.0
_LENGTH_MIN_S: Final = 0.3
_SILENCE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording among the samples of its package: `n` of them from `at` on."""

    name: str
    at: int
    n: int
    role: Role


def download(package: str, folder: Path) -> Path:
    """Fetch a package's archive with apt. Raises Unavailable if that does not work."""
    command = ["apt-get", "download", package]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        return next(folder.glob(f"{package}_*.deb"))
    except (OSError, subprocess.CalledProcessError, StopIteration) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip() or "nothing came"
        raise Unavailable(
            f"{package} cannot be fetched: {said.splitlines()[-1]}",
            what="apt",
            remedy="on Debian or Ubuntu, run apt-get update; or put its .deb into the folder",
        ) from error


def keep_audio(package: str, archive: Path, folder: Path, role: Role | None = None) -> list[Clip]:
    """Decode all audio of a package into `folder`; returns what was found.

    Of no `role`, what is as long as music is music, the rest noise. What is silent, too short or
    broken from the start is left out, and what is there twice is kept once; after 7 minutes a
    recording is cut.
    """
    clips: list[Clip] = []
    seen: set[bytes] = set()
    written, at = folder / f"{package}.part", 0
    with tempfile.TemporaryDirectory(dir=folder) as unpacked, written.open("wb") as out:
        unpack(archive, unpacked)
        for name, source in audio_files(Path(unpacked)):
            samples = _samples(source, "g722" if name.lower().endswith(".g722") else None)
            digest = hashlib.blake2b(samples.tobytes()).digest()
            if not len(samples) or digest in seen:
                continue
            seen.add(digest)
            is_long = len(samples) >= _MUSIC_MIN_S * SAMPLE_RATE
            clips.append(Clip(name, at, len(samples), role or ("music" if is_long else "noise")))
            out.write(samples.tobytes())
            at += len(samples)
    written.replace(folder / f"{package}.i16")
    manifest = {"package": package, "clips": [asdict(clip) for clip in clips]}
    (folder / f"{package}.json").write_text(json.dumps(manifest, indent=1))
    return clips


def unpack(archive: Path, folder: str) -> None:
    """Unpack a package's archive. Raises Unavailable if it is broken, or dpkg is not there."""
    try:
        subprocess.run(
            ["dpkg-deb", "-x", str(archive), folder],  # noqa: S607 (a system's own, wherever it lies)
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(
            f"{archive.name} cannot be unpacked: {error}",
            what="dpkg-deb",
            remedy="delete it, so that it is fetched again",
        ) from error


def audio_files(root: Path) -> Iterator[tuple[str, str | IO[bytes]]]:
    """Names and sources, in order of names; games keep some in archives."""
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        if path.suffix.lower() in _AUDIO:
            yield path.name, str(path)
        elif path.suffix.lower() in _ARCHIVES and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as held:
                for name in sorted(held.namelist()):
                    if Path(name).suffix.lower() in _AUDIO:
                        yield name, io.BytesIO(held.read(name))


def _samples(source: str | IO[bytes], container: str | None) -> NDArray[np.int16]:
    """What decodes of a recording, cut; nothing if it is too short or silent."""
    parts, left = [np.zeros(0, np.float32)], int(_LENGTH_MAX_S * SAMPLE_RATE)
    try:
        for samples in decode(source, container=container):
            parts.append(samples[:left])
            left -= len(samples)
            if left <= 0:
                break
    except Rejected:
        pass  # what came before it is as good
    whole = np.concatenate(parts)
    if len(whole) < _LENGTH_MIN_S * SAMPLE_RATE or np.abs(whole).max() < _SILENCE:
        return np.zeros(0, np.int16)
    kept: NDArray[np.int16] = (np.clip(whole, -1, 1) * 32_767).astype("<i2")
    return kept

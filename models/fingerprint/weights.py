"""Weights of the encoder in one file, with what they are for and a test that they still do it.

Weights that are read with another front end than the one they learned with do not fail: they find
nothing (mimbres/neural-audio-fp, issue 10). So a file says which front end and network it is for,
and holds the vectors of a made-up signal, which the encoder must give again.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.fingerprint import spectrogram as front
from models.fingerprint.decoding import SAMPLE_RATE
from models.fingerprint.network import DIMENSIONS, FLOOR_DB, STAGES, STEM, Encoder, shown

__all__ = ["SHIPPED", "WeightsRefused", "configuration", "embedded", "load", "save"]

SHIPPED: Final = files("models.fingerprint") / "weights.npz"
_LIKENESS_MIN: Final = 0.999
_PROBES: Final = 8
_BROKEN: Final = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What NumPy and zipfile raise on bytes that are no weights."""


class WeightsRefused(ValueError):
    """Weights that are broken, or not for this encoder and this front end."""


def configuration() -> str:
    """A hash of all that weights depend on: the front end's constants and the network's shape."""
    parts = (
        *(SAMPLE_RATE, front.FRAME, front.HOP, front.WINDOW_FRAMES, front.LOWEST_HZ),
        *(front.BINS_PER_OCTAVE, front.BINS, front.MARGIN),
        *(DIMENSIONS, FLOOR_DB, STEM, STAGES),
    )
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def embedded(encoder: Encoder, power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit vectors (n, 128) of windows (n, 96, 40) of power."""
    with torch.inference_mode():
        found: NDArray[np.float32] = encoder(shown(torch.from_numpy(power))).numpy()
    return found


def save(path: Path, encoder: Encoder, notes: Mapping[str, str]) -> None:
    """Write the weights in half precision, with `notes` on where they come from."""
    state = encoder.state_dict()
    held = {name: each.numpy().astype(np.float16) for name, each in state.items() if each.ndim}
    rounded = Encoder()
    rounded.load_state_dict({**state, **{n: torch.from_numpy(a).float() for n, a in held.items()}})
    rounded.eval()
    expected = embedded(rounded, _probe())
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            configuration=np.array(configuration()),
            expected=expected,
            notes=np.array([*notes.items()]).reshape(-1, 2),
            **{f"weights/{name}": array for name, array in held.items()},
        )


def load(path: Path | None = None) -> tuple[Encoder, dict[str, str]]:
    """The encoder, ready to use, and the notes. The shipped weights if no file is named.

    Raises WeightsRefused: the file is broken, of another configuration, or gives other vectors
    here than it gave where it was written.
    """
    source = SHIPPED if path is None else path
    held = _read(source)
    if held["configuration"].item() != configuration():
        raise WeightsRefused(f"{source} is for another front end or network than this version's")
    encoder, weights = Encoder(), {}
    for name, value in encoder.state_dict().items():
        stored = held.get(f"weights/{name}")
        if value.ndim and (stored is None or stored.shape != tuple(value.shape)):
            raise WeightsRefused(f"{source} lacks {name}, or has it in another shape")
        weights[name] = value if stored is None else torch.from_numpy(stored).float()
    encoder.load_state_dict(weights)
    encoder.eval()
    likeness = np.sum(embedded(encoder, _probe()) * held["expected"], axis=1)
    if not np.all(likeness > _LIKENESS_MIN):
        raise WeightsRefused(f"{source} does not give its own vectors: {likeness.min():.4f} alike")
    return encoder, {str(key): str(value) for key, value in held["notes"]}


def _read(source: Any) -> dict[str, NDArray[Any]]:  # Any: a path, in the package or not
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as held:
            found = {name: held[name] for name in held.files}
        return found | {name: found[name] for name in ("configuration", "expected", "notes")}
    except _BROKEN as error:
        raise WeightsRefused(f"{source} cannot be read as weights: {error}") from error


def _probe() -> NDArray[np.float32]:
    """Windows that anybody can make: glides and knocks, from a fixed formula."""
    count = front.WINDOW_FRAMES * front.HOP + front.FRAME
    time_s = np.arange(count) / SAMPLE_RATE
    windows = []
    for i in range(_PROBES):
        glide = np.sin(2 * np.pi * (200 + 90 * i) * time_s * (1 + 0.4 * time_s))
        knock = np.exp(-30 * (time_s % (0.2 + 0.03 * i))) * np.sin(2 * np.pi * 1_500 * time_s)
        power = front.spectrogram((0.5 * glide + 0.4 * knock).astype(np.float32))
        windows.append(power[: front.WINDOW_FRAMES, front.MARGIN : front.MARGIN + front.BINS].T)
    return np.ascontiguousarray(np.stack(windows), np.float32)

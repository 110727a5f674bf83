"""The encoder as workers run it: a graph with its weights in one file, by ONNX Runtime.

Weights that are read with another front end than the one they learned with do not fail: they find
nothing (mimbres/neural-audio-fp, issue 10). So a file says which front end it is for, and holds the
vectors of a made-up signal, which it must give again.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.fingerprint import spectrogram as front
from models.fingerprint.decoding import SAMPLE_RATE
from models.fingerprint.prints import DIMENSIONS, PRINT_HOP

__all__ = ["SHIPPED", "Engine", "WeightsRefused", "configuration", "probe"]

SHIPPED: Final = files("models.fingerprint") / "encoder.onnx"
_LIKENESS_MIN: Final = 0.999
_PROBES: Final = 8
_BATCH: Final = 64  # windows that the caches of a core hold


class WeightsRefused(ValueError):
    """Weights that are broken, or not for this front end."""


def configuration() -> str:
    """A hash of all that weights depend on: the front end's constants."""
    parts = (
        *(SAMPLE_RATE, front.FRAME, front.HOP, front.WINDOW_FRAMES, front.LOWEST_HZ),
        *(front.BINS_PER_OCTAVE, front.BINS, front.MARGIN, DIMENSIONS, PRINT_HOP),
    )
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


class Engine:
    """Windows of power become unit vectors. May be used from several threads at once."""

    def __init__(self, path: Path | None = None, *, threads: int = 1) -> None:
        """Load a file, the shipped one if none is named.

        Raises WeightsRefused: it is broken, of another configuration, or gives other vectors here
        than it gave where it was written.
        """
        source = SHIPPED if path is None else path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # what is wrong is raised
        try:
            self._session = onnxruntime.InferenceSession(
                source.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
            held = self._session.get_modelmeta().custom_metadata_map
            expected = np.frombuffer(b64decode(held["expected"]), np.float32)
            expected = expected.reshape(_PROBES, DIMENSIONS)
            self.notes: dict[str, str] = json.loads(held["notes"])
            is_for = held["configuration"]
        except Exception as error:  # the runtime's errors have no class of their own in common
            raise WeightsRefused(f"{source} cannot be read as weights: {error}") from error
        if is_for != configuration():
            raise WeightsRefused(f"{source} is for another front end than this version's")
        likeness = np.sum(self.embed(probe()) * expected, axis=1)
        if not np.all(likeness > _LIKENESS_MIN):
            raise WeightsRefused(
                f"{source} does not give its own vectors: {likeness.min():.4f} alike"
            )
        digest = hashlib.blake2b(expected.tobytes(), digest_size=16, key=is_for.encode())
        self.identity: Final = digest.hexdigest()
        """Names front end and weights: only prints of the same one can be compared."""

    def embed(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors (n, 128) of windows (n, 96, 40) of power."""
        found = np.empty((len(windows), DIMENSIONS), np.float32)
        for start in range(0, len(windows), _BATCH):
            part: Any = np.ascontiguousarray(windows[start : start + _BATCH])  # untyped runtime
            found[start : start + _BATCH] = self._session.run(None, {"power": part})[0]
        return found


def probe() -> NDArray[np.float32]:
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

"""What sound is here: its rate and its arrays. Peers' interpreters import this, and have little."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["RATE", "Samples", "Sound"]

RATE: Final = 16_000
"""Hz. Codecs, rooms and speeds work at this rate; each system takes from it what it wants."""

Sound = NDArray[np.float32]
Samples = NDArray[np.int16]

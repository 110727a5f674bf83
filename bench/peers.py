"""Where the benchmarks' peers are installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["peer_python"]

DEFAULT_PEER_PYTHON = Path(sys.prefix) / "peers" / "bin" / "python"


def peer_python() -> Path | None:
    """Return the interpreter of the peers' environment, None if there is none."""
    python = Path(os.environ.get("SEGUE_BENCH_PEER_PYTHON", DEFAULT_PEER_PYTHON))
    return python if python.exists() else None

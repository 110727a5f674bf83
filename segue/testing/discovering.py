"""Frames of discoveries, as a test writes them down."""

from __future__ import annotations

import numpy as np

from schemas.discoveries import DiscoveriesFrame

__all__ = ["discovered"]


def discovered(*found: tuple[str, list[str]]) -> DiscoveriesFrame:
    """A frame of tracks, each with those that its listener had heard before, the last one first."""
    before = [name for _, others in found for name in others]
    used = sorted({*before, *(track for track, _ in found)})
    index = {name: i for i, name in enumerate(used)}
    return DiscoveriesFrame(
        used,
        np.array([index[track] for track, _ in found], np.int32),
        np.array([len(others) for _, others in found], np.int32),
        np.array([index[name] for name in before], np.int32),
    )

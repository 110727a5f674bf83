"""The encoder: a second of spectrogram becomes a unit vector of 128 numbers.

Separable convolutions (Howard et al., MobileNets, 2017) with residual steps, 0.9 M parameters.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.fingerprint.prints import DIMENSIONS
from models.fingerprint.spectrogram import BINS, WINDOW_FRAMES

__all__ = ["DIMENSIONS", "FLOOR_DB", "STAGES", "STEM", "Encoder", "shown"]

FLOOR_DB: Final = 60.0
STAGES: Final = ((64, (2, 2)), (128, (2, 1)), (192, (2, 2)), (320, (2, 1)))
STEM: Final = 32
_LAST: Final = (BINS // 32) * (WINDOW_FRAMES // 8)  # places that are left of a window


def shown(power: Tensor) -> Tensor:
    """What the encoder sees of windows (batch, bins, frames) of power: (batch, 2, bins, frames).

    Decibels below the window's maximum, 60 at most, as 0 to 1: loudness does not matter. And the
    same less each bin's mean over the window: an equaliser, or a room's colour, does not either.
    """
    decibels = 10.0 * torch.log10(power.clamp_min(1e-10))
    top = decibels.amax(dim=(1, 2), keepdim=True)
    level = ((decibels - top) / FLOOR_DB + 1.0).clamp_min(0.0)
    return torch.stack((level, level - level.mean(dim=2, keepdim=True)), dim=1)


class _Separable(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.kept = inputs == outputs and stride == (1, 1)
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride=stride, padding=1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return functional.relu(x + y if self.kept else y)


class Encoder(nn.Module):
    """Windows as `shown` (batch, 2, 96, 40) to unit vectors (batch, 128)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(2, STEM, 3, stride=(2, 2), padding=1, bias=False),
            nn.BatchNorm2d(STEM),
            nn.ReLU(),
        ]
        width = STEM
        for outputs, stride in STAGES:
            layers += [_Separable(width, outputs, stride), _Separable(outputs, outputs)]
            width = outputs
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width * _LAST, DIMENSIONS)

    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(self.head(self.body(x).flatten(1)), dim=1)

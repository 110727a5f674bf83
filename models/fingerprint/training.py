"""Teach the encoder that a second of music, and the same second degraded, are the same.

Normalised temperature-scaled cross entropy (Chen et al., SimCLR, 2020), as Chang et al. (Neural
Audio Fingerprint, 2021) use it, with other seconds of the same recording among the negatives, and
seconds of the last batches (Wang et al., Cross-Batch Memory, 2020).
Degradation is mild: an encoder that need not bear large changes of pitch and tempo tells recordings
apart more sharply, and views of a query undo those.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.fingerprint.decoding import SAMPLE_RATE
from models.fingerprint.degrading import SEGMENT, Degrader
from models.fingerprint.memory import Memory
from models.fingerprint.network import Encoder, shown
from models.fingerprint.pools import Pool

__all__ = ["Progress", "Schedule", "Training"]

_WARM_UP: Final = 0.02  # of all steps
_REMEMBERS_FROM: Final = 0.1  # of all steps: before, the encoder changes too fast


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long, how many at a time, and how fast."""

    steps: int = 4_000
    pairs: int = 160
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    temperature: float = 0.06
    same_recording: float = 0.3
    remembered: int = 4_096  # references of batches before, as further negatives
    average: float = 0.998  # of the weights that are kept, over steps
    seed: int = 1


class Progress(NamedTuple):
    """What a step came to; `top1`: the share of queries nearest to their own second."""

    step: int
    loss: float
    top1: float


class Training:
    """Goes on where its checkpoint stopped, exactly: batches are drawn from the step's number."""

    def __init__(
        self, music: Pool, degrader: Degrader, schedule: Schedule, *, data: str = ""
    ) -> None:
        """Begin anew. `data` names what is trained on: a checkpoint of other data is refused."""
        self.data = data
        torch.manual_seed(schedule.seed)
        self.schedule, self.music, self._degrader = schedule, music, degrader
        self.encoder = Encoder().to(memory_format=torch.channels_last)
        self.average = AveragedModel(
            self.encoder,
            multi_avg_fn=get_ema_multi_avg_fn(schedule.average),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        self._optimizer = torch.optim.AdamW(
            self.encoder.parameters(), lr=0.0, weight_decay=schedule.weight_decay
        )
        self.step = 0
        self._memory = Memory(schedule.remembered)

    def run(self) -> Iterator[Progress]:
        """Learn, a step at a time, until the schedule's end."""
        while self.step < self.schedule.steps:
            yield self._learn()

    def save(self, path: Path) -> None:
        """Write a checkpoint: to a file beside it first, so that there is always a whole one."""
        written = path.with_suffix(".part")
        torch.save(self._state(), written)
        written.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. Raises ValueError if it is of another schedule or data."""
        state = torch.load(path, weights_only=True)
        if state["data"] != self.data:
            raise ValueError(f"{path} was written with other music, noise, speech or rooms")
        if state["schedule"] != asdict(self.schedule):
            raise ValueError(f"{path} was written under another schedule: {state['schedule']}")
        self.encoder.load_state_dict(state["encoder"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self._memory.restore(state["memory"])

    def _state(self) -> dict[str, Any]:  # Any: what torch writes
        return {
            "schedule": asdict(self.schedule),
            "encoder": self.encoder.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "memory": self._memory.state(),
            "data": self.data,
        }

    def kept(self) -> Encoder:
        """The encoder with the averaged weights, ready to use."""
        encoder = Encoder()
        encoder.load_state_dict(self.average.module.state_dict())
        return encoder.eval()

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the encoder is shown in this step: seconds of references, and of queries.

        And where they are in the music: recording and second (pairs, 2).
        """
        rng = np.random.default_rng([self.schedule.seed, self.step])
        count = self.schedule.pairs
        which, starts = self.music.places(rng, count, SEGMENT, again=self.schedule.same_recording)
        segments = torch.from_numpy(self.music.segments(which, starts, SEGMENT))
        queries = self._degrader.queries(segments, rng)
        places = torch.from_numpy(np.stack((which, starts / SAMPLE_RATE), 1).astype(np.float32))
        return shown(self._degrader.references(segments)), shown(queries), places

    def _learn(self) -> Progress:
        references, queries, places = self.batch()
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate()
        self.encoder.train()
        both = torch.cat((references, queries)).contiguous(memory_format=torch.channels_last)
        found = self.encoder(both)
        further = self._memory.negatives(found[self.schedule.pairs :], places)
        loss, top1 = _contrast(found, further, self.schedule.temperature)
        if self.step >= _REMEMBERS_FROM * self.schedule.steps:
            self._memory.add(found[: self.schedule.pairs].detach(), places)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
        self._optimizer.step()
        self.average.update_parameters(self.encoder)
        self.step += 1
        return Progress(self.step, loss.item(), top1)

    def _rate(self) -> float:
        """Up in a line, down in half a cosine."""
        done, warm = self.step / self.schedule.steps, _WARM_UP
        rate = self.schedule.learning_rate
        if done < warm:
            return rate * (self.step + 1) / (warm * self.schedule.steps)
        return rate * 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))


def _contrast(found: Tensor, further: Tensor, temperature: float) -> tuple[Tensor, float]:
    """The loss of vectors whose first half are references, and how often a query found its own.

    `further` (queries, n): how alike queries and remembered references are.
    """
    count = len(found) // 2
    likeness = found @ found.T / temperature
    likeness.fill_diagonal_(-torch.inf)
    own = torch.arange(2 * count).roll(count)
    asked = torch.cat((likeness[count:], further / temperature), dim=1)
    loss = 0.5 * (
        functional.cross_entropy(likeness[:count], own[:count])
        + functional.cross_entropy(asked, own[count:])
    )
    nearest = likeness[count:, :count].argmax(dim=1)
    return loss, float((nearest == torch.arange(count)).float().mean())

"""Which recordings are references, which are foreign, and which are set aside and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.disguises.sources import MUSIC_MIN_S, Recording
from bench.disguises.twins import ALIKE, Likeness, Twins, twins

__all__ = ["Aside", "Division", "alike", "comparisons", "divided"]

_FOREIGN: Final = 0.25
_SHORT_MIN_S: Final = 3.0  # below, a sound holds too little of a tune


@dataclass(frozen=True, eq=False)
class Division:
    """References are in every index, foreign recordings in none; no tune is on both sides."""

    references: Sequence[Recording]
    foreign: Sequence[Recording]
    noises: Sequence[Recording]
    set_aside: Sequence[str]

    @property
    def hours(self) -> float:
        """Of references."""
        return sum(each.seconds for each in self.references) / 3_600


@dataclass(frozen=True, slots=True)
class Aside:
    """What is neither reference nor foreign, by number among all recordings, and why."""

    twins: dict[int, str]
    excerpts: dict[int, str]


def alike(recordings: Sequence[Recording], tick: Callable[[], None] = lambda: None) -> Aside:
    """Twins but for the longest of each, and short sounds that are excerpts of recordings.

    A query with such a sound as noise would match truly. Takes minutes: 0.5 s an hour of music for
    each recording. `tick` is called after each of `comparisons`.
    """
    music = [i for i, each in enumerate(recordings) if each.seconds >= MUSIC_MIN_S]
    held = [recordings[i] for i in music]
    likeness = Likeness(held)
    aside = _aside(held, twins(held, likeness, tick))
    excerpts: dict[int, str] = {}
    for i, each in enumerate(recordings):
        if _SHORT_MIN_S <= each.seconds < MUSIC_MIN_S:
            found = likeness.to(each, (1.0,))
            if found.max() > ALIKE:
                twin = held[int(found.argmax())].title
                excerpts[i] = f"{each.title}: no noise, it sounds like {twin} ({found.max():.2f})"
            tick()
    return Aside({music[i]: why for i, why in aside.items()}, excerpts)


def divided(recordings: Sequence[Recording], aside: Aside, seed: int) -> Division:
    """Draw a quarter of the recordings that are not set aside as foreign."""
    music: list[Recording] = []
    noises: list[Recording] = []
    for i, each in enumerate(recordings):
        if i in aside.twins or i in aside.excerpts:
            continue
        (music if each.seconds >= MUSIC_MIN_S else noises).append(each)
    order = np.random.default_rng([seed, 1]).permutation(len(music))
    foreign = set(order[: round(_FOREIGN * len(music))].tolist())
    return Division(
        [each for i, each in enumerate(music) if i not in foreign],
        [each for i, each in enumerate(music) if i in foreign],
        noises,
        [*aside.twins.values(), *aside.excerpts.values()],
    )


def comparisons(recordings: Iterable[Recording]) -> int:
    """How many ticks `divided` will give."""
    return sum(each.seconds >= _SHORT_MIN_S for each in recordings)


def _aside(music: Sequence[Recording], pairs: Sequence[Twins]) -> dict[int, str]:
    """Of each group of twins all but the longest, with the reason."""
    group = list(range(len(music)))
    for pair in pairs:
        joined, left = group[pair.first], group[pair.second]
        group = [joined if each == left else each for each in group]
    aside: dict[int, str] = {}
    for each in dict.fromkeys(group):
        members = [i for i, other in enumerate(group) if other == each]
        longest = max(members, key=lambda i: music[i].seconds)
        for i in members:
            if i != longest:
                why = next(pair for pair in pairs if i in (pair.first, pair.second))
                twin = music[why.second if why.first == i else why.first].title
                aside[i] = f"{music[i].title}: set aside, a twin of {twin} ({why.why})"
    return aside

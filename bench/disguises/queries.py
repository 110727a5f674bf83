"""The queries: drawn from a seed, made once, kept as samples.

Query i of a cell (a condition and a length) depends on the seed, the cell and i alone: a smaller
set is the beginning of a larger one. All conditions of a length disguise the same places.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from bench.disguises.conditions import CONDITIONS, LEAD_S, Condition
from bench.disguises.division import Division
from bench.disguises.repeats import Repeats
from bench.disguises.samples import RATE, Samples
from bench.disguises.sound import loudness
from bench.disguises.sources import Recording
from bench.disguises.surroundings import Surroundings, medley
from segue.testing.sounds import music

__all__ = ["KINDS", "Foreign", "QuerySet", "Truth", "loud_place"]

KINDS: Final = ("music", "generated", "speech", "noise")
"""Of foreign material."""
_SHARES: Final = (0.7, 0.1, 0.1, 0.1)
_CLEAN: Final = 0.25
_FORMAT: Final = 1  # of what is kept: change it with any change of what is made
_PACE_MAX: Final = 1.3
_QUIETEST: Final = 10 ** (-50 / 20)
_TRIES: Final = 200

Tick = Callable[[], None]


class Truth(NamedTuple):
    """What a query is: a reference, and the offsets at which it would be right to find it."""

    reference: int
    offsets_s: tuple[float, ...]


class Foreign(NamedTuple):
    """What a foreign query is made of."""

    kind: str
    condition: str


@dataclass(frozen=True, eq=False)
class QuerySet:
    """Makes queries, or reads them where they were made before."""

    division: Division
    around: Surroundings
    seed: int
    cache: Path
    threads: int = 1

    @property
    def folder(self) -> Path:
        """Where this set's files are: another seed, other recordings or rooms have another."""
        titles = [
            f"{each.title} {len(each.samples)}"
            for each in (*self.division.references, None, *self.division.foreign)
            if each is not None
        ]
        said = json.dumps([_FORMAT, self.seed, titles, self.around.digest()])
        return self.cache / f"queries-{hashlib.blake2b(said.encode(), digest_size=6).hexdigest()}"

    def truths(self, seconds: float, count: int, tick: Tick = lambda: None) -> list[Truth]:
        """Where the queries of a length come from; `tick` is called for each."""
        file = self.folder / f"truths-{seconds:g}s.json"
        found = [Truth(at, tuple(offsets)) for at, offsets in _read(file)]
        if len(found) < count:
            places = [(i, *self._place(seconds, i)) for i in range(len(found), count)]
            made: dict[int, Truth] = {}
            repeats: tuple[int, Repeats] | None = None
            for i, reference, offset_s in sorted(places, key=lambda place: place[1]):
                if repeats is None or repeats[0] != reference:
                    repeats = reference, Repeats(self.division.references[reference])
                made[i] = Truth(reference, tuple(repeats[1].of(offset_s, seconds)))
                tick()
            found += [made[i] for i in sorted(made)]
            _write(file, json.dumps(found).encode())
        return found[:count]

    def queries(self, name: str, seconds: float, count: int, tick: Tick = lambda: None) -> Samples:
        """Queries (count, samples) of a condition, those of `truths` in the same order."""
        condition, truths = CONDITIONS[name], self.truths(seconds, count)

        def made(i: int) -> Samples:
            truth = truths[i]
            recording = self.division.references[truth.reference]
            rng = np.random.default_rng([self.seed, 3, zlib.crc32(name.encode()), _ms(seconds), i])
            return condition.heard(recording, truth.offsets_s[0], seconds, rng, self.around)

        return self._kept(self.folder / f"{name}-{seconds:g}s.i16", seconds, count, made, tick)

    def foreign(self, seconds: float, count: int, tick: Tick = lambda: None) -> Samples:
        """Queries (count, samples) of what is in no index, clean and disguised."""

        def made(i: int) -> Samples:
            rng, what = self._foreign(seconds, i)
            return self._strange(what, seconds, rng)

        return self._kept(self.folder / f"foreign-{seconds:g}s.i16", seconds, count, made, tick)

    def foreign_kinds(self, seconds: float, count: int) -> list[Foreign]:
        """What the queries of `foreign` are made of."""
        return [self._foreign(seconds, i)[1] for i in range(count)]

    def _place(self, seconds: float, i: int) -> tuple[int, float]:
        """The i-th place: every reference in turn, in an order that is drawn anew each time."""
        references = self.division.references
        usable = [at for at, each in enumerate(references) if each.seconds > _around(seconds) + 1.0]
        turn, at = divmod(i, len(usable))
        order = np.random.default_rng([self.seed, 2, _ms(seconds), turn]).permutation(len(usable))
        reference = usable[int(order[at])]
        rng = np.random.default_rng([self.seed, 2, _ms(seconds), turn, at])
        return reference, loud_place(references[reference], seconds, rng)

    def _foreign(self, seconds: float, i: int) -> tuple[np.random.Generator, Foreign]:
        rng = np.random.default_rng([self.seed, 4, _ms(seconds), i])
        kind = KINDS[rng.choice(len(KINDS), p=_SHARES)]
        clean = rng.random() < _CLEAN
        return rng, Foreign(kind, "clean" if clean else str(rng.choice([*CONDITIONS])))

    def _strange(self, what: Foreign, seconds: float, rng: np.random.Generator) -> Samples:
        recording = self._stranger(what.kind, seconds, rng)
        offset_s = loud_place(recording, seconds, rng)
        condition: Condition = CONDITIONS[what.condition]
        return condition.heard(recording, offset_s, seconds, rng, self.around)

    def _stranger(self, kind: str, seconds: float, rng: np.random.Generator) -> Recording:
        if kind == "music":
            lengths = np.array([each.seconds for each in self.division.foreign])
            lengths = np.where(lengths > _around(seconds), lengths, 0.0)
            return self.division.foreign[rng.choice(len(lengths), p=lengths / lengths.sum())]
        length_s = _around(seconds) + 1.0
        if kind == "generated":
            sound = music(int(rng.integers(1 << 31)), length_s, RATE)
        else:
            pool = self.around.voices if kind == "speech" else self.around.noises
            sound = medley(pool, rng, round(length_s * RATE))
        return Recording("made", kind, (np.clip(sound, -1, 1) * 32_767).astype(np.int16))

    def _kept(
        self,
        file: Path,
        seconds: float,
        count: int,
        made: Callable[[int], Samples],
        tick: Tick,
    ) -> Samples:
        """The first `count` rows of a file, which grows by those that it lacks, one at a time."""
        length = round(seconds * RATE)
        row_bytes = 2 * length
        file.parent.mkdir(parents=True, exist_ok=True)
        have = file.stat().st_size // row_bytes if file.exists() else 0
        if have < count:
            with file.open("ab") as out:
                out.truncate(have * row_bytes)  # a row that was begun when somebody stopped it
                for row in _made(made, range(have, count), self.threads):
                    out.write(row.tobytes())
                    tick()
        return np.memmap(file, np.int16, mode="r", shape=(count, length))


def _made(made: Callable[[int], Samples], numbers: range, threads: int) -> Iterator[Samples]:
    """Rows in order; whoever stops it waits for the few that are in the making."""
    if threads == 1:
        yield from map(made, numbers)
        return
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(numbers), 4 * threads):
            yield from pool.map(made, numbers[start : start + 4 * threads])


def loud_place(recording: Recording, seconds: float, rng: np.random.Generator) -> float:
    """A random offset with room on either side, where no second is below -50 dB of full scale.

    If there is none among 200, that whose quietest second is loudest; of equals (some are all
    silent) the loudest.
    """
    last_s = recording.seconds - _around(seconds) + _before()
    best_s, best = _before(), (-1.0, -1.0)
    for _ in range(_TRIES):
        offset_s = round(float(rng.uniform(_before(), last_s)), 4)
        sound = recording.sound(round(offset_s * RATE), round(seconds * RATE))
        parts = np.array_split(sound, max(1, round(seconds)))
        loud = min(loudness(part) for part in parts), loudness(sound)
        if loud > best:
            best_s, best = offset_s, loud
        if best[0] > _QUIETEST:
            break
    return best_s


def _before() -> float:
    return LEAD_S * _PACE_MAX


def _around(seconds: float) -> float:
    """Seconds that a query needs of a recording, at the highest pace."""
    return (LEAD_S + seconds + 0.5) * _PACE_MAX


def _ms(seconds: float) -> int:
    return round(seconds * 1_000)


def _read(file: Path) -> Sequence[tuple[int, list[float]]]:
    found: list[tuple[int, list[float]]] = json.loads(file.read_bytes()) if file.exists() else []
    return found


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(data)
    part.replace(file)

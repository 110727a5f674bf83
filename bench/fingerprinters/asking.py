"""Asks a system, or reads what it answered before."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from bench.disguises.samples import Samples
from bench.fingerprinters.peer_process import PeerProcess
from bench.fingerprinters.system import Answer, Fingerprinter

__all__ = ["Asking", "Versioned"]

_AT_ONCE = 50

Tick = Callable[[int], None]


class Versioned(Fingerprinter, Protocol):
    """A system that says what it is."""

    version: str


class Asking:
    """A system, which is given the references when its first question comes.

    With a `folder`, answers are kept there by version, and none is asked for twice.
    """

    def __init__(
        self, system: Versioned, references: Sequence[Samples], folder: Path | None
    ) -> None:
        self.system, self._references = system, references
        self._folder = None if folder is None else folder / system.version.replace(" ", "-")
        self._fitted = False
        self.fit_cpu_s: float | None = None
        self.ask_cpu_s: float | None = None
        self.asked = 0

    def answers(self, name: str, queries: Samples, tick: Tick = lambda _: None) -> list[Answer]:
        """The answers to queries that are always the same under this name."""
        file = None if self._folder is None else self._folder / f"{name}.json"
        kept = [] if file is None or not file.exists() else json.loads(file.read_bytes())
        found = [Answer(*each) for each in kept]
        tick(min(len(found), len(queries)))
        for start in range(len(found), len(queries), _AT_ONCE):
            part = queries[start : start + _AT_ONCE]
            found += self._asked(part)
            tick(len(part))
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(found))
        return found[: len(queries)]

    def _asked(self, queries: Samples) -> list[Answer]:
        if not self._fitted:
            begin_s = time.process_time()
            self.system.fit(self._references)
            self.fit_cpu_s = self._cpu_s(begin_s)
            self._fitted = True
        begin_s = time.process_time()
        found = self.system.ask(queries)
        self.ask_cpu_s = (self.ask_cpu_s or 0.0) + self._cpu_s(begin_s)
        self.asked += len(queries)
        assert len(found) == len(queries), "one answer a query"
        return found

    def _cpu_s(self, begin_s: float) -> float:
        if isinstance(self.system, PeerProcess):
            return self.system.cpu_s
        return time.process_time() - begin_s

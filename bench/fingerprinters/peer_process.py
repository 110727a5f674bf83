"""Talks to a peer that runs in the peers' interpreter."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from bench.disguises.samples import Samples
from bench.fingerprinters.system import Answer
from segue.errors import Unavailable

__all__ = ["PeerProcess"]

_ROOT = Path(__file__).resolve().parents[2]


class PeerProcess:
    """A peer as any other system; it ends with the `with` block.

    Raises Unavailable if the peer is not installed, or ends before it has answered.
    """

    def __init__(self, name: str, python: Path) -> None:
        self.name = name
        self.cpu_s = 0.0
        self._folder = tempfile.TemporaryDirectory()
        self._log = (Path(self._folder.name) / "log").open("w+")
        self._process = subprocess.Popen(
            [str(python), "-W", "ignore", "-m", "bench.fingerprinters.peer", name],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        try:
            self.version: str = self._ask({"version": name})["version"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; may be called twice."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._log.close()
        self._folder.cleanup()

    def fit(self, references: Sequence[Samples]) -> None:
        """Index."""
        file = Path(self._folder.name) / "references.i16"
        with file.open("wb") as out:
            for each in references:
                out.write(np.ascontiguousarray(each).tobytes())
        self._ask({"fit": str(file), "lengths": [len(each) for each in references]})

    def ask(self, queries: Samples) -> list[Answer]:
        """Answer each."""
        file = Path(self._folder.name) / "queries.npy"
        np.save(file, queries)
        return [Answer(*each) for each in self._ask({"ask": str(file)})["answers"]]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._log.seek(0)
            said = self._log.read().strip().splitlines() or ["it said nothing"]
            raise Unavailable(
                f"{self.name} does not run: {said[-1]}",
                what=self.name,
                remedy="make .venv/stamps/peers; SEGUE_BENCH_PEER_PYTHON names its interpreter",
            )
        reply: dict[str, Any] = json.loads(line)
        self.cpu_s = float(reply["cpu_s"])
        return reply

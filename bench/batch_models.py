"""Batch recommenders on a play log, asked as `segue replay` asks: test, then learn.

    .venv/peers/bin/python -m bench.batch_models FILE [--evaluate N] [--seed S] [--refits N]
        [--models als,itemknn,biasedmf] [--json OUT]

Runs in the peers' environment: implicit's ALS and item-kNN, fitted again `--refits` times over the
log on all plays before, with the listener's own history live (fold-in); and River's BiasedMF, which
learns each play, with three random tracks as negatives. `--evaluate` and `--seed` draw the same
plays as `segue replay` with the same options. All tracks compete, an unknown one is a miss, equal
scores count half.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from math import log2
from pathlib import Path
from random import Random
from typing import Any, Protocol

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from models.evaluate.biased_mf import BiasedMf

Scores = NDArray[np.floating[Any]]
History = dict[int, int]


class Model(Protocol):
    """Scores every track for a listener; higher is better."""

    def fit(self, plays: csr_matrix) -> None:
        """Learn all plays so far: listeners by tracks, counts."""
        ...

    def learn(self, user: int, item: int) -> None:
        """See one more play."""
        ...

    def scores(self, user: int, history: History) -> Scores | None:
        """The score of each track; None before the first fit."""
        ...


class Batch:
    """A model that is fitted now and then; the listener's own history is live."""

    def __init__(self, items: int, model: Any) -> None:  # implicit is not typed
        self._items, self._model = items, model
        self._fitted = False

    def fit(self, plays: csr_matrix) -> None:
        """Fit anew."""
        self._model.fit(plays, show_progress=False)
        self._fitted = True

    def learn(self, user: int, item: int) -> None:
        """Nothing: tracks wait for the next fit."""

    def scores(self, user: int, history: History) -> Scores | None:
        """The history as a row of the matrix, against all tracks."""
        if not self._fitted or not history:
            return None
        columns, counts = [*history], np.array([*history.values()], np.float32)
        return self._score(csr_matrix((counts, columns, [0, len(columns)]), (1, self._items)))

    def _score(self, row: csr_matrix) -> Scores:
        raise NotImplementedError


class Als(Batch):
    """Implicit ALS (Hu, Koren and Volinsky, 2008), the listener folded in from their history."""

    def __init__(self, items: int) -> None:
        from implicit.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=64, alpha=10.0, regularization=10.0, iterations=10, random_state=0
        )
        super().__init__(items, model)

    def _score(self, row: csr_matrix) -> Scores:
        scores: Scores = self._model.item_factors @ self._model.recalculate_user(0, row).ravel()
        return scores


class ItemKnn(Batch):
    """Item-kNN by cosine (Sarwar et al., 2001): similar tracks of all that the listener played."""

    def __init__(self, items: int) -> None:
        from implicit.nearest_neighbours import CosineRecommender

        super().__init__(items, CosineRecommender(K=100))

    def _score(self, row: csr_matrix) -> Scores:
        scores: Scores = (row @ self._model.similarity).toarray().ravel()
        return scores


class OnlineMf:
    """River's `reco.BiasedMF`, as the arm `biased-mf` of `segue replay` has it."""

    def __init__(self, items: int) -> None:
        self._items, self._model = items, BiasedMf[int]()

    def fit(self, plays: csr_matrix) -> None:
        """Nothing: it learns online."""

    def learn(self, user: int, item: int) -> None:
        """The play, and three tracks drawn from those played before."""
        self._model.learn(user, item)

    def scores(self, user: int, history: History) -> Scores | None:
        """Those of all tracks seen."""
        if not history:
            return None
        scores = np.full(self._items, -np.inf)
        scores[self._model.tracks] = self._model.scores(user)
        return scores


MODELS: dict[str, Callable[[int], Model]] = {"als": Als, "itemknn": ItemKnn, "biasedmf": OnlineMf}


class Tally:
    """Hit rates, reciprocal ranks and gains of one question."""

    def __init__(self) -> None:
        self.sums, self.count = np.zeros(4), 0

    def add(self, rank: float | None) -> None:
        """Count a trial; ranks begin with 0."""
        self.count += 1
        if rank is not None and rank < 20:  # @20
            self.sums += (rank < 10, 1, 1 / (rank + 1), 1 / log2(rank + 2))

    def rates(self) -> dict[str, float]:
        """By the names that `segue replay` has."""
        names = ("hr@10", "hr@20", "mrr@20", "ndcg@20")
        means = self.sums / max(1, self.count)
        return {**dict(zip(names, means.tolist(), strict=True)), "count": self.count}


def _rank(scores: Scores, item: int, without: History) -> float:
    """How many tracks stand before this one; equal ones count half."""
    own = scores[item]
    if without:
        scores = scores.copy()
        scores[[*without]] = -np.inf
    return float((scores > own).sum() + ((scores == own).sum() - 1) / 2)


def evaluate(
    model: Model,
    log: tuple[NDArray[np.int32], NDArray[np.int32]],
    asked: set[int],
    refits: int,
) -> dict[str, dict[str, float]]:
    """Run a log through a model."""
    users, items = log
    shape = (int(users.max()) + 1, int(items.max()) + 1)
    fits = {round(len(users) * (i + 1) / (refits + 1)) for i in range(refits)}
    histories: dict[int, History] = {}
    seen = np.zeros(shape[1], np.bool_)
    tallies = {"new": Tally(), "any": Tally()}
    for number, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        history = histories.setdefault(user, {})
        if number in fits:
            ones = np.ones(number, np.float32)
            model.fit(csr_matrix((ones, (users[:number], items[:number])), shape))
        if number in asked:
            scores = model.scores(user, history) if seen[item] else None
            tallies["any"].add(None if scores is None else _rank(scores, item, {}))
            if item not in history:
                tallies["new"].add(None if scores is None else _rank(scores, item, history))
        model.learn(user, item)
        history[item] = history.get(item, 0) + 1
        seen[item] = True
    return {question: tally.rates() for question, tally in tallies.items()}


def _numbered(column: list[object]) -> NDArray[np.int32]:
    known: dict[object, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in column], np.int32)


def main() -> None:
    """Print the rates of each model, and write them if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--evaluate", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--warmup", type=float, default=0.1)
    parser.add_argument("--refits", type=int, default=20)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table = pq.read_table(options.file, columns=["user", "item"])
    log = (_numbered(table["user"].to_pylist()), _numbered(table["item"].to_pylist()))
    plays, start = len(log[0]), round(options.warmup * len(log[0]))
    numbers = range(start, plays)
    asked = set(Random(options.seed).sample(numbers, min(options.evaluate, len(numbers))))
    arms = {}
    for name in options.models.split(","):
        started_s = time.monotonic()
        model = MODELS[name](int(log[1].max()) + 1)
        arms[name] = evaluate(model, log, asked, options.refits)
        seconds = time.monotonic() - started_s
        new, anyone = (arms[name][question]["hr@10"] for question in ("new", "any"))
        print(f"{name:<10} HR@10 new {new:.4f} any {anyone:.4f}  {seconds:,.0f} s", flush=True)
    if options.json is not None:
        report = {"plays": plays, "refits": options.refits, "arms": arms}
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Which strategy of exploring listeners take to: River's epsilon-greedy bandit over acceptance.

An epsilon-greedy bandit (Sutton and Barto 2018, "Reinforcement learning", section 2.4) pulls any
arm with probability ε and else the one with the highest mean reward. Here arms are strategies, and
the reward is 1 for an explored entry that was tapped, 0 for one seen or dismissed. The draw itself
is `kernels.exploring`'s, so that the same state draws the same: a strategy has ε / k of it, and the
best has 1 - ε more, which those of equal means share.

Layout of a record, little-endian: format version u8, number of strategies u8, then for each how
many rewards there were and their mean (f64).
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np

from models.recommend.changing import Records
from models.recommend.kernels.scene import Exploring
from schemas.outputs import STRATEGIES

__all__ = ["BANDIT_KEY", "EPSILON", "TRACKS_MAX", "StrategyBandit", "weight"]

BANDIT_KEY: Final = b"\x01bandit"
"""The key of the bandit's record among those of listeners, whose ids hold no control characters."""
EPSILON: Final = 0.3
TRACKS_MAX: Final = 1000
"""Of more tracks than this none is drawn: what a propensity is at least."""

_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BB")


class StrategyBandit:
    """The bandit of one partition. About 2 µs a reward; 50 bytes of record.

    >>> bandit = StrategyBandit()
    >>> bandit.learn("explore_new", is_accepted=True)
    >>> [round(chance, 2) for chance in bandit.chances(0.1)]
    [0.1, 0.1, 0.8, 0.1]
    """

    def __init__(self) -> None:
        self._policy: Any = None  # Any: River types some of its methods only
        self._learned = 0  # rewards not in the changelog yet

    def learn(self, strategy: str, *, is_accepted: bool) -> None:
        """Learn what became of an explored entry that was seen."""
        self._made().update(strategy, float(is_accepted))
        self._learned += 1

    def chances(self, share: float) -> Exploring:
        """The probability of each strategy, for lists of which `share` explore."""
        means = [mean for _, mean in self._sums()]
        best = [mean == max(means) for mean in means]
        chances = [EPSILON / len(best) + (1 - EPSILON) * is_best / sum(best) for is_best in best]
        return Exploring(share, *chances)

    def changes(self) -> Records:
        """The record, if something was learned since the last call."""
        if not self._learned:
            return []
        self._learned = 0
        sums = np.array(self._sums(), "<f8")
        return [(BANDIT_KEY, _HEAD.pack(_VERSION, len(STRATEGIES)) + sums.tobytes())]

    def restore(self, value: bytes | None) -> None:
        """Go on from a record; from nothing without one, or if it is of other strategies.

        Raises ValueError on bytes it cannot read.
        """
        self._policy, self._learned = None, 0
        if value is None:
            return
        if len(value) < _HEAD.size:
            raise ValueError("bandit record is truncated")
        if _HEAD.unpack_from(value) != (_VERSION, len(STRATEGIES)):
            return
        if len(value) != _HEAD.size + 16 * len(STRATEGIES):
            raise ValueError("bandit record is of another length than it says")
        sums = np.frombuffer(value, "<f8", -1, _HEAD.size).reshape(-1, 2)
        counts, means = sums.T
        if not (
            np.isfinite(sums).all() and (counts >= 0).all() and (abs(means - 0.5) <= 0.5).all()
        ):
            raise ValueError("bandit record holds what is no count or no mean")
        self._go_on(sums.tolist())

    def _sums(self) -> list[tuple[float, float]]:
        """Rewards and their mean of each strategy; River is not asked before there are any."""
        if self._policy is None:
            return [(0.0, 0.0)] * len(STRATEGIES)
        rewards = self._policy._rewards
        return [(rewards[strategy].n, rewards[strategy].get()) for strategy in STRATEGIES]

    def _go_on(self, sums: list[list[float]]) -> None:
        policy = self._made()
        for strategy, (count, mean) in zip(STRATEGIES, sums, strict=True):
            reward = policy._rewards[strategy]
            reward.n, reward._mean = count, mean
            policy._counts[strategy] = int(count)
        policy._n = policy._counts.total()

    def _made(self) -> Any:
        """River's bandit, made when it is first needed: River takes seconds to import."""
        if self._policy is None:
            from river.bandit import EpsilonGreedy

            self._policy = EpsilonGreedy(EPSILON, seed=1)
        return self._policy


def weight(propensity: float, share: float) -> float:
    """How many tracks an explored entry stands for, where `share` of lists explore.

    At most what one drawn among `TRACKS_MAX` by the rarest strategy does: apps echo propensities,
    and one wrong echo must not outweigh everything.
    """
    return 1 / max(propensity, share * EPSILON / len(STRATEGIES) / TRACKS_MAX)

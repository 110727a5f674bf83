"""Listeners whose rows are put in by hand, to see what each source and ranker makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.recommend import ListenerLimits, ListenerState, Recommender, RowCache, RowColumns
from models.recommend.arms import Arms
from models.recommend.kernels.ranking import FORMS
from models.recommend.sounds import Sounds
from models.recommend.vocabulary import Vocabulary
from schemas.events import PlayEvent
from schemas.outputs import SOURCES, Source

__all__ = ["T0", "Columns", "Listening"]

Columns = tuple[Sequence[int], Sequence[float]]  # forward and fading
T0 = 1_700_000_000_000


class Listening:
    """One state, one cache and one recommender; rows are put in by hand."""

    # Any: rules of a Recommender
    def __init__(self, list_length: int = 5, *, arms: Arms | None = None, **rules: Any) -> None:
        """Start with nothing known."""
        vocabulary = Vocabulary()
        self.state = ListenerState(vocabulary, ListenerLimits(), arms=arms)
        self.rows = RowCache(vocabulary)
        self.sounds = Sounds(vocabulary, 1_000)
        self.recommender = Recommender(
            vocabulary, self.rows, sounds=self.sounds, list_length=list_length, **rules
        )
        self.count = 0

    def plays(self, *tracks: str, user: str = "ann", trained: bool = False, **more: str) -> None:
        """Learn finished plays of a listener, one after another; `trained`, rankers learn too."""
        for track in tracks:
            self.count += 1
            event = PlayEvent(
                event_id=f"e{self.count}",
                user_id=user,
                track_id=track,
                started_at_ms=T0 + self.count,
                played_ms=1,
                duration_ms=1,
                end_reason="finished",
                **more,
            )
            self.state.learn([event], lists=self.recommender if trained else None)

    def row(
        self, track: str, plays: int, columns: Columns | None = None, /, **weights: int
    ) -> None:
        """Put a row; weights, forward and fading ones in units of one play next to the track."""
        forward, fading = columns or ([0] * len(weights), [0.0] * len(weights))
        row = RowColumns(
            plays,
            [*weights],
            2520 * np.array([*weights.values()], np.int64),
            2520 * np.array(forward, np.int64),
            2520 * np.array(fading, np.float32),
        )
        self.rows.put_columns(track, row, 0.0)

    def trust(self, *sources: Source) -> None:
        """Make both rankers order by these sources alone, by the share of the largest sum."""
        weights = self.state.ranker.weights
        weights[:] = 0
        for source in sources:
            weights[:, FORMS * SOURCES.index(source)] = 1

    def lists(self, user: str = "ann") -> tuple[dict[str, float], dict[str, float]]:
        """Return `next` and `discover` of a listener: tracks and scores, best first."""
        slot = self.state.slot(user)
        assert slot is not None
        (served,) = self.recommender.recommend(self.state, [slot])
        assert served.user_id == user
        following, discover = (
            dict(zip(columns[0], columns[1].tolist(), strict=True))
            for columns in (served.next, served.discover)
        )
        return following, discover

    def shares(self, user: str = "ann") -> dict[str, float]:
        """Return the scores of `next` before they were made relative, if the best has 1."""
        return {track: 1 + math.log(score) for track, score in self.lists(user)[0].items()}

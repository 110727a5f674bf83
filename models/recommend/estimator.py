"""The recommender as a River estimator: for notebooks, and beside River's other rankers.

The states and kernels of a worker, one event at a time; nothing of the streaming path uses this.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from river.reco.base import Ranker, Reward

from models.recommend.listener_memory import ListenerLimits
from models.recommend.pipeline import Pipeline
from schemas.events import PlayEvent
from schemas.outputs import WORLD

__all__ = ["SessionRanker"]

_STEP_MS = 1
_LENGTH_MS = 200_000
_NOT_TEXT = "\x02"  # no id has it, so 7 and "7" are two


class SessionRanker(Ranker):
    """Lists from nine sources, ordered by a listwise ranker that learns from every play.

    What a play does is told exactly in `docs/reference/recommend.md`: an item gains weight in the
    row of each of the ten items before it in the user's session, 2520 / d at distance d, and the
    linear scores of candidates are moved against the gradient of a softmax cross entropy by
    AdaGrad. Nothing is drawn at random. Lists are those of `segue replay`: without product filters,
    so the item just played may come again.

    The context `x` of an event may hold `at_ms` (when it began, in milliseconds of Unix time),
    `session`, `artist` and `market`, which default to none; without `at_ms` events are a
    millisecond apart. Users and items are hashable; those that are no strings are told apart by
    their `repr`.

    A model can be copied and pickled; either takes the memory of its limits, about 1.5 KB for each
    listener and track that fits.

    Parameters
    ----------
    repeats
        Whether items that a user heard before may rank: the list `next`, else `discover`.
    list_length
        Items that get a score; those behind them in the list have 0.
    session_gap_ms
        Plays of a user further apart than this begin a session, where none is named.
    listeners_max
        Users that are remembered; then the one seen longest ago is forgotten.
    tracks_max
        Items with a row of neighbours; then the one used longest ago loses it.

    Examples
    --------

    >>> from models.recommend.estimator import SessionRanker
    >>> model = SessionRanker(listeners_max=100, tracks_max=100)
    >>> for user in ("ann", "bob", "cleo"):
    ...     for item in ("verse", "chorus", "bridge"):
    ...         model.learn_one(user, item, y=True)

    Who played the verse gets what others played next to it:

    >>> model.learn_one("dan", "verse", y=True)
    >>> model.rank("dan", {"verse", "chorus", "bridge", "unheard of"})
    ['chorus', 'bridge', 'verse', 'unheard of']

    What was skipped early has less weight than before:

    >>> before = model.predict_one("dan", "chorus")
    >>> for _ in range(3):
    ...     model.learn_one("dan", "chorus", y=False)
    >>> model.predict_one("dan", "chorus") < before
    True

    References
    ----------
    [^1]: Cao et al., "Learning to rank: from pairwise approach to listwise approach", ICML 2007.
    [^2]: Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018.

    """

    def __init__(
        self,
        *,
        repeats: bool = True,
        list_length: int = 100,
        session_gap_ms: int = 1_800_000,
        listeners_max: int = 10_000,
        tracks_max: int = 10_000,
    ) -> None:
        super().__init__()
        self.repeats = repeats
        self.list_length = list_length
        self.session_gap_ms = session_gap_ms
        self.listeners_max = listeners_max
        self.tracks_max = tracks_max
        limits = ListenerLimits(listeners_max=listeners_max, session_gap_ms=session_gap_ms)
        self._pipeline = Pipeline(
            limits, list_length=list_length, tracks_max=tracks_max, filtered=False
        )
        self._learned = 0
        self._at_ms = 0

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:  # Any: values of River's parameters
        yield {"listeners_max": 10, "tracks_max": 50}
        yield {"repeats": False, "listeners_max": 10, "tracks_max": 50}

    @property
    def is_contextual(self) -> bool:
        """Whether `x` is used."""
        return True

    def learn_one(
        self, user: Hashable, item: Hashable, y: Reward, x: Mapping[str, Any] | None = None
    ) -> None:  # Any: values of a context
        """Learn that a user played an item: to its end if `y` is above 0, else skipped early."""
        context = x or {}
        self._learned += 1
        self._at_ms = int(context.get("at_ms", self._at_ms + _STEP_MS))
        played = float(y) > 0  # type: ignore[arg-type]  # as above
        play = PlayEvent(
            event_id=f"{self._learned}",
            user_id=_name(user),
            track_id=_name(item),
            started_at_ms=self._at_ms,
            played_ms=_LENGTH_MS if played else 0,
            duration_ms=_LENGTH_MS,
            end_reason="finished" if played else "skipped",
            session_id=_text(context.get("session")),
            artist=_text(context.get("artist")),
            market=_text(context.get("market")),
        )
        self._pipeline.learn([play])
        self._pipeline.propagate()

    def predict_one(  # type: ignore[override]  # a float is a number where it runs
        self, user: Hashable, item: Hashable, x: Mapping[str, Any] | None = None
    ) -> float:  # Any: values of a context
        """Return the item's score in the user's list, from 1 down; 0 if it is not in it."""
        return self._scores(user).get(_name(item), 0.0)

    def rank(
        self, user: Hashable, items: set[Hashable], x: Mapping[str, Any] | None = None
    ) -> list[Hashable]:  # Any: values of a context
        """Return the items, best first: by score, then by name. O(list and items), one list."""
        scores = self._scores(user)
        return sorted(items, key=lambda item: (-scores.get(_name(item), 0.0), _name(item)))

    def _scores(self, user: Hashable) -> dict[str, float]:
        """The user's list; what is popular if nothing is known of them."""
        slot = self._pipeline.listeners.slot(_name(user))
        if slot is None:
            popular = self._pipeline.popular.get(WORLD, [])
            return {name: 1 / place for place, name in enumerate(popular[: self.list_length], 1)}
        (served,) = self._pipeline.recommend([slot])
        names, scores, *_ = served.next if self.repeats else served.discover
        return dict(zip(names, scores.tolist(), strict=True))


def _name(thing: Hashable) -> str:
    return thing if isinstance(thing, str) else f"{_NOT_TEXT}{thing!r}"


def _text(value: object) -> str | None:
    return None if value is None else str(value)

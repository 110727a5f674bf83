"""Lists and rankers in plain Python: what the compiled code is tested against.

Names instead of numbers, dicts instead of arrays, doubles where the kernels have singles: so scores
agree to about one in a thousand, and tracks whose scores are that close may change places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from river.optim import AdaGrad

from models.recommend.listener_memory import ListenerSnapshot
from models.recommend.reference import BLOCKED, BLOCKED_ARTIST, HIDDEN
from models.recommend.reference_catalogue import ReferenceCatalogue
from models.recommend.reference_rows import ROW, ReferenceRows
from models.recommend.reference_vectors import ReferenceVectors
from models.recommend.vocabulary import hash16, hash32

__all__ = ["ReferenceRankers", "bounded", "spread"]

SOURCES = ("together", "lately", "after", "artist", "again", "often", "loop", "popular", "audio")
UNIT, POPULAR, TRAINED, UNPLAYED, NEW = 2520, 32, 32, 8, 20
TASTE = (5, 6, 7)
HIDDEN_MS = 30 * 24 * 3_600_000
KINDS = ("next", "discover")
FEATURES = 3 * len(SOURCES) + 3

Sums = dict[str, dict[str, float]]  # by candidate and source
Features = dict[str, list[float]]
Weights = dict[Hashable, float]  # by number of the feature
Trend = Sequence[tuple[str, float]]  # most played first
Alike = Mapping[str, float]


class ReferenceRankers:
    """Both rankers, and the lists they make from rows and trends as they are now.

    `trends` is by market; `world` stands in for a market without any. `artists` is by track, and
    so is `sounds`: its audio neighbours and how alike each sounds.
    """

    def __init__(  # noqa: PLR0913  # one argument for each thing that lists are made from
        self,
        rows: ReferenceRows,
        trends: Mapping[str, Trend],
        artists: Mapping[str, str],
        rates: tuple[float, float],
        vectors: ReferenceVectors,
        *,
        catalogue: ReferenceCatalogue | None = None,
        sounds: Mapping[str, Alike] | None = None,
    ) -> None:
        self.rows, self.trends, self.artists = rows, trends, artists
        self.vectors = vectors
        self._decay, learning_rate = rates
        self._catalogue = catalogue or ReferenceCatalogue()
        self._sounds = sounds or {}
        first: Weights = dict.fromkeys(range(FEATURES), 0.0)
        first |= {0: 2.0, 1: 1.0}
        first |= {3 * SOURCES.index("popular"): 0.1, 3 * SOURCES.index("audio"): 0.05}
        self.weights = {kind: {**first} for kind in KINDS}
        self._optimizers = {kind: AdaGrad(learning_rate, eps=0.01) for kind in KINDS}

    def train(self, listener: ListenerSnapshot, track: str, at_ms: int) -> None:
        """Learn from a play: gradient of the cross entropy over the best 32, River's AdaGrad."""
        features = self._features(listener)
        for kind in KINDS:
            scores = self._scores(kind, features)
            allowed = self._allowed(kind, listener, at_ms)
            best = [t for t in _by_score(scores) if allowed(t)][:TRAINED]
            if track not in best:
                continue
            chances = {t: math.exp(scores[t] - scores[best[0]]) for t in best}
            total = sum(chances.values())
            expected = [
                sum(chances[t] * features[t][f] for t in best) / total for f in range(FEATURES)
            ]
            gradient: Weights = {f: expected[f] - features[track][f] for f in range(FEATURES)}
            self._optimizers[kind].step(self.weights[kind], gradient)

    def scores(self, kind: str, listener: ListenerSnapshot, at_ms: int) -> dict[str, float]:
        """The score of every candidate that a list may hold."""
        scores = self._scores(kind, self._features(listener))
        allowed = self._allowed(kind, listener, at_ms)
        return {t: score for t, score in scores.items() if allowed(t)}

    def filling(self, kind: str, listener: ListenerSnapshot, at_ms: int) -> list[str]:
        """What a list is filled up with: the market's trends, then the world's."""
        names = [t for market in (listener.market, "world") for t, _ in self._trend(market)]
        return [*filter(self._allowed(kind, listener, at_ms), dict.fromkeys(names))]

    def shares(self, kind: str, listener: ListenerSnapshot, track: str) -> dict[str, float]:
        """What each source that speaks for a candidate adds to its score."""
        x, weights = self._features(listener)[track], self.weights[kind]
        shares = {
            source: sum(weights[f] * x[f] for f in range(3 * s, 3 * s + 3))
            for s, source in enumerate(SOURCES)
            if x[3 * s] > 0
        }
        lasting, now = self.vectors.tastes(track, [*dict.fromkeys(listener.recent)])
        level, _ = self.vectors.tastes(track, [])
        own = (weights[FEATURES - 2] * (lasting - level) + weights[FEATURES - 1] * now) / 4
        return shares | ({"taste": own} if own > 0 else {})

    def explorable(self, listener: ListenerSnapshot, at_ms: int) -> dict[str, list[str]]:
        """By strategy, the tracks that `discover` might explore, in it or not."""
        allowed, near = self._allowed("discover", listener, at_ms), self._features(listener)
        new = [t for t in near if self.vectors.discoveries.get(t, 0) < NEW]
        trending = [t for t, _ in self._trend(listener.market)]
        found = {"explore_near": [*near], "explore_new": new, "explore_trending": trending}
        return {strategy: [*filter(allowed, tracks)] for strategy, tracks in found.items()}

    def parts(self, listener: ListenerSnapshot, track: str) -> list[float]:
        """What each track of the session adds to the sum of `together` of a candidate."""
        rows, plays = self.rows.rows, self.rows.plays
        return [
            self._decay**k * max(rows[i][track], 0) / UNIT / math.sqrt(plays[i] + 1)
            if i in rows
            else 0.0
            for k, i in enumerate(listener.context[:5])
        ]

    def sounds_like(self, listener: ListenerSnapshot, track: str) -> list[float]:
        """What each track of the session adds to the sum of `audio` of a candidate."""
        alike = [self._sounds.get(i, {}) for i in listener.context[:5]]
        return [self._decay**k * each.get(track, 0.0) for k, each in enumerate(alike)]

    def stated(
        self, kind: str, listener: ListenerSnapshot, at_ms: int, most: int
    ) -> list[tuple[str, float]]:
        """What a newcomer's list begins with: tracks of each group they named, in turn."""
        allowed, turns = self._allowed(kind, listener, at_ms), list[list[str]]()
        for group in (s.subject for s in listener.said if s.kind in TASTE):
            row = [track for track, weight in self.rows.top(group, ROW) if weight > 0]
            trending = [t for t, _ in self._trend(listener.market) if self._is_of(t, group)]
            named = dict.fromkeys([*row, *trending, *self._catalogue.newest(group)])
            turns.append([*filter(allowed, named)][:most])
        entries: dict[str, float] = {}
        for turn in range(max(map(len, turns), default=0) if not listener.recent else 0):
            for tracks in turns:
                for track in tracks[turn : turn + 1]:
                    entries.setdefault(track, 0.8**turn)
        return [*entries.items()]

    def _allowed(self, kind: str, listener: ListenerSnapshot, at_ms: int) -> Callable[[str], bool]:
        """Whether a list may hold a track."""
        said = listener.said
        barred = {s.subject for s in said if s.kind == BLOCKED}
        barred |= {s.subject for s in said if s.kind == HIDDEN and at_ms < s.at_ms + HIDDEN_MS}
        barred |= {listener.last_track, *listener.recent[:1]}
        artists = {s.subject for s in said if s.kind == BLOCKED_ARTIST}
        heard = {*listener.heard} if kind == "discover" else set()
        return lambda track: (
            track not in barred
            and self.artists.get(track) not in artists
            and hash16(track) not in heard
        )

    def of_artist(self, listener: ListenerSnapshot, track: str) -> int:
        """The place of the first track of the session whose artist or album names a candidate."""
        return next(k for k, other, _ in self._of_groups(listener) if other == track)

    def _of_groups(self, listener: ListenerSnapshot) -> list[tuple[int, str, float]]:
        """What artists, then albums, of the session name: place, track, and what it adds."""
        length = len(listener.context[:5])
        artists = listener.artists[:length]
        albums = [self._catalogue.album(track) for track in listener.context[:length]]
        named: list[tuple[int, str, float]] = []
        for groups in (artists, albums):
            for group in filter(None, dict.fromkeys(groups)):
                places = [k for k in range(length) if groups[k] == group]
                row: Mapping[str, int] = self.rows.rows.get(group, {})
                share = sum(self._decay**k for k in places) / math.sqrt(max(len(row), 1))
                for track, weight in row.items():
                    if weight > 0:
                        named.append((places[0], track, share * math.sqrt(weight / UNIT + 0.5)))
                known = {track for _, track, _ in named}
                unplayed = [t for t in self._catalogue.newest(group) if t not in known]
                named += [(places[0], t, share * math.sqrt(0.5)) for t in unplayed[:UNPLAYED]]
        return named

    def _is_of(self, track: str, group: str) -> bool:
        return group in self._catalogue.groups(track)

    def _trend(self, market: str) -> Trend:
        return self.trends.get(market) or self.trends.get("world", ())

    def _scores(self, kind: str, features: Features) -> dict[str, float]:
        weights = self.weights[kind]
        return {
            track: sum(w * x for w, x in zip(weights.values(), row, strict=True))
            for track, row in features.items()
        }

    def _features(self, listener: ListenerSnapshot) -> Features:
        sums = self._sums(listener)
        largest = {
            source: max((row[source] for row in sums.values()), default=0.0) for source in SOURCES
        }
        features: Features = {}
        for track, row in sums.items():
            features[track] = x = []
            for source in SOURCES:
                amount = row[source]
                share = amount / largest[source] if largest[source] else 0.0
                x += [share, share**0.25, amount / (1 + amount)]
            x.append(1.0 if listener.recent[:1] == [track] else 0.0)
            tastes = self.vectors.tastes(track, [*dict.fromkeys(listener.recent)])
            x += [max(-2.0, min(2.0, taste / 4)) for taste in tastes]
        return features

    def _sums(self, listener: ListenerSnapshot) -> Sums:
        sums: Sums = {}
        context, recent = listener.context[:5], listener.recent

        def add(track: str, source: str, amount: float) -> None:
            row = sums.setdefault(track, dict.fromkeys(SOURCES, 0.0))
            row[source] += amount

        for k, track in enumerate(context):
            plays = self.rows.plays[track] + 1
            for other, weight in self.rows.rows.get(track, {}).items():
                if weight <= 0:
                    continue
                fading = max(self.rows.fading[track, other], 0.0)
                add(other, "together", self._decay**k * weight / UNIT / math.sqrt(plays))
                add(other, "lately", self._decay**k * fading / UNIT)
                if k == 0:
                    forward = max(self.rows.forward[track, other], 0)
                    add(other, "after", forward / UNIT / plays)
        for _, other, amount in self._of_groups(listener):
            add(other, "artist", amount)
        for p, track in enumerate(recent):
            add(track, "often", 1.0)
            if track not in recent[:p]:
                add(track, "again", 1 / (p + 1))
            if p > 0 and track == recent[0]:
                add(recent[p - 1], "loop", 0.9**p)
        for track, score in self._trend(listener.market)[:POPULAR]:
            add(track, "popular", score)
        for track in {t for i in context for t in self._sounds.get(i, {})}:
            add(track, "audio", sum(self.sounds_like(listener, track)))
        return sums


def bounded(tracks: Iterable[str], artists: Mapping[str, str], most: int) -> list[str]:
    """The tracks without those that have `most` of their artist before them."""
    kept: list[str] = []
    for track in tracks:
        artist = artists.get(track)
        if artist is None or [artists.get(t) for t in kept].count(artist) < most:
            kept.append(track)
    return kept


def spread(entries: Mapping[str, float], artists: Mapping[str, str]) -> list[tuple[str, float]]:
    """Maximal marginal relevance: behind one of its own artist a track counts half."""
    left, placed = dict(entries), list[tuple[str, float]]()
    while left:
        before = artists.get(placed[-1][0]) if placed else None
        worth = {
            t: score / 2 if before and artists.get(t) == before else score
            for t, score in left.items()
        }
        track = max(left, key=lambda t: worth[t])
        lowest = placed[-1][1] if placed else math.inf
        placed.append((track, min(left.pop(track), lowest)))
    return placed


def _by_score(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda track: (-scores[track], hash32(track)))

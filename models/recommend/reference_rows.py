"""The rules of stages B and C in plain Python, as `reference` has those of stage A."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterable

from models.recommend.vocabulary import hash32
from schemas.outputs import Direction

__all__ = ["ReferenceRows", "ReferenceTrend"]

FADING_GONE = 1e-6
ROW = 60


class ReferenceRows:
    """Stage B. Each track's plays and weights, at most 60 of them.

    Frame by frame: first its plays, then its weights, then who its tracks are by.
    """

    def __init__(self, tracks_max: int = 100_000) -> None:
        self.rows: OrderedDict[str, Counter[str]] = OrderedDict()
        self.forward: Counter[tuple[str, str]] = Counter()
        self.fading: dict[tuple[str, str], float] = {}
        self.plays: Counter[str] = Counter()
        self.artists: dict[str, str] = {}
        self.evictions = 0
        self._tracks_max = tracks_max

    def add_plays(self, track: str, count: int) -> None:
        """Count plays of a track; its row fades."""
        for other in self._use(track):
            faded = self.fading[track, other] * 0.5 ** (count / 8)
            self.fading[track, other] = faded if abs(faded) >= FADING_GONE else 0.0
        self.plays[track] += count

    def add_weight(self, left: str, right: str, weight: int, *, forward: bool) -> None:
        """Add to the row of `left`; a full row gives up its lightest neighbour for a new one.

        Unless that comes with nothing or less.
        """
        row = self._use(left)
        if right not in row and len(row) == ROW:
            if weight <= 0:
                return
            (*_, (lightest, _)) = self.top(left, ROW)
            del row[lightest], self.forward[left, lightest], self.fading[left, lightest]
        row[right] += weight
        self.forward[left, right] += weight if forward else 0
        self.fading[left, right] = self.fading.get((left, right), 0.0) + weight

    def take_back_plays(self, track: str, count: int) -> None:
        """Subtract plays of a track, if its row is held."""
        if track in self.rows:
            self._use(track)
            self.plays[track] = max(0, self.plays[track] - count)

    def take_back_weight(self, left: str, right: str, weight: int, *, forward: bool) -> None:
        """Subtract from the row of `left`, if it is held, as far as `right` may stand in it."""
        row = self.rows.get(left)
        if row is None or (right not in row and len(row) == ROW):
            return
        self._use(left)
        before = row[right]
        row[right] -= weight
        self.forward[left, right] -= weight if forward else 0
        fading = self.fading.get((left, right), 0.0)
        shrunk = before > 0 and row[right] < before
        self.fading[left, right] = fading * max(row[right], 0) / before if shrunk else fading
        if not row[right] and not self.forward[left, right]:
            del row[right], self.forward[left, right], self.fading[left, right]

    def drop_empty(self, tracks: Iterable[str]) -> list[str]:
        """Forget rows that nobody gave anything to, after an erasure; which they were."""
        dropped = [t for t in tracks if t in self.rows and not self.rows[t] and not self.plays[t]]
        for track in dropped:
            del self.rows[track], self.plays[track]
            self.artists.pop(track, None)
        return dropped

    def name_artist(self, track: str, artist: str) -> None:
        """Note who a track is by, if it has a row."""
        if track in self.rows:
            self.artists[track] = artist

    def top(self, track: str, k: int) -> list[tuple[str, int]]:
        """The k heaviest neighbours."""
        row = self.rows.get(track, Counter[str]())
        return sorted(row.items(), key=lambda entry: (-entry[1], hash32(entry[0])))[:k]

    def _use(self, track: str) -> Counter[str]:
        if track not in self.rows:
            if len(self.rows) == self._tracks_max:
                evicted, row = self.rows.popitem(last=False)
                del self.plays[evicted]
                self.artists.pop(evicted, None)
                for other in row:
                    del self.forward[evicted, other], self.fading[evicted, other]
                self.evictions += 1
            self.rows[track] = Counter()
            self.plays[track] = 0
        self.rows.move_to_end(track)
        return self.rows[track]


class ReferenceTrend:
    """Stage C, one market without evictions: every play is kept, and weighed when asked."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, int]] = Counter()
        self.newest = -1
        self.leaders: set[str] = set()
        self.plays = self.led = 0
        self.shares: list[float] = []
        """What the detector is given: the part of leaders in the plays of a bucket."""

    def learn(self, frame: Iterable[tuple[str, int, int]]) -> None:
        """Count the plays of a frame: track, minute, count."""
        entries = [*frame]
        minute = max(minute for _, minute, _ in entries)
        if minute > self.newest:
            self._end_minute(minute)
        self.newest = max(self.newest, minute)
        for track, played, count in entries:
            self.counts[track, played] += count
            self.plays += count
            self.led += count if track in self.leaders else 0

    def _end_minute(self, minute: int) -> None:
        if not self.leaders:
            self.plays = self.led = 0
        elif self.plays >= 100:
            self.shares.append(self.led / self.plays)
            self.plays = self.led = 0
        if minute // 60 != self.newest // 60:
            self.leaders = self._leaders() if self.counts else set()

    def _leaders(self) -> set[str]:
        scores = {track: max(score, 0.0) for track, score in self.scores(480).items()}
        reached, half = 0.0, sum(scores.values()) / 2
        for score in sorted(scores.values(), reverse=True):
            reached += score
            if reached >= half:
                return {track for track, own in scores.items() if own >= score}
        return set()

    def scores(self, half_life: int) -> dict[str, float]:
        """Plays decayed to the newest minute."""
        newest = max(minute for _, minute in self.counts)
        scores: dict[str, float] = {}
        for (track, minute), count in self.counts.items():
            decayed = count * math.exp2((minute - newest) / half_life)
            scores[track] = scores.get(track, 0.0) + decayed
        return scores

    def moves(self, half_life: int, longer: int) -> dict[str, tuple[float, Direction]]:
        """Each track's acceleration to three decimals, and where it goes."""
        now, before = self.scores(half_life), self.scores(longer)
        total_now, total_before = sum(now.values()), sum(before.values())
        aged = 2 * total_before < self.counts.total()
        moves: dict[str, tuple[float, Direction]] = {}
        for track in now:
            expected = before[track] * total_now / total_before
            rate = round(math.log2((now[track] + 10) / (expected + 10)), 3)
            plays = sum(count for (name, _), count in self.counts.items() if name == track)
            direction: Direction = "steady"
            if rate >= 0.5:
                direction = "new" if aged and before[track] >= 0.75 * plays else "rising"
            elif rate <= -0.5:
                direction = "falling"
            moves[track] = rate, direction
        return moves

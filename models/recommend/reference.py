"""The same rules in plain Python: slow, obvious, and what the compiled code is tested against.

Strings instead of ids, dicts instead of arrays, one event at a time. Scores are compared with a
tolerance, because sums of fractions depend on their order in the last digit; all else is equal.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from models.recommend.conduct import Conduct
from models.recommend.forest import ConductForest
from models.recommend.kernels.listener import CONTEXT_USED, KEPT
from models.recommend.listener_memory import ListenerLimits, ListenerSnapshot
from models.recommend.plays import artist_key, hash40, hash64, is_early
from models.recommend.reference_conduct import draw, judge
from models.recommend.said import Statement
from models.recommend.statements import artist_row, taste_of
from models.recommend.vocabulary import hash16, hash32
from schemas.events import Feedback, PlayEvent
from schemas.outputs import WORLD, Direction

__all__ = ["ReferenceListeners", "ReferenceRows", "ReferenceTrend"]

FADING_GONE = 1e-6
RECENT, HEARD, CONTEXT, WEIGHT, ROW, LIKES_BEFORE = 50, 160, 10, 2520, 60, 5
LIKED, BLOCKED, HIDDEN, BLOCKED_ARTIST, TASTE = 1, 2, 3, 4, (5, 6, 7)
SAYS = {"like": LIKED, "block_track": BLOCKED, "hide": HIDDEN, "block_artist": BLOCKED_ARTIST}
TAKES_BACK = {
    "unlike": (LIKED,),
    "unblock_track": (BLOCKED,),
    "unblock_artist": (BLOCKED_ARTIST,),
    "undo": (LIKED, BLOCKED, HIDDEN, BLOCKED_ARTIST),
}


@dataclass
class _Listener:
    plays: int = 0
    newest_ms: int = 0
    last_ms: int = 0
    session: int = 0
    length: int = 0
    market: str = ""
    last_track: str = ""
    recent: list[str] = field(default_factory=list)
    artists: list[str] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    said: list[Statement] = field(default_factory=list)
    conduct: Conduct = field(default_factory=Conduct)


class ReferenceListeners:
    """Stage A. `pairs` are weights by (left, right, whether right came after left).

    `artists` is by track, as named last. `before` is called with what is known of a listener, the
    track, and when it began, before a play is applied.
    """

    def __init__(
        self,
        limits: ListenerLimits | None = None,
        *,
        before: Callable[[ListenerSnapshot, str, int], None] | None = None,
    ) -> None:
        self.limits = limits or ListenerLimits()
        self._before = before
        self._forest = ConductForest()
        self.listeners: OrderedDict[str, _Listener] = OrderedDict()
        self.plays: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str, bool]] = Counter()
        self.trends: Counter[tuple[str, str, int]] = Counter()
        self.artists: dict[str, str] = {}
        self.evictions = 0

    def learn(self, plays: Iterable[PlayEvent]) -> list[str]:
        """The outcome of each play, in order."""
        return [self._learn(play) for play in plays]

    def feedback(self, events: Iterable[Feedback]) -> list[str]:
        """The outcome of each piece of feedback, in order."""
        return [self._feedback(event) for event in events]

    def snapshot(self, user_id: str) -> ListenerSnapshot | None:
        """What is known of a listener."""
        found = self.listeners.get(user_id)
        if found is None:
            return None
        return ListenerSnapshot(
            plays=found.plays,
            newest_ms=found.newest_ms,
            last_ms=found.last_ms,
            session=found.session,
            context=found.recent[: found.length],
            recent=found.recent,
            artists=found.artists,
            heard=found.heard,
            events=found.events,
            said=found.said,
            market=found.market,
            last_track=found.last_track,
            conduct=found.conduct,
        )

    def _learn(self, play: PlayEvent) -> str:
        known = self.listeners.get(play.user_id)
        event = hash40(play.event_id)
        if known is not None and event in known.events:
            return "duplicate"
        listener = self._use(play.user_id)
        early = is_early(play)
        late = play.started_at_ms < listener.newest_ms - self.limits.lateness_ms
        before = self.snapshot(play.user_id)
        held = self._is_held(listener, play, early=early, late=late)
        if self._before and before and not early and not late and not held:
            self._before(before, play.track_id, play.started_at_ms)
        listener.events = [event, *listener.events][: self.limits.dedupe_window]
        listener.plays += 1
        track_hash = hash16(play.track_id)
        others = [other for other in listener.heard if other != track_hash]
        listener.heard = [track_hash, *others][:HEARD]
        self.plays[play.track_id] += not held
        if artist_key(play) and not held:
            self.artists[play.track_id] = artist_key(play)
        if not early and not held:
            for market in {WORLD, play.market or WORLD}:
                self.trends[market, play.track_id, play.started_at_ms // 60_000] += 1
        if late:
            return "late"
        listener.newest_ms = max(listener.newest_ms, play.started_at_ms)
        listener.last_track = play.track_id
        listener.market = play.market or listener.market
        if early:
            if play.end_reason == "skipped":
                self._pair(listener, play, sign=0 if held else -1)
            return "skipped"
        self._apply(listener, play, held=held)
        return "held" if held else "applied"

    def _is_held(self, listener: _Listener, play: PlayEvent, *, early: bool, late: bool) -> bool:
        repeat = False
        if not late:
            artist, known = artist_key(play), listener.artists[:1]
            listener.conduct, repeat = judge(
                listener.conduct,
                play,
                gap_ms=play.started_at_ms - listener.newest_ms,
                recent=listener.recent,
                early=early,
                same=[artist] == known if artist and known and not early else None,
            )
            if play.played_ms and hash40(play.event_id) % self.limits.plays_per_look == 0:
                listener.conduct = draw(self._forest, listener.conduct, listener.recent)
        return self.limits.hold_suspicious and (repeat or listener.conduct.suspicion != 0)

    def _pair(self, listener: _Listener, play: PlayEvent, *, sign: int) -> list[str]:
        session = 0 if play.session_id is None else hash64(play.session_id) or 1
        if session and listener.session:
            same = session == listener.session
        else:
            gap_ms = abs(play.started_at_ms - listener.last_ms)
            same = gap_ms <= self.limits.session_gap_ms
        context = listener.recent[: listener.length] if same else []
        for distance, other in enumerate(context, start=1):
            if other != play.track_id and sign:
                weight = sign * (WEIGHT // distance)
                self.pairs[play.track_id, other, False] += weight
                self.pairs[other, play.track_id, True] += weight
        return context

    def _apply(self, listener: _Listener, play: PlayEvent, *, held: bool) -> None:
        context = self._pair(listener, play, sign=0 if held else 1)
        session = 0 if play.session_id is None else hash64(play.session_id) or 1
        artist = artist_key(play)
        if artist and not held:
            self.plays[artist] += 1
            self.pairs[artist, play.track_id, False] += WEIGHT
        listener.artists = [artist, *listener.artists][:CONTEXT_USED]
        listener.recent = [play.track_id, *listener.recent][:RECENT]
        listener.length = min(len(context) + 1, CONTEXT)
        listener.session, listener.last_ms = session, play.started_at_ms

    def _feedback(self, event: Feedback) -> str:
        said = self._after(event, self.listeners.get(event.user_id) or _Listener())
        before = self.snapshot(event.user_id)
        if said == (before.said if before else []):
            return "duplicate"
        listener = self._use(event.user_id)
        for statement in listener.said:
            if statement not in said:
                self._weigh_like(statement, -1)
        for statement in said:
            if statement not in listener.said:
                self._weigh_like(statement, 1)
        listener.said = _newest_of_each_kind(said)
        return "applied"

    def _after(self, event: Feedback, listener: _Listener) -> list[Statement]:
        """What holds after an event, if nothing had to give way."""
        said, at_ms = listener.said, event.at_ms
        if event.kind == "taste":
            named = taste_of(event)
            before = [s for s in said if s.kind in TASTE]
            if (
                any(at_ms < s.at_ms for s in before)
                or [(s.kind, s.subject) for s in before] == named
            ):
                return said
            others = [s for s in said if s.kind not in TASTE]
            return others + [Statement(kind, name, at_ms) for kind, name in named]
        of_artist = event.track_id is None or event.kind.endswith("block_artist")
        subject = artist_row(event.artist) if of_artist else event.track_id or ""
        of_subject = [s for s in said if s.kind not in TASTE and s.subject == subject]
        others = [s for s in said if s not in of_subject]
        if any(at_ms < s.at_ms for s in of_subject):
            return said
        if event.kind not in SAYS:
            kinds = TAKES_BACK[event.kind]
            return others if any(s.kind in kinds for s in of_subject) else said
        kind = SAYS[event.kind]
        if any(s.kind == kind and (kind != HIDDEN or s.at_ms == at_ms) for s in of_subject):
            return said
        liked: tuple[str, ...] = ()
        if kind == LIKED:
            likes = [s.subject for s in reversed(others) if s.kind == LIKED]
            liked = (artist_row(event.artist), *[*likes, *[""] * LIKES_BEFORE][:LIKES_BEFORE])
        return [*others, Statement(kind, subject, at_ms, liked)]

    def _weigh_like(self, statement: Statement, sign: int) -> None:
        if statement.kind != LIKED:
            return
        track, (artist, *others) = statement.subject, statement.liked
        if artist:
            self.pairs[artist, track, False] += sign * WEIGHT
        for distance, other in enumerate(others, start=1):
            if other:
                self.pairs[track, other, False] += sign * (WEIGHT // distance)
                self.pairs[other, track, False] += sign * (WEIGHT // distance)

    def _use(self, user_id: str) -> _Listener:
        if user_id not in self.listeners:
            if len(self.listeners) == self.limits.listeners_max:
                self.listeners.popitem(last=False)
                self.evictions += 1
            self.listeners[user_id] = _Listener()
        self.listeners.move_to_end(user_id)
        return self.listeners[user_id]


def _newest_of_each_kind(said: list[Statement]) -> list[Statement]:
    return [
        s
        for at, s in enumerate(said)
        if sum(later.kind == s.kind for later in said[at:]) <= KEPT[s.kind]
    ]


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
        scores = self.scores(480)
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

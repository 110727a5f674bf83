"""The same rules in plain Python: slow, obvious, and what the compiled code is tested against.

Strings instead of ids, dicts instead of arrays, one event at a time. Scores are compared with a
tolerance, because sums of fractions depend on their order in the last digit; all else is equal.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from models.recommend.conduct import Conduct
from models.recommend.forest import ConductForest
from models.recommend.kernels.listener import KEPT
from models.recommend.listener_memory import ListenerLimits, ListenerSnapshot, Passed
from models.recommend.plays import artist_key, hash40, hash64, is_early
from models.recommend.reference_catalogue import ReferenceCatalogue
from models.recommend.reference_conduct import draw, judge
from models.recommend.said import Statement
from models.recommend.statements import artist_row, taste_of
from models.recommend.vocabulary import hash16
from schemas.events import Feedback, PlayEvent
from schemas.outputs import WORLD

__all__ = ["ReferenceListeners"]

RECENT, PASSED, HEARD, CONTEXT, WEIGHT, LIKES_BEFORE = 50, 8, 160, 10, 2520, 5
BEFORE = 30
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
    begins: list[int] = field(default_factory=list)
    held_back: list[int] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    said: list[Statement] = field(default_factory=list)
    conduct: Conduct = field(default_factory=Conduct)
    erased_ms: int = 0


class ReferenceListeners:
    """Stage A. `pairs` are weights by (left, right, whether right came after left).

    `artists` is by track, as named last; `discoveries` are tracks new to their listeners, with
    those they played before. `before` is called with what is known of a listener, the
    track, and when it began, before a play is applied.
    """

    def __init__(
        self,
        limits: ListenerLimits | None = None,
        *,
        before: Callable[[ListenerSnapshot, str, int], None] | None = None,
        catalogue: ReferenceCatalogue | None = None,
    ) -> None:
        self._catalogue = catalogue or ReferenceCatalogue()
        self.limits = limits or ListenerLimits()
        self._before = before
        self._forest = ConductForest()
        self.listeners: OrderedDict[str, _Listener] = OrderedDict()
        self.plays: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str, bool]] = Counter()
        self.trends: Counter[tuple[str, str, int]] = Counter()
        self.artists: dict[str, str] = {}
        self.erased_plays: Counter[str] = Counter()
        self.erased_pairs: Counter[tuple[str, str, bool]] = Counter()
        self.erasures: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self.discoveries: list[tuple[str, list[str]]] = []
        self.evictions = 0

    def learn(self, plays: Iterable[PlayEvent]) -> list[str]:
        """The outcome of each play, in order."""
        return [self._learn(play) for play in plays]

    def feedback(self, events: Iterable[Feedback]) -> list[str]:
        """The outcome of each piece of feedback, in order."""
        return [self._feedback(event) for event in events]

    def erase(self, user_id: str, at_ms: int) -> str:
        """The outcome of asking for a listener's erasure."""
        asked_ms, until_ms = self.erasures.get(user_id, (0, 0))
        if at_ms <= asked_ms:
            return "duplicate"
        listener = self.listeners.pop(user_id, None)
        if listener is not None:
            until_ms = max(until_ms, listener.newest_ms)
            self._take_back(listener)
        self.erasures[user_id] = at_ms, max(at_ms, until_ms)
        self.erasures.move_to_end(user_id)
        kept_ms = at_ms - self.limits.erasure_memory_ms
        while len(self.erasures) > self.limits.erasures_max or self._first_asked_ms() < kept_ms:
            self.erasures.popitem(last=False)
        return "applied"

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
            begins=found.begins,
            held_back=found.held_back,
            passed=found.passed,
            heard=found.heard,
            events=found.events,
            said=found.said,
            market=found.market,
            last_track=found.last_track,
            conduct=found.conduct,
            erased_ms=found.erased_ms,
        )

    def _learn(self, play: PlayEvent) -> str:
        known = self.listeners.get(play.user_id)
        if play.started_at_ms <= self._erased_until_ms(play.user_id):
            return "erased"
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
        new = track_hash not in listener.heard
        others = [other for other in listener.heard if other != track_hash]
        listener.heard = [track_hash, *others][:HEARD]
        self.plays[play.track_id] += not held
        artist = self._artist(play)
        if artist and not held:
            self.artists[play.track_id] = artist
        if not early and not held:
            for market in {WORLD, play.market or WORLD}:
                self.trends[market, play.track_id, play.started_at_ms // 60_000] += 1
        if late:
            passed = Passed("" if held else play.track_id, 0, 0)
            listener.passed = [passed, *listener.passed][:PASSED]
            return "late"
        listener.newest_ms = max(listener.newest_ms, play.started_at_ms)
        listener.last_track = play.track_id
        listener.market = play.market or listener.market
        if early:
            against = 0
            if play.end_reason == "skipped" and not held:
                against = len(self._pair(listener, play, sign=-1))
            passed = Passed("" if held else play.track_id, 0, against)
            listener.passed = [passed, *listener.passed][:PASSED]
            return "skipped"
        if new and listener.recent and not held:
            self.discoveries.append((play.track_id, [*dict.fromkeys(listener.recent)][:BEFORE]))
        self._apply(listener, play, held=held)
        return "held" if held else "applied"

    def _is_held(self, listener: _Listener, play: PlayEvent, *, early: bool, late: bool) -> bool:
        repeat = False
        if not late:
            artist, known = self._artist(play), listener.artists[:1]
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

    def _artist(self, play: PlayEvent) -> str:
        return artist_key(play) or self._catalogue.artist(play.track_id)

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
        artist, album = self._artist(play), self._catalogue.album(play.track_id)
        for group in () if held else filter(None, (artist, album)):
            self.plays[group] += 1
            self.pairs[group, play.track_id, False] += WEIGHT
        listener.artists = [artist, *listener.artists][:RECENT]
        listener.begins = [int(not context), *listener.begins][:RECENT]
        listener.held_back = [int(held), *listener.held_back][:RECENT]
        listener.passed = [found._replace(after=found.after + 1) for found in listener.passed]
        listener.recent = [play.track_id, *listener.recent][:RECENT]
        listener.length = min(len(context) + 1, CONTEXT)
        listener.session, listener.last_ms = session, play.started_at_ms

    def _first_asked_ms(self) -> int:
        return next(iter(self.erasures.values()))[0]

    def _take_back(self, listener: _Listener) -> None:
        """What the retained plays of a listener gave, and their likes."""
        artists = zip(listener.recent, listener.artists, strict=True)
        for place, (track, artist) in enumerate(artists):
            if listener.held_back[place]:
                continue
            older = listener.begins[place:]
            length = older.index(1) if 1 in older else len(older) - 1
            self._take_back_play(listener, track, (place + 1, min(length, CONTEXT)))
            for group in filter(None, (artist, self._catalogue.album(track))):
                self.erased_plays[group] += 1
                self.erased_pairs[group, track, False] += WEIGHT
        for track, after, length in listener.passed:
            if track:
                self._take_back_play(listener, track, (after, length), sign=-1)
        for statement in listener.said:
            _weigh_like(self.erased_pairs, statement, 1)

    def _take_back_play(
        self, listener: _Listener, track: str, context: tuple[int, int], *, sign: int = 1
    ) -> None:
        self.erased_plays[track] += 1
        start, length = context
        for distance, other in enumerate(listener.recent[start : start + length], start=1):
            if other != track:
                weight = sign * (WEIGHT // distance)
                self.erased_pairs[track, other, False] += weight
                self.erased_pairs[other, track, True] += weight

    def _erased_until_ms(self, user_id: str) -> int:
        known = self.listeners.get(user_id)
        return self.erasures.get(user_id, (0, 0))[1] if known is None else known.erased_ms

    def _feedback(self, event: Feedback) -> str:
        if event.at_ms <= self._erased_until_ms(event.user_id):
            return "erased"
        said = self._after(event, self.listeners.get(event.user_id) or _Listener())
        before = self.snapshot(event.user_id)
        if said == (before.said if before else []):
            return "duplicate"
        listener = self._use(event.user_id)
        for statement in listener.said:
            if statement not in said:
                _weigh_like(self.pairs, statement, -1)
        for statement in said:
            if statement not in listener.said:
                _weigh_like(self.pairs, statement, 1)
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

    def _use(self, user_id: str) -> _Listener:
        if user_id not in self.listeners:
            if len(self.listeners) == self.limits.listeners_max:
                self.listeners.popitem(last=False)
                self.evictions += 1
            self.listeners[user_id] = _Listener(erased_ms=self._erased_until_ms(user_id))
        self.listeners.move_to_end(user_id)
        return self.listeners[user_id]


def _weigh_like(pairs: Counter[tuple[str, str, bool]], statement: Statement, sign: int) -> None:
    if statement.kind != LIKED:
        return
    track, (artist, *others) = statement.subject, statement.liked
    if artist:
        pairs[artist, track, False] += sign * WEIGHT
    for distance, other in enumerate(others, start=1):
        if other:
            pairs[track, other, False] += sign * (WEIGHT // distance)
            pairs[other, track, False] += sign * (WEIGHT // distance)


def _newest_of_each_kind(said: list[Statement]) -> list[Statement]:
    return [
        s
        for at, s in enumerate(said)
        if sum(later.kind == s.kind for later in said[at:]) <= KEPT[s.kind]
    ]

"""What must be known after the plays of a log: recomputed from the log, by the rules as written.

One event at a time, in the order of the log. The product sorts a batch by time, so the two agree
where each listener's events come in the order of their time, which `segue.testing.load` sees to
(and a late play comes so late that no batch holds it with an earlier one).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any
from zlib import crc32

from aiokafka.partitioner import murmur2

from schemas.registry import FEEDBACK, PLAYS
from segue.config import Settings
from segue.testing.judging import judge
from segue.testing.wire import ListenerFacts, RowFacts, Said, folded, read_events

__all__ = ["ALBUM_MARK", "ARTIST_MARK", "Truth", "home_of"]

RECENT, PASSED, HEARD, CONTEXT, LIKES_BEFORE = 50, 8, 160, 10, 5
SAYS = {"like": 1, "block_track": 2, "hide": 3, "block_artist": 4}
TAKES_BACK = {"unlike": (1,), "unblock_track": (2,), "unblock_artist": (4,), "undo": (1, 2, 3, 4)}
LIKED, HIDDEN, TASTE = 1, 3, {"artists": 5, "genres": 6, "languages": 7}
KEPT = {1: 64, 2: 256, 3: 64, 4: 128, 5: 20, 6: 20, 7: 20}
UNIT = 2520
ARTIST_MARK = "\x01"  # the name of an artist's row begins with it
ALBUM_MARK = "\x02"  # and that of an album's with this
ALBUM_CHARACTERS_MAX = 255
STATED_MARKS = {"artists": ARTIST_MARK, "genres": "\x03", "languages": "\x04"}
DAY_MS = 86_400_000
REQUEUED = "segue-requeued"


def home_of(key: str, partitions: int) -> int:
    """Return the partition of a key, as Kafka's own partitioner chooses it."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)


def hash64(text: str) -> int:
    """Return the hash that stands for an id: 64 bits of BLAKE2b, signed."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


class Truth:
    """Everything that follows from the logs of plays and feedback.

    `rows` are those of tracks, and of artists and albums under their mark and name. `bad` holds
    (topic, partition, offset) of what cannot be read; `strays` the ids of events that arrived in
    another partition than their own; `arrivals` those in their own.
    """

    def __init__(self, settings: Settings) -> None:
        self.listeners: dict[str, ListenerFacts] = {}
        self.rows: dict[str, RowFacts] = {}
        self.trends: Counter[tuple[str, str]] = Counter()
        self.minutes: dict[str, Counter[tuple[str, int]]] = {}
        self.outcomes: Counter[str] = Counter()
        self.bad: set[tuple[str, int, int]] = set()
        self.strays: Counter[str] = Counter()
        self.arrivals: Counter[str] = Counter()
        self.ends: dict[tuple[str, int], int] = {}
        self.catalogue: dict[str, dict[str, Any]] = {}
        self.alike: set[str] = set()
        self._settings = settings
        self._names = {spec.topic(settings.topic_prefix): spec.name for spec in (PLAYS, FEEDBACK)}

    def add(
        self, records: Iterable[Any], until: Mapping[tuple[str, int], int] | None = None
    ) -> None:
        """Learn a topic's records, those below the offsets in `until` if that is given."""
        for record in records:
            place = (record.topic, record.partition)
            if until is None or record.offset < until[place]:
                self._add(record)
                self.ends[place] = record.offset + 1

    def know(self, entries: Mapping[bytes, bytes]) -> None:
        """Know the catalogue, as it was before the first play. All its entries are good."""
        self.catalogue = {key.decode(): json.loads(value) for key, value in entries.items()}

    def hear(self, records: Iterable[bytes]) -> None:
        """Know what tracks sound like, as it was before the first play. All of it is good."""
        found = [neighbour for raw in records for neighbour in json.loads(raw)["neighbours"]]
        self.alike = {neighbour["track_id"] for neighbour in found}

    def _add(self, record: Any) -> None:
        kind = self._names[record.topic]
        events = read_events(record.value, kind, self._settings.message_bytes_max)
        time_ms = "started_at_ms" if kind == "plays" else "at_ms"
        latest_ms = record.timestamp + DAY_MS
        if events is None or any(event[time_ms] > latest_ms for event in events):
            self.bad.add((record.topic, record.partition, record.offset))
            return
        exempt = any(name == REQUEUED for name, _ in record.headers)
        for event in events:
            if home_of(event["user_id"], self._settings.partitions) != record.partition:
                self.strays[event["event_id"]] += 1
                continue
            self.arrivals[event["event_id"]] += 1
            if kind == "plays":
                self.outcomes[self._play(event, exempt=exempt)] += 1
            else:
                self.outcomes[self._feedback(event)] += 1

    def _play(self, play: dict[str, Any], *, exempt: bool) -> str:
        listener = self.listeners.setdefault(play["user_id"], ListenerFacts())
        event = hash64(play["event_id"]) & 0xFF_FFFF_FFFF
        if event in listener.events:
            return "duplicate"
        track, started_ms = play["track_id"], play["started_at_ms"]
        listener.events = [event, *listener.events][: self._settings.dedupe_window]
        listener.plays += 1
        early = _is_early(play)
        late = started_ms < listener.newest_ms - self._settings.lateness_ms and not exempt
        held = self._is_held(listener, play, early=early, late=late)
        if not held:
            row = self._row(track)
            row.plays += 1
            row.artist = self._artist(play) or row.artist
        heard = crc32(track.encode()) & 0xFFFF
        listener.heard = [heard, *(h for h in listener.heard if h != heard)][:HEARD]
        if not early and not held:
            self._trend(play)
        if late:
            listener.passed = [("" if held else track, 0, 0), *listener.passed][:PASSED]
            return "late"
        listener.newest_ms = max(listener.newest_ms, started_ms)
        listener.last_track = track
        listener.market = play.get("market") or listener.market
        if early:
            against = 0
            if play["end_reason"] == "skipped" and not held:
                self._pair(listener, play, sign=-1)
                against = len(self._context(listener, play))
            passed = ("" if held else track, 0, against)
            listener.passed = [passed, *listener.passed][:PASSED]
            return "skipped"
        self._join_session(listener, play, held=held)
        return "held" if held else "applied"

    def _is_held(
        self, listener: ListenerFacts, play: dict[str, Any], *, early: bool, late: bool
    ) -> bool:
        repeat = False
        if not late:
            artist, known = self._artist(play), listener.artists[:1]
            repeat = judge(
                listener.signs,
                play,
                newest_ms=listener.newest_ms,
                times=listener.recent.count(play["track_id"]),
                early=early,
                same_artist=(known == [artist] if artist and known and not early else None),
            )
        suspected = listener.signs["suspicion"] != 0
        return self._settings.hold_suspicious and (repeat or suspected)

    def _pair(self, listener: ListenerFacts, play: dict[str, Any], *, sign: int) -> None:
        track, context = play["track_id"], self._context(listener, play)
        for distance, other in enumerate(context, start=1):
            if other != track:
                weight = sign * (UNIT // distance)
                self._weigh(other, track, weight, forward=True)
                self._weigh(track, other, weight)

    def _context(self, listener: ListenerFacts, play: dict[str, Any]) -> list[str]:
        """The tracks before a play in its session."""
        name, started_ms = play.get("session_id"), play["started_at_ms"]
        session = (hash64(name) or 1) if name is not None else 0
        if session and listener.session:
            same = session == listener.session
        else:
            same = abs(started_ms - listener.last_ms) <= self._settings.session_gap_ms
        return listener.recent[: listener.context] if same else []

    def _join_session(self, listener: ListenerFacts, play: dict[str, Any], *, held: bool) -> None:
        context = self._context(listener, play)
        if not held:
            self._pair(listener, play, sign=1)
        track, name = play["track_id"], play.get("session_id")
        row, (_, album) = self._artist(play), self.groups(track)
        for group in () if held else filter(None, (row, album)):
            self._row(group).plays += 1
            self._weigh(group, track, UNIT)
        listener.recent = [track, *listener.recent][:RECENT]
        listener.artists = [row, *listener.artists][:RECENT]
        listener.begins = [int(not context), *listener.begins][:RECENT]
        listener.held_back = [int(held), *listener.held_back][:RECENT]
        listener.passed = [(name, after + 1, against) for name, after, against in listener.passed]
        listener.context = min(len(context) + 1, CONTEXT)
        listener.session = (hash64(name) or 1) if name is not None else 0
        listener.last_ms = play["started_at_ms"]

    def _artist(self, play: dict[str, Any]) -> str:
        """Return the row of a play's artist; what the play says goes before the catalogue."""
        artist = folded(play.get("artist") or "")
        return ARTIST_MARK + artist if artist else self.groups(play["track_id"])[0]

    @property
    def tracks(self) -> set[str]:
        """What has a row, an entry of the catalogue, or a track that it sounds like."""
        return {*self.rows, *self.catalogue, *self.alike}

    def artist_of(self, track: str) -> str:
        """Return the row of the artist that a track is known to be by."""
        row = self.rows.get(track)
        return self.groups(track)[0] if row is None else row.artist

    def groups(self, track: str) -> tuple[str, str]:
        """Return the rows of a track's artist and album, as the catalogue has them; "" if not."""
        entry = self.catalogue.get(track, {})
        makers = entry.get("artists", [])
        main = [maker["name"] for maker in makers if maker.get("role", "main") == "main"]
        artist = folded(next(iter(main or [maker["name"] for maker in makers]), ""))
        album = folded(entry.get("album") or "")
        if not artist:
            return "", ""
        title = f"{artist}/{album}"[:ALBUM_CHARACTERS_MAX].strip(" ")
        return ARTIST_MARK + artist, ALBUM_MARK + title if album else ""

    def _feedback(self, event: dict[str, Any]) -> str:
        listener = self.listeners.get(event["user_id"], ListenerFacts())
        after = self._taste(event, listener) if event["kind"] == "taste" else None
        after = self._said(event, listener) if after is None else after
        if after == listener.said:
            return "duplicate"
        self.listeners[event["user_id"]] = listener
        for sign, some, others in ((-1, listener.said, after), (1, after, listener.said)):
            for said in some:
                if said.kind == LIKED and said not in others:
                    self._weigh_like(said, sign)
        later: Counter[int] = Counter()
        listener.said = []
        for said in reversed(after):
            later[said.kind] += 1
            if later[said.kind] <= KEPT[said.kind]:
                listener.said.insert(0, said)
        return "applied"

    def _said(self, event: dict[str, Any], listener: ListenerFacts) -> list[Said]:
        """What holds after a statement on a track or an artist, if there were no limits."""
        kind, at_ms, track = event["kind"], event["at_ms"], event.get("track_id")
        artist = ARTIST_MARK + folded(event.get("artist") or "")
        of_artist = kind.endswith("block_artist") or track is None
        subject = artist if of_artist else track
        held = [s for s in listener.said if s.kind <= 4 and s.subject == subject]
        others = [s for s in listener.said if s not in held]
        if held and at_ms < held[0].at_ms:
            return listener.said
        if kind not in SAYS:
            return others if held and held[0].kind in TAKES_BACK[kind] else listener.said
        new = Said(SAYS[kind], str(subject), at_ms)
        if held and held[0].kind == new.kind and (new.kind != HIDDEN or held[0].at_ms == at_ms):
            return listener.said
        if new.kind == LIKED:
            likes = [s.subject for s in reversed(others) if s.kind == LIKED]
            by = "" if artist == ARTIST_MARK else artist
            new.liked = [by, *[*likes, *[""] * LIKES_BEFORE][:LIKES_BEFORE]]
        return [*others, new]

    def _taste(self, event: dict[str, Any], listener: ListenerFacts) -> list[Said]:
        named: list[Said] = []
        for field, kind in TASTE.items():
            for name in event.get(field, ()):
                subject = folded(name.partition("-")[0] if field == "languages" else name)
                said = Said(kind, STATED_MARKS[field] + subject, event["at_ms"])
                if subject and said not in named:
                    named.append(said)
        before = [s for s in listener.said if s.kind in TASTE.values()]
        same = [(s.kind, s.subject) for s in before] == [(s.kind, s.subject) for s in named]
        if same or (before and event["at_ms"] < before[0].at_ms):
            return listener.said
        return [s for s in listener.said if s not in before] + named

    def _weigh_like(self, like: Said, sign: int) -> None:
        artist, *others = like.liked
        if artist:
            self._weigh(artist, like.subject, sign * UNIT)
        for distance, other in enumerate(others, start=1):
            if other:
                self._weigh(other, like.subject, sign * (UNIT // distance))
                self._weigh(like.subject, other, sign * (UNIT // distance))

    def _trend(self, play: dict[str, Any]) -> None:
        for market in {"world", play.get("market") or "world"}:
            self.trends[market, play["track_id"]] += 1
            minutes = self.minutes.setdefault(market, Counter())
            minutes[play["track_id"], play["started_at_ms"] // 60_000] += 1

    def _weigh(self, left: str, right: str, weight: int, *, forward: bool = False) -> None:
        row = self._row(left)
        weights, ahead = row.weights, row.forward
        weights[right] = weights.get(right, 0) + weight
        ahead[right] = ahead.get(right, 0) + (weight if forward else 0)
        if weight < 0:
            row.lost[right] = row.lost.get(right, 0) - weight
        assert len(weights) <= 60, "the load keeps rows below the limit, where order is nothing"

    def _row(self, name: str) -> RowFacts:
        return self.rows.setdefault(name, RowFacts())


def _is_early(play: dict[str, Any]) -> bool:
    if play["end_reason"] == "error":
        return True
    played_ms, duration_ms = play["played_ms"], play["duration_ms"]
    half_ms = duration_ms / 2 if duration_ms else 30_000
    return bool(play["end_reason"] == "skipped" and played_ms < min(30_000, half_ms))

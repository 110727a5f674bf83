"""The verifier's own arithmetic: what it expects by hand, and that it sees what is wrong."""

from __future__ import annotations

import json
import struct
from collections import Counter
from itertools import chain, islice
from random import Random
from typing import Any, get_args
from zlib import crc32

import pytest
from msgspec.structs import replace

from models.recommend import ListenerState, NeighbourState, Vocabulary
from schemas.codec import EventDecoder, encode_event
from schemas.events import Feedback, FeedbackKind, PlayEvent
from schemas.registry import FEEDBACK, PLAYS, TopicSpec
from segue.testing import fresh_settings
from segue.testing.characters import CHEATS
from segue.testing.load import PlayStream
from segue.testing.memory_log import MemoryRecord
from segue.testing.servings import HIDDEN_MS, fading_faults, list_faults, similar_faults
from segue.testing.stage_a import said
from segue.testing.truth import ARTIST_MARK, Truth
from segue.testing.verify import OF_PARTITION
from segue.testing.wire import ListenerFacts, RowFacts, folded, read_listener, read_row

SETTINGS = fresh_settings(partitions=1)
T0 = 1_700_000_000_000
SKIP: dict[str, Any] = {"end_reason": "skipped", "played_ms": 0}


def record(
    offset: int, value: bytes, topic: TopicSpec = PLAYS, at_ms: int = T0 + 1000
) -> MemoryRecord:
    return MemoryRecord(topic.topic(SETTINGS.topic_prefix), 0, offset, at_ms, b"key", value)


def played(track: str, number: int, artist: str | None = None, **fields: Any) -> bytes:
    event = {
        "event_id": f"e{number}",
        "user_id": "ann",
        "track_id": track,
        "started_at_ms": T0 + number,
        "played_ms": 200_000,
        "duration_ms": 200_000,
        "end_reason": "finished",
        "artist": artist,
    }
    return json.dumps(event | fields).encode()


def truth_of(*values: bytes, at_ms: int = T0 + 1000) -> Truth:
    truth = Truth(SETTINGS)
    truth.add([record(offset, value, at_ms=at_ms) for offset, value in enumerate(values)])
    assert truth.bad == set()
    return truth


def test_truth_of_four_plays_is_as_counted_by_hand() -> None:
    truth = truth_of(
        played("a", 0, "Björk"), played("b", 1, " BJÖRK\t"), played("a", 2), played("c", 3, " ")
    )
    artist = f"{ARTIST_MARK}björk"
    assert truth.rows == {
        "a": RowFacts(2, {"b": 5040, "c": 3360}, {"b": 2520, "c": 3360}, artist),
        "b": RowFacts(1, {"a": 5040, "c": 1260}, {"a": 2520, "c": 1260}, artist),
        "c": RowFacts(1, {"a": 3360, "b": 1260}, {"a": 0, "b": 0}),
        artist: RowFacts(2, {"a": 2520, "b": 2520}, {"a": 0, "b": 0}),
    }
    assert truth.listeners["ann"].artists == ["", "", artist, artist]


def test_truth_of_a_skip_takes_what_a_play_would_give() -> None:
    skip = played("c", 2, end_reason="skipped", played_ms=0)
    broken = played("d", 3, end_reason="error", played_ms=0)
    truth = truth_of(played("a", 0), played("b", 1), skip, broken)
    assert truth.rows == {
        "a": RowFacts(1, {"b": 2520, "c": -1260}, {"b": 2520, "c": -1260}),
        "b": RowFacts(1, {"a": 2520, "c": -2520}, {"a": 0, "c": -2520}),
        "c": RowFacts(1, {"a": -1260, "b": -2520}, {"a": 0, "b": 0}),
        "d": RowFacts(1),
    }
    assert (truth.rows["a"].gained("c"), truth.rows["a"].lost) == (0, {"c": 1260})


def test_truth_leaves_artists_of_skipped_plays_out() -> None:
    truth = truth_of(played("a", 0, "x", end_reason="skipped", played_ms=0))
    assert {*truth.rows} == {"a"}
    assert truth.listeners["ann"].artists == []


def test_records_of_the_product_are_read_as_the_truth_has_them() -> None:
    values = [
        played(f"t{n % 7}", n, f"Artist {n % 3}" if n % 4 else None, **(SKIP if n % 5 == 0 else {}))
        for n in range(40)
    ]
    truth, vocabulary = truth_of(*values), Vocabulary()
    listeners, rows = ListenerState(vocabulary), NeighbourState(vocabulary)
    decode = EventDecoder(PlayEvent).decode
    for value in values:
        events = decode(value)
        assert isinstance(events, list)
        listeners.learn(events)
        for frame in listeners.drain_pairs(lambda _: 0).values():
            rows.learn(frame)
    assert listeners_of(listeners) == truth.listeners
    held = {key.decode(): read_row(value or b"") for key, value in rows.changes()}
    assert held == truth.rows
    assert all(row.fading.keys() == row.weights.keys() for row in held.values())
    faults = [fading_faults(name, row, truth.rows[name]) for name, row in held.items()]
    assert [*chain.from_iterable(faults)] == []


def listeners_of(state: ListenerState) -> dict[str, ListenerFacts]:
    return {
        key.decode(): read_listener(value or b"")
        for key, value in state.changes()
        if key not in OF_PARTITION
    }


@pytest.mark.parametrize("kind", CHEATS)
def test_what_is_held_back_is_what_the_truth_says(kind: str) -> None:
    plays = [
        replace(play, market="SE", track_id=f"track-{crc32(play.track_id.encode()) % 60}")
        for play in islice(CHEATS[kind](4), 2_100)
    ]
    truth = truth_of(*map(encode_event, plays), at_ms=plays[-1].started_at_ms)
    listeners = ListenerState(Vocabulary())
    assert Counter(listeners.learn(plays).tally()) == truth.outcomes
    assert truth.outcomes["held"] > 0
    assert listeners_of(listeners) == truth.listeners
    counts = Counter[tuple[str, str]]()
    for frame in listeners.drain_trend_counts():
        for track, count in zip(frame.track.tolist(), frame.count.tolist(), strict=True):
            counts[frame.market, frame.names[track]] += count
    assert counts == truth.trends


def test_fading_beyond_its_bounds_is_a_fault() -> None:
    row = RowFacts(1, {"a": 100, "b": 100, "c": 100, "d": 60}, lost={"d": 40})
    fading = {"a": 100.0, "b": -1.0, "c": 101.0, "d": -40.0}
    assert [f.split()[5] for f in fading_faults("x", RowFacts(fading=fading), row)] == ["b,", "c,"]
    wrong = [{"d": -41.0}, {"d": 101.0}, {"a": float("nan")}]
    assert [len(fading_faults("x", RowFacts(fading=each), row)) for each in wrong] == [1, 1, 1]


def test_row_of_another_version_is_refused() -> None:
    with pytest.raises(AssertionError, match="version 1"):
        read_row(struct.pack("<BHq", 1, 0, 3))


def similar(**changes: object) -> dict[str, Any]:
    return {
        "track_id": "x",
        "plays": 3,
        "track_ids": ["a", "b"],
        "scores": [200, 100],
        "after": [150, 0],
        "lately": [200, 0],
        "artist": "z",
    } | changes


@pytest.mark.parametrize(
    "change",
    [
        {"track_id": f"{ARTIST_MARK}x"},
        {"plays": 4},
        {"track_ids": ["b", "a"]},
        {"scores": [200, 101]},
        {"after": [150, 1]},
        {"after": [150]},
        {"lately": [201, 0]},
        {"lately": [200, -1]},
        {"lately": [200]},
        {"lately": [200, 0, 0]},
        {"artist": "x"},
        {"artist": ""},
    ],
)
def test_row_that_differs_in_any_column_is_a_fault(change: dict[str, object]) -> None:
    row = RowFacts(3, {"a": 200, "b": 100}, {"a": 150, "b": 0}, f"{ARTIST_MARK}z")
    assert similar_faults(similar(), "x", row) == []
    assert len(similar_faults(similar(**change), "x", row)) == 1


def served(**changes: object) -> dict[str, Any]:
    return {
        "version": "1",
        "user_id": "ann",
        "kind": "next",
        "at_ms": T0,
        "track_ids": ["a", "c"],
        "scores": [1.0, 0.5],
        "sources": ["together", "popular"],
        "because": [1, -1],
        "session": ["b", "a"],
    } | changes


def faults_of(value: dict[str, Any], *feedback: bytes) -> list[str]:
    truth = truth_of(played("a", 0, "x"), played("b", 1), played("c", 2, user_id="bob"))
    truth.add([record(offset, each, FEEDBACK) for offset, each in enumerate(feedback)])
    assert truth.bad == set()
    return list_faults(
        value, ("next", "ann"), truth.listeners["ann"], truth=truth, newest="1", list_length=5
    )


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"because": [2, -1]}, "tells a track of the session where one spoke"),
        ({"because": [-1, -1]}, "tells a track of the session where one spoke"),
        ({"because": [1, 0]}, "tells a track of the session where one spoke"),
        ({"because": [1]}, "has columns of equal length"),
        ({"sources": ["together", "similar"]}, "tells known sources"),
        ({"session": ["a", "b"]}, "tells the session"),
        ({"session": ["b"], "because": [0, -1]}, "tells the session"),
        ({"scores": [0.5, 1.0]}, "has scores from 1 to 0 that do not rise"),
        ({"scores": [1.0, float("nan")]}, "has scores from 1 to 0 that do not rise"),
        ({"track_ids": ["a", f"{ARTIST_MARK}x"]}, "names no artist"),
        ({"track_ids": ["a", "b"]}, "has not the track just played"),
    ],
)
def test_list_that_breaks_a_promise_is_a_fault(change: dict[str, object], claim: str) -> None:
    assert faults_of(served()) == []
    assert any(claim in fault for fault in faults_of(served(**change)))


@pytest.mark.parametrize(
    ("feedback", "claim"),
    [
        (said("block_track", "c"), "has no blocked or hidden track"),
        (said("hide", "c"), "has no blocked or hidden track"),
        (said("hide", "c", at_ms=T0 - HIDDEN_MS), ""),
        (said("block_artist", artist=" X"), ""),  # nobody knew who it is by, perhaps
        (said("block_artist", artist="y"), ""),
        (said("like", "c"), ""),
        (said("taste", artists=("x",)), ""),
    ],
    ids=lambda value: value.kind if isinstance(value, Feedback) else "",
)
def test_list_that_holds_what_its_listener_barred_is_a_fault(
    feedback: Feedback, claim: str
) -> None:
    found = faults_of(served(), encode_event(feedback))
    assert [fault.split(": ")[-1] for fault in found] == ([claim] if claim else [])


def test_statements_are_known_and_added_as_the_truth_has_them() -> None:
    random, truth, vocabulary = Random(5), Truth(SETTINGS), Vocabulary()
    listeners, rows = ListenerState(vocabulary), NeighbourState(vocabulary)
    often: list[FeedbackKind] = ["like"] * 20
    kinds: list[FeedbackKind] = [*get_args(FeedbackKind), *often]
    for number in range(600):
        track = random.randrange(90)
        event = Feedback(
            event_id=f"f{number}",
            user_id=random.choice(["ann", "bob"]),
            kind=random.choice(kinds),
            track_id=f"t{track}",
            at_ms=T0 + random.randrange(900),
            artist=("X ", "y", "Z")[track % 3],
            artists=("x", "X", "y")[: random.randrange(4)],
            languages=("is",)[: random.randrange(2)],
        )
        raw = encode_event(event)
        truth.add([record(number, raw, FEEDBACK)])
        listeners.apply_feedback([event])
        for frame in listeners.drain_pairs(lambda _: 0).values():
            rows.learn(frame)
    found = {key.decode(): read_listener(value or b"") for key, value in listeners.changes()}
    assert found == truth.listeners
    assert {key.decode(): read_row(value or b"") for key, value in rows.changes()} == truth.rows
    assert listeners.forgotten > 0, "more likes than are kept"
    assert {*truth.outcomes} == {"applied", "duplicate"}


def test_session_of_a_list_is_no_longer_than_five() -> None:
    values = [played(f"t{n}", n) for n in range(7)]
    truth = truth_of(*values)
    value = served(track_ids=[], scores=[], sources=[], because=[])
    session = [f"t{n}" for n in range(6, -1, -1)]
    for length in (5, 6, 7):
        found = list_faults(
            value | {"session": session[:length]},
            ("next", "ann"),
            truth.listeners["ann"],
            truth=truth,
            newest="1",
            list_length=5,
        )
        assert (found == []) == (length == 5)


def events_of(stream: PlayStream, count: int) -> list[dict[str, Any]]:
    return [json.loads(message.value) for message in stream.singles(count)]


def test_load_spells_most_artists_in_many_ways_of_one_name() -> None:
    events = events_of(PlayStream(SETTINGS, seed=3), 5000)
    spelled: dict[str, set[str]] = {}
    tracks: dict[str, set[str]] = {}
    for event in events:
        if name := folded(event.get("artist") or ""):
            spelled.setdefault(name, set()).add(event["artist"])
            tracks.setdefault(name, set()).add(event["track_id"])
    named = sum(bool(folded(event.get("artist") or "")) for event in events)
    assert 0.5 < named / len(events) < 0.9
    assert len(spelled) == 100
    assert max(map(len, spelled.values())) == 7
    assert max(map(len, tracks.values())) <= 9


def test_equal_seeds_give_equal_loads() -> None:
    first, again, other = (events_of(PlayStream(SETTINGS, seed), 500) for seed in (3, 3, 4))
    for event in (*first, *again, *other):
        del event["started_at_ms"]  # a stream begins 400 days before it is made
    assert first == again
    assert first != other

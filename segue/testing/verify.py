"""The verifier: is what the workers know exactly what the log says, none lost, none doubled?

It recomputes everything from the logs of plays and feedback (`segue.testing.truth`), reads the
changelogs back as a restart would (committed records only, last one per key), and compares every
listener, row and trend. It calls nothing of the models.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from redis.asyncio import Redis

from schemas.internal import HEADER_OFFSET, HEADER_PARTITION, HEADER_REASON, HEADER_TOPIC
from schemas.registry import (
    AUDIO_NEIGHBOURS,
    DEAD_LETTERS,
    FEEDBACK,
    LISTENERS_CHANGELOG,
    NEIGHBOURS_CHANGELOG,
    PLAYS,
    TRACKS,
    TRENDS_CHANGELOG,
)
from segue.config import Settings
from segue.testing.logs import Positions, committed_positions, read_latest, read_log, settled
from segue.testing.servings import fading_faults, list_faults, similar_faults, trend_faults
from segue.testing.truth import ALBUM_MARK, ARTIST_MARK, Truth, home_of
from segue.testing.waiting import eventually
from segue.testing.wire import read_listener, read_row, read_trend_plays

__all__ = [
    "OF_PARTITION",
    "assert_exact",
    "dead_letters",
    "redis_faults",
    "state_faults",
    "truth_of",
]

OWN_KEYS = {"epoch", "newest", "paused", "accept"}  # what workers tell each other
# Among the keys of listeners: of no one of them.
OF_PARTITION = (b"\x01ranker", b"\x01forest", b"\x01bandit")
TREND_WINDOWS = ("hour", "day", "week")
SHOWN = 8  # faults of each kind in a message

V = TypeVar("V")


async def assert_exact(settings: Settings, deadline_s: float = 60.0) -> Truth:
    """Wait until all is committed, then compare everything, Redis too; returns the truth.

    Raises AssertionError that names what is lost, doubled or otherwise wrong, the worst first.
    """
    await eventually(
        lambda: settled(settings), deadline_s, interval_s=0.25, claim="all inputs are committed"
    )
    truth = await truth_of(settings)
    faults = await state_faults(settings, truth)
    faults += await _delivery_faults(settings, truth)
    faults += await redis_faults(settings, truth)
    assert not faults, "\n".join([f"{len(faults)} faults", *faults[: 4 * SHOWN]])
    return truth


async def truth_of(settings: Settings, until: Positions | None = None) -> Truth:
    """Recompute everything from the logs, or from what stands before the offsets in `until`."""
    truth = Truth(settings)
    prefix = settings.topic_prefix
    truth.know(await read_latest(settings, TRACKS.topic(prefix)))
    truth.hear((await read_latest(settings, AUDIO_NEIGHBOURS.topic(prefix))).values())
    for spec in (PLAYS, FEEDBACK):
        truth.add(await read_log(settings, spec.topic(prefix)), until)
    return truth


async def state_faults(
    settings: Settings, truth: Truth, stages: Iterable[str] = ("listeners", "rows", "trends")
) -> list[str]:
    """Compare the changelogs of these stages with the truth; returns what differs."""
    prefix, faults = settings.topic_prefix, list[str]()
    if "listeners" in stages:
        raw = await read_latest(settings, LISTENERS_CHANGELOG.topic(prefix), without=OF_PARTITION)
        listeners = {key.decode(): read_listener(value) for key, value in raw.items()}
        faults += _balance("plays of listeners", truth.listeners, listeners, lambda v: v.plays)
        faults += _differences("listener", truth.listeners, listeners)
    if "rows" in stages:
        raw = await read_latest(settings, NEIGHBOURS_CHANGELOG.topic(prefix))
        rows = {key.decode(): read_row(value) for key, value in raw.items()}
        faults += _balance("plays of tracks and artists", truth.rows, rows, lambda v: v.plays)
        faults += _balance("weights", truth.rows, rows, lambda v: sum(v.weights.values()))
        faults += _balance("weights after", truth.rows, rows, lambda v: sum(v.forward.values()))
        faults += _differences("row", truth.rows, rows)
        faded = [
            fault
            for name in rows.keys() & truth.rows.keys()
            for fault in fading_faults(name, rows[name], truth.rows[name])
        ]
        faults += faded[:SHOWN]
    if "trends" in stages:
        raw = await read_latest(settings, TRENDS_CHANGELOG.topic(prefix))
        trends = Counter(
            {
                tuple(key.decode().split("\n")): read_trend_plays(value)
                for key, value in raw.items()
                if b"\n" in key
            }
        )
        faults += _balance("trend counts", truth.trends, trends, lambda v: v)
        faults += _differences("trend", truth.trends, trends)
    return faults


async def dead_letters(settings: Settings) -> list[tuple[tuple[str, int, int], str, bytes]]:
    """Return each dead letter as where it came from, its reason and its bytes."""
    letters = []
    for record in await read_log(settings, DEAD_LETTERS.topic(settings.topic_prefix)):
        named = {name: value.decode() for name, value in record.headers if name.startswith("segue")}
        partition, offset = int(named[HEADER_PARTITION]), int(named[HEADER_OFFSET])
        place = (named[HEADER_TOPIC], partition, offset)
        letters.append((place, named[HEADER_REASON], record.value))
    return letters


async def _delivery_faults(settings: Settings, truth: Truth) -> list[str]:
    """Every bad message is a dead letter once; every stray event was forwarded once."""
    faults = []
    letters = Counter(place for place, _, _ in await dead_letters(settings))
    faults += _differences("dead letter", Counter(truth.bad), letters)
    forwarded = Counter({event: truth.arrivals[event] for event in truth.strays})
    faults += _differences("forwarded event", truth.strays, forwarded)
    committed = await committed_positions(settings)
    for place, end in truth.ends.items():
        if committed[place] < end:
            faults.append(f"{place}: committed {committed[place]}, the log ends at {end}")
    return faults


async def redis_faults(settings: Settings, truth: Truth) -> list[str]:
    """Compare Redis with the truth: all keys, rows and trends; lists by what must hold."""
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        found = await _values(redis)
    faults = _keys_faults(found, truth)
    for user, listener in truth.listeners.items():
        newest = found.get(f"segue:v1:newest:listeners:{home_of(user, settings.partitions)}")
        for kind in ("next", "discover"):
            raw = found.get(f"segue:v1:{kind}:{user}")
            if raw is not None:
                faults += list_faults(
                    json.loads(raw),
                    (kind, user),
                    listener,
                    truth=truth,
                    newest=(newest or b"").decode(),
                    list_length=settings.list_length,
                )
    for name, row in truth.rows.items():
        raw = found.get(_row_key(name))
        of = name.lstrip(ARTIST_MARK + ALBUM_MARK)
        faults += similar_faults(json.loads(raw), of, row) if raw else []
    for market, minutes in truth.minutes.items():
        for window in TREND_WINDOWS:
            raw = found.get(f"segue:v1:trend:{market}:{window}")
            faults += trend_faults(json.loads(raw), (market, window), minutes) if raw else []
    return faults


def _keys_faults(found: Mapping[str, bytes], truth: Truth) -> list[str]:
    """Exactly the keys that follow from the log are there."""
    expected = {f"segue:v1:{kind}:{u}" for kind in ("next", "discover") for u in truth.listeners}
    expected |= {_row_key(name) for name in truth.rows}
    expected |= {f"segue:v1:trend:{m}:{w}" for m in truth.minutes for w in TREND_WINDOWS}
    held = {key for key in found if key.split(":")[2] not in OWN_KEYS}
    return [
        f"{len(keys)} keys {what} in Redis: {sorted(keys)[:SHOWN]}"
        for what, keys in (("missing", expected - held), ("too many", held - expected))
        if keys
    ]


def _row_key(name: str) -> str:
    kind = {ARTIST_MARK: "artist", ALBUM_MARK: "album"}.get(name[0], "similar")
    return f"segue:v1:{kind}:{name.lstrip(ARTIST_MARK + ALBUM_MARK)}"


async def _values(redis: Redis) -> dict[str, bytes]:
    keys = [key async for key in redis.scan_iter(match="segue:v1:*", count=5000)]
    values: list[Any] = []  # the client types them as bytes or text
    for start in range(0, len(keys), 2000):
        values += await redis.mget(keys[start : start + 2000])
    return {
        key.decode(): value for key, value in zip(keys, values, strict=True) if value is not None
    }


def _balance(
    what: str, expected: Mapping[Any, V], found: Mapping[Any, V], amount: Callable[[V], int]
) -> list[str]:
    wanted, held = sum(map(amount, expected.values())), sum(map(amount, found.values()))
    if wanted == held:
        return []
    return [f"{what}: {wanted} in the log, {held} in the state, {held - wanted:+d}"]


def _differences(what: str, expected: Mapping[Any, V], found: Mapping[Any, V]) -> list[str]:
    """Describe the first keys that differ, and say how many more do."""
    wrong = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
    wrong.sort(key=str)
    shown = [
        f"{what} {key!r}:\n  expected {expected.get(key)}\n  found    {found.get(key)}"
        for key in wrong[:SHOWN]
    ]
    more = len(wrong) - SHOWN
    return [*shown, f"{more} more of kind {what}"] if more > 0 else shown

"""What holds for every value in Redis once all is quiet.

Rows and trends follow from the log, so they are compared with it. Lists depend on when a row was
read, so they are held to what must be true whatever the timing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise, zip_longest
from typing import Any
from zlib import crc32

from segue.testing.truth import ALBUM_MARK, ARTIST_MARK, Truth
from segue.testing.wire import ListenerFacts, RowFacts

__all__ = ["fading_faults", "list_faults", "similar_faults", "trend_faults"]

MARKS = (ARTIST_MARK, ALBUM_MARK)
PUBLISHED = 50
TRENDING = 100
SESSION = 5
BLOCKS, HIDDEN, HIDDEN_MS = {2, 4}, 3, 30 * 86_400_000
# What speaks for a track: tracks of the session, or the track itself.
OF_SESSION = {"together", "lately", "after", "artist", "audio"}
OF_ITSELF = {"again", "often", "loop", "popular", "taste", "stated"}
EXPLORED = {"explore_near", "explore_new", "explore_trending"}
F32 = 2.0**-20  # relative error allowed where the product counts in 32 bits
HALF_LIFE_MINUTES = {"hour": 20, "day": 480, "week": 3360, "month": 13_440}
LONGER = {"hour": "day", "day": "week", "week": "month"}


def list_faults(
    value: dict[str, Any],
    name: tuple[str, str],
    listener: ListenerFacts,
    *,
    truth: Truth,
    newest: str,
    list_length: int,
) -> list[str]:
    """Say what is wrong with a list. `name` is its kind and its listener's id.

    `newest` is the newest version that the listener's partition has given out.
    """
    kind, user = name
    tracks: list[str] = value["track_ids"]
    scores, sources, because = value["scores"], value["sources"], value["because"]
    session = listener.recent[: min(listener.context, SESSION)]
    held, heard = set(tracks), set(listener.heard)
    said = listener.said
    blocked = {s.subject for s in said if s.kind in BLOCKS}
    blocked |= {
        s.subject for s in said if s.kind == HIDDEN and value["at_ms"] < s.at_ms + HIDDEN_MS
    }
    checks = {
        "is named after its key": (value["kind"], value["user_id"]) == name,
        "has at most k tracks": len(tracks) <= list_length,
        "has columns of equal length": {len(scores), len(sources), len(because)} == {len(tracks)},
        "has scores from 1 to 0 that do not rise": _falls([1.0, *scores, 0.0]),
        "tells the session": value["session"] == session,
        "tells known sources": {*sources} <= OF_SESSION | OF_ITSELF | EXPLORED,
        "explores as it says": _explores_as_it_says(value, kind),
        "tells a track of the session where one spoke, and none else": all(
            0 <= place < len(session) if source in OF_SESSION else place == -1
            for source, place in zip(sources, because, strict=False)
        ),
        "has no track twice": len(held) == len(tracks),
        "has no blocked or hidden track": not held & blocked,
        # Tracks of a blocked artist may stand in a list made before it was known who they are by;
        # which that was, the end does not show.
        # Tracks of plays held back have no row; their listener may hear them again.
        "has known tracks only": held <= truth.tracks | {*listener.recent},
        "names no artist or album": not any(track.startswith(MARKS) for track in tracks),
        "has not the track just played": listener.last_track not in held,
        "is not newer than the newest": value["version"] <= newest,
        "discovers nothing heard": kind == "next"
        or not any(crc32(track.encode()) & 0xFFFF in heard for track in tracks),
    }
    return [
        f"{kind} list of {user}: not so: {claim}" for claim, holds in checks.items() if not holds
    ]


def _explores_as_it_says(value: dict[str, Any], kind: str) -> bool:
    """One entry at most, in `discover` alone, where there is a propensity."""
    explored = sum(source in EXPLORED for source in value["sources"])
    is_likely: bool = 0 < value.get("propensity", 0.0) <= 1
    return explored == is_likely and (not explored or kind == "discover")


def similar_faults(value: dict[str, Any], name: str, row: RowFacts) -> list[str]:
    """Compare a published row, the 50 heaviest neighbours of a track or an artist, with the truth.

    Those skipped more than played are not shown. `lately` depends on which plays came in one frame,
    so it is held to its bounds.
    """
    by_weight = sorted(row.weights.items(), key=lambda entry: (-entry[1], crc32(entry[0].encode())))
    best = [track for track, weight in by_weight[:PUBLISHED] if weight > 0]
    after = [max(row.forward[track], 0) for track in best]
    expected = [best, [row.weights[track] for track in best], after]
    found = [value["track_ids"], value["scores"], value["after"]]
    faults = []
    if value["artist"] != row.artist.removeprefix(ARTIST_MARK):
        faults.append(f"similar tracks of {name}: artist {value['artist']!r}, not {row.artist!r}")
    if (value["track_id"], value["plays"], found) != (name, row.plays, expected):
        faults.append(
            f"similar tracks of {name}:\n  expected {row.plays} {expected}\n"
            f"  found    {value['plays']} {found}"
        )
    faults += [
        f"similar tracks of {name}: lately {fading} of {gained}"
        for fading, gained in _pairs(value["lately"], [row.gained(track) for track in best])
        if not 0 <= fading <= gained * (1 + F32)
    ]
    return faults


def fading_faults(name: str, found: RowFacts, row: RowFacts) -> list[str]:
    """Hold the fading weights of a record to their bounds: what skips took, what plays gave."""
    faults = []
    for track, fading in found.fading.items():
        low, high = -row.lost.get(track, 0) * (1 + F32), row.gained(track) * (1 + F32)
        if not low <= fading <= high:
            faults.append(f"row {name!r}: fading {fading} on {track}, not in {low} to {high}")
    return faults


def trend_faults(
    value: dict[str, Any], name: tuple[str, str], minutes: Mapping[tuple[str, int], int]
) -> list[str]:
    """Compare published trends with plays decayed to the market's newest minute."""
    scores, before = _decayed(minutes, name[1]), _decayed(minutes, LONGER[name[1]])
    pace = sum(scores.values()) / sum(before.values())
    best = sorted(scores.values(), reverse=True)[:TRENDING]
    tracks, found = value["track_ids"], value["scores"]
    faults = []
    if len(set(tracks)) != len(tracks) or len(tracks) > TRENDING:
        faults.append(f"trend {name}: {len(tracks)} tracks, {len(set(tracks))} distinct")
    for track, score, wanted in zip(tracks, found, best, strict=False):
        if not (_close(score, wanted) and _close(score, scores.get(track, -1.0))):
            faults.append(f"trend {name}: {track} has {score}, expected {scores.get(track)}")
    moves = zip(tracks, value["accelerations"], value["directions"], strict=True)
    for track, rate, direction in moves:
        wanted = math.log2((scores.get(track, 0.0) + 10) / (before.get(track, 0.0) * pace + 10))
        ways = {"rising", "new"} if rate >= 0.5 else {"falling" if rate <= -0.5 else "steady"}
        if abs(rate - wanted) > 0.001 or direction not in ways:
            faults.append(f"trend {name}: {track} moves by {rate}, {direction}, expected {wanted}")
    return faults[:3]


def _decayed(minutes: Mapping[tuple[str, int], int], window: str) -> dict[str, float]:
    """Return each track's plays as of the newest minute."""
    newest = max(minute for _, minute in minutes)
    scores: dict[str, float] = {}
    for (track, minute), count in minutes.items():
        decayed = count * 2.0 ** ((minute - newest) / HALF_LIFE_MINUTES[window])
        scores[track] = scores.get(track, 0.0) + decayed
    return scores


def _pairs(left: list[int], right: list[int]) -> list[tuple[int | float, int | float]]:
    """Return both columns side by side; a place that one lacks is no number, and no good."""
    return [*zip_longest(left, right, fillvalue=math.nan)]


def _falls(scores: list[float]) -> bool:
    return all(score >= following for score, following in pairwise(scores))


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-30)

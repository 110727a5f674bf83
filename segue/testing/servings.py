"""What holds for every value in Redis once all is quiet.

Rows and trends follow from the log, so they are compared with it. Lists depend on when a row was
read, so they are held to what must be true whatever the timing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from segue.testing.truth import Truth
from segue.testing.wire import ListenerFacts, RowFacts

__all__ = ["list_faults", "similar_faults", "trend_faults"]

PUBLISHED = 50
TRENDING = 100
HALF_LIFE_MINUTES = {"hour": 20, "day": 480}


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
    held = set(tracks)
    heard = set(listener.heard)
    checks = {
        "is named after its key": (value["kind"], value["user_id"]) == name,
        "has at most k tracks": len(tracks) <= list_length,
        "has columns of equal length": len(tracks) == len(value["scores"]) == len(value["sources"]),
        "has no track twice": len(held) == len(tracks),
        "has no blocked track": not held & set(listener.blocked),
        "has known tracks only": held <= truth.rows.keys(),
        "has not the track just played": listener.last_track not in held,
        "is not newer than the newest": value["version"] <= newest,
        "discovers nothing heard": kind == "next"
        or not any(crc32(track.encode()) in heard for track in tracks),
    }
    return [
        f"{kind} list of {user}: not so: {claim}" for claim, holds in checks.items() if not holds
    ]


def similar_faults(value: dict[str, Any], track: str, row: RowFacts) -> list[str]:
    """Compare a published row, the 50 heaviest neighbours, with the truth."""
    by_weight = sorted(row.weights.items(), key=lambda entry: (-entry[1], crc32(entry[0].encode())))
    expected = [[name for name, _ in by_weight[:PUBLISHED]], [w for _, w in by_weight[:PUBLISHED]]]
    found = [value["track_ids"], value["scores"]]
    if (value["track_id"], value["plays"], found) == (track, row.plays, expected):
        return []
    return [
        f"similar tracks of {track}:\n  expected {row.plays} {expected}\n"
        f"  found    {value['plays']} {found}"
    ]


def trend_faults(
    value: dict[str, Any], name: tuple[str, str], minutes: Mapping[tuple[str, int], int]
) -> list[str]:
    """Compare published trends with plays decayed to the market's newest minute."""
    window = name[1]
    newest = max(minute for _, minute in minutes)
    scores: dict[str, float] = {}
    for (track, minute), count in minutes.items():
        decayed = count * 2.0 ** ((minute - newest) / HALF_LIFE_MINUTES[window])
        scores[track] = scores.get(track, 0.0) + decayed
    best = sorted(scores.values(), reverse=True)[:TRENDING]
    tracks, found = value["track_ids"], value["scores"]
    faults = []
    if len(set(tracks)) != len(tracks) or len(tracks) > TRENDING:
        faults.append(f"trend {name}: {len(tracks)} tracks, {len(set(tracks))} distinct")
    for track, score, wanted in zip(tracks, found, best, strict=False):
        if not (_close(score, wanted) and _close(score, scores.get(track, -1.0))):
            faults.append(f"trend {name}: {track} has {score}, expected {scores.get(track)}")
    return faults[:3]


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-30)

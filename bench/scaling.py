"""Workers 1, 2 and 4 on one machine: plays per CPU-second of all of them, and what they know.

    python -m bench.scaling [--json FILE] [--quick]

Each crew has topics of its own (four partitions of each) and an empty Redis. When the partitions
are spread evenly, a tenth of the plays goes through; then the rest is sent as fast as it can, and
the CPU of all worker processes (from /proc) counts until every topic is committed to its end. Then
every listener, row, trend and key of Redis is compared with what `segue.testing.verify` recomputes
from the log: so counts and rows are equal whatever the number of workers. Sessions keep to groups
of 50 tracks, so that no row is full and all of it can be compared.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.bed import Bed, Say, send_backlog
from bench.command import run_benchmarks
from bench.measure import Figure, Peer, Plan, process_cpu_s
from schemas.events import PlayEvent
from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew, Worker
from segue.testing.logs import settled
from segue.testing.verify import assert_exact

__all__ = ["grouped_plays", "measure"]

CREWS = (1, 2, 4)
PLAYS = 200_000
LISTENERS, GROUPS, GROUP_TRACKS, SESSION_PLAYS = 10_000, 400, 50, 8
STAGES = ("listeners", "rows", "trends")
RATIO_MIN = 0.9
FIRST_MS, GAP_MS = 1_767_225_600_000, 240_000
TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Served:
    """What a crew did with its backlog."""

    per_cpu_s: float
    per_s: float


async def measure(bed: Bed, plan: Plan, say: Say) -> list[Figure]:
    """Run the crews in turns, `plan.runs` times."""
    plays = grouped_plays(plan.size(PLAYS))
    served: dict[int, list[Served]] = {crew: [] for crew in CREWS}
    for run in range(plan.runs):
        for crew in CREWS:
            served[crew].append(await _serve(bed, plays, crew))
            last = served[crew][-1]
            say(f"run {run + 1}: {_name(crew)}: {last.per_cpu_s:,.0f} plays/CPU-s, all exact")
    alone = Peer(_name(1), tuple(one.per_cpu_s for one in served[1]), ratio_min=RATIO_MIN)
    return [
        Figure(
            f"plays per CPU-second of {_name(crew)} together",
            "plays/CPU-s",
            tuple(one.per_cpu_s for one in served[crew]),
            peer=None if crew == 1 else alone,
            note="counts, rows, trends and Redis equal what the log says, for each crew",
        )
        for crew in CREWS
    ] + [
        Figure(f"the same by the clock, {_name(crew)}", "plays/s", tuple(s.per_s for s in runs))
        for crew, runs in served.items()
    ]


async def _serve(bed: Bed, plays: Sequence[PlayEvent], size: int) -> Served:
    """Let a new crew take the plays; raises AssertionError where it knows them wrong."""
    settings = await bed.fresh()
    first = len(plays) // 10
    async with Crew(settings, bed.directory) as crew:
        await crew.hire(size)
        await crew.all_ready()
        await eventually(
            lambda: _is_spread(crew.workers, settings),
            TIMEOUT_S,
            interval_s=0.2,
            claim="partitions are spread evenly",
        )
        await send_backlog(settings, plays[:first])
        await _all_taken(settings)
        cpu_s, began_s = _cpu_s(crew.workers), time.monotonic()
        await send_backlog(settings, plays[first:])
        await _all_taken(settings)
        wall_s, used_s = time.monotonic() - began_s, _cpu_s(crew.workers) - cpu_s
        await asyncio.sleep(2 * settings.sink_flush_interval_s)  # what is published rests then
        await assert_exact(settings)
    return Served((len(plays) - first) / used_s, (len(plays) - first) / wall_s)


async def _all_taken(settings: Settings) -> None:
    await eventually(
        lambda: settled(settings), TIMEOUT_S, interval_s=0.1, claim="all that was sent is taken"
    )


async def _is_spread(workers: Sequence[Worker], settings: Settings) -> bool:
    share = len(STAGES) * settings.partitions / len(workers)
    held = [await worker.metric("segue_partitions_assigned.*") for worker in workers]
    return sorted(held) == [share] * (len(workers) - 1) + [share + 1]  # the embedding has one


def _cpu_s(workers: Sequence[Worker]) -> float:
    return sum(process_cpu_s(worker.pid) for worker in workers if worker.pid is not None)


def _name(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def grouped_plays(count: int, *, seed: int = 1) -> list[PlayEvent]:
    """Plays of sessions that keep to one group of tracks each, listeners in turn, in order of time.

    >>> plays = grouped_plays(40_000)
    >>> sessions = {play.session_id: {*()} for play in plays}
    >>> for play in plays:
    ...     sessions[play.session_id].add(int(play.track_id[6:]) // GROUP_TRACKS)
    >>> {len(groups) for groups in sessions.values()}
    {1}
    """
    chance = random.Random(seed)
    plays = []
    for i in range(count):
        listener, turn = i % LISTENERS, i // LISTENERS
        session = turn // SESSION_PLAYS
        group = (listener * 7919 + session * 104_729) % GROUPS
        track = group * GROUP_TRACKS + chance.randrange(GROUP_TRACKS)
        plays.append(
            PlayEvent(
                event_id=f"play-{i:012d}",
                user_id=f"listener-{listener:07d}",
                track_id=f"track-{track:07d}",
                started_at_ms=FIRST_MS + turn * GAP_MS,
                played_ms=180_000,
                duration_ms=200_000,
                end_reason="finished",
                session_id=f"{listener}/{session}",
                artist=f"Artist {track // 10}",
                market=("SE", "DE", "FR", "BR")[listener % 4],
            )
        )
    return plays


if __name__ == "__main__":
    run_benchmarks(__doc__, [("scaling", measure)])

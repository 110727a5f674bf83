"""Single-event messages consumed and decoded to structs: events per CPU-second of the process.

    python -m bench.consume [--json FILE] [--quick]

One topic of 188-byte JSON plays in 4 partitions is read by a Faust agent on the batching transport
and, in turns, by stock Faust, quixstreams and plain aiokafka, each in a process of its own. CPU is
the process's own clock from a tenth to nine tenths of the events. quixstreams
needs an environment of its own: `make bench` makes it and names its interpreter in
SEGUE_BENCH_PEER_PYTHON; without it that row is left out. Stock Faust reads fewer events of the
same topic, as it is slow.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.bed import Bed, Say, send_backlog
from bench.command import run_benchmarks
from bench.measure import Figure, Peer, Plan
from bench.peers import peer_python
from bench.plays import small_plays
from schemas.registry import PLAYS

__all__ = ["measure"]

EVENTS = 300_000
QUICK_EVENTS = 100_000
SLOW_EVENTS = 30_000
TIMEOUT_S = 240.0
QUIX = Path(__file__).parent / "consumers" / "quix.py"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program of bench.consumers, and the share of the events it reads."""

    name: str
    argv: tuple[str, ...]
    events: int
    mode: tuple[str, ...] = ()
    ratio_min: float | None = None


async def measure(bed: Bed, plan: Plan, say: Say) -> list[Figure]:
    """Let all of them read the same topic, in turns, `plan.runs` times."""
    settings = await bed.fresh()
    count = max(QUICK_EVENTS, plan.size(EVENTS))
    say(f"writing {count:,} plays")
    await send_backlog(settings, list(small_plays(count)))
    contestants = _contestants(plan, say)
    rates: dict[str, list[float]] = {one.name: [] for one in contestants}
    for run in range(plan.runs):
        for one in contestants:
            argv = [*one.argv, settings.kafka_bootstrap, PLAYS.topic(settings.topic_prefix)]
            said = await bed.program([*argv, str(one.events), *one.mode], timeout_s=TIMEOUT_S)
            result = orjson.loads(said)
            rates[one.name].append(result["events"] / result["cpu_s"])
            say(f"run {run + 1}: {one.name} {rates[one.name][-1]:,.0f} events/CPU-s")
    return _figures(contestants, rates)


def _contestants(plan: Plan, say: Say) -> list[Contestant]:
    events = max(QUICK_EVENTS, plan.size(EVENTS))
    slow = plan.size(SLOW_EVENTS)

    def of(module: str) -> tuple[str, ...]:
        return (sys.executable, "-m", f"bench.consumers.{module}")

    found = [
        Contestant("ours, decoded", of("ours"), events, ("decode",)),
        Contestant("ours, complete intake", of("ours"), events, ("intake",)),
        Contestant("stock Faust agent", of("faust_stock"), slow, ratio_min=35),
        Contestant("aiokafka getmany + msgspec", of("getmany"), events, ("msgspec",), 0.65),
        Contestant("aiokafka getmany + orjson", of("getmany"), events, ("orjson",)),
    ]
    python = peer_python()
    if python is None:
        say("no quixstreams (SEGUE_BENCH_PEER_PYTHON names no interpreter; `make bench` does)")
    else:
        quix = Contestant("quixstreams", (str(python), str(QUIX)), events, ratio_min=3)
        found.append(quix)
    return found


def _figures(contestants: list[Contestant], rates: dict[str, list[float]]) -> list[Figure]:
    ours, intake, *others = contestants
    peers = [Peer(one.name, tuple(rates[one.name]), one.ratio_min) for one in others]
    unit = "events per CPU-s"
    figures = [
        Figure("consumed and decoded by a Faust agent", unit, tuple(rates[ours.name]), peer=peer)
        for peer in peers
    ]
    figures.append(Figure("the same through the complete intake", unit, tuple(rates[intake.name])))
    return figures


if __name__ == "__main__":
    run_benchmarks(__doc__, [("consume", measure)])

"""Which recording is this, however it was disguised: Segue's fingerprinter and others'.

    python -m bench.fingerprint --corpus DIR [--cache DIR] [--queries N] [--json FILE]

Fetches the packages for tests (Debian or Ubuntu: apt-get, dpkg-deb), divides their recordings into
references and foreign ones, disguises excerpts of references in 28 ways (24 of them stand in the
mean) and asks every system the same. Needs the program `rubberband`. Peers run in the interpreter
that SEGUE_BENCH_PEER_PYTHON names; those that it lacks are left out.

Top-1 counts right recordings; in brackets those whose score beats 99 % of foreign queries of that
length, degraded likewise: each system has its own threshold for each length. An offset is right
within 0.5 s of the true one, or of one where the same samples stand (bench.disguises.repeats).
Noise is short sounds of the same packages. Speech is of packages that the encoder was trained with,
there being no others.

What was made or answered before is read from the cache: peers' answers too, ours never.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson
from rich.console import Console

from bench.disguises.conditions import CONDITIONS
from bench.disguises.results import as_data, costs_table, length_table, plot
from bench.disguises.run import Plan, Workplace, compare, prepared
from bench.fingerprinters.peer import PEERS
from bench.report import machine
from segue.errors import SegueError

SYSTEMS = ("segue", *PEERS)
LENGTHS = (1.0, 2.0, 5.0)
TABLE_WIDTH = 140


def main() -> None:
    """Read the arguments, make the queries, ask, print and write."""
    arguments = _parser().parse_args()
    console = Console() if Console().is_terminal else Console(width=TABLE_WIDTH)
    plan = Plan(
        conditions=tuple(arguments.conditions),
        lengths=tuple(arguments.lengths),
        queries=arguments.queries,
        foreign=arguments.foreign,
        windows=arguments.windows,
        seed=arguments.seed,
    )
    place = Workplace(
        arguments.corpus, arguments.cache or arguments.corpus, arguments.rooms, arguments.threads
    )
    measured_on = machine()
    try:
        queries = prepared(place, plan, console)
        if arguments.make_only:
            return
        outcomes = compare(queries, plan, arguments.systems, console)
    except SegueError as error:
        sys.exit(f"segue: {error}\n  {error.remedy}")
    except KeyboardInterrupt:
        sys.exit("stopped; what was made so far is kept")
    for seconds in plan.lengths:
        console.print(length_table(outcomes, seconds))
    console.print(costs_table(outcomes))
    division = queries.division
    report = {
        "benchmark": "fingerprint",
        "machine": measured_on,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": plan.seed,
        "queries_per_cell": plan.queries,
        "foreign_queries_per_length": plan.foreign,
        "rooms": "from a file" if arguments.rooms else "made up",
        "references": [each.title for each in division.references],
        "reference_hours": round(division.hours, 2),
        "foreign": [each.title for each in division.foreign],
        "set_aside": division.set_aside,
        "systems": [as_data(each) for each in outcomes],
    }
    if arguments.json is not None:
        option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        arguments.json.write_bytes(orjson.dumps(report, option=option))
    if arguments.plot is not None:
        plot(outcomes, plan.lengths, arguments.plot)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--corpus", type=Path, required=True, help="packages (.deb) and samples are kept here")
    add("--cache", type=Path, help="queries and peers' answers are kept here (default: --corpus)")
    add("--rooms", type=Path, help=".npy of impulse responses at 16 kHz; the last 16 are used")
    add("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS), metavar="NAME")
    add("--lengths", nargs="+", type=float, default=LENGTHS, metavar="S", help="seconds (1 2 5)")
    add("--queries", type=int, default=100, help="a cell (100)")
    add("--foreign", type=int, default=500, help="foreign queries a length (500)")
    add("--windows", type=int, default=5_000, help="foreign windows for false alerts (5000)")
    add("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS, metavar="NAME")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=1, help="that make queries (1)")
    add("--make-only", action="store_true", help="make the queries and stop")
    add("--json", type=Path, help="write the figures to this file")
    add("--plot", type=Path, help="write a heat map (PNG) to this file")
    return parser


if __name__ == "__main__":
    main()

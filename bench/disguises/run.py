"""One run: fetch, divide, make the queries, ask the systems, score."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.disguises.division import Aside, alike, comparisons, divided
from bench.disguises.queries import QuerySet
from bench.disguises.results import Outcome
from bench.disguises.scoring import alerts, calibration_error, scored, threshold
from bench.disguises.sources import Recording, fetched
from bench.disguises.surroundings import Surroundings, rooms_of
from bench.fingerprinters.asking import Asking, Versioned
from bench.fingerprinters.peer import PEERS
from bench.fingerprinters.peer_process import PeerProcess
from bench.fingerprinters.system import Answer
from bench.peers import peer_python
from segue.corpus.packages import SPEECH, TESTING
from segue.errors import Unavailable

__all__ = ["WINDOW_S", "Plan", "Workplace", "compare", "prepared"]

WINDOW_S: Final = 10.0
"""Of foreign material, in which false alerts are counted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, and how often."""

    conditions: tuple[str, ...]
    lengths: tuple[float, ...]
    queries: int
    foreign: int
    windows: int
    seed: int


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where things are kept, and what they are made with."""

    corpus: Path
    cache: Path
    rooms: Path | None
    threads: int


def prepared(place: Workplace, plan: Plan, console: Console) -> QuerySet:
    """Fetch, divide, and make all queries that are not there yet."""
    with _progress(console, "packages", len(TESTING) + len(SPEECH)) as tick:
        recordings = _all(TESTING, place.corpus, tick)
        voices = _all(SPEECH, place.corpus, tick)
    division = divided(recordings, _aside(recordings, place.cache, console), plan.seed)
    console.print(
        f"{len(division.references)} references, {division.hours:.1f} h; "
        f"{len(division.foreign)} foreign recordings, {len(division.noises)} noises"
    )
    for why in division.set_aside:
        console.print(f"  {why}", highlight=False, markup=False)
    around = Surroundings(division.noises, voices, rooms_of(place.rooms, plan.seed))
    queries = QuerySet(division, around, plan.seed, place.cache, place.threads)
    for seconds in plan.lengths:
        with _progress(console, f"{seconds:g} s places", plan.queries) as tick:
            queries.truths(seconds, plan.queries, tick)
        cells = len(plan.conditions) * plan.queries
        with _progress(console, f"{seconds:g} s queries", cells) as tick:
            for name in plan.conditions:
                queries.queries(name, seconds, plan.queries, tick)
        with _progress(console, f"{seconds:g} s foreign", plan.foreign) as tick:
            queries.foreign(seconds, plan.foreign, tick)
    with _progress(console, f"{WINDOW_S:g} s foreign windows", plan.windows) as tick:
        queries.foreign(WINDOW_S, plan.windows, tick)
    console.print(f"queries: {queries.folder.name}", highlight=False)
    return queries


def compare(
    queries: QuerySet, plan: Plan, systems: Sequence[str], console: Console
) -> list[Outcome]:
    """Ask every system that is there; those that are not are told and left out.

    Raises Unavailable if none is there.
    """
    outcomes = []
    for name in systems:
        with ExitStack() as stack:
            try:
                system = _started(name, stack)
            except Unavailable as error:
                console.print(f"left out: {error} ({error.remedy})", highlight=False, markup=False)
                continue
            kept = queries.folder / "answers" / name if name in PEERS else None
            references = [each.samples for each in queries.division.references]
            outcomes.append(
                _outcome(name, Asking(system, references, kept), queries, plan, console)
            )
    if not outcomes:
        raise Unavailable("no system is there to compare", remedy="see the lines above")
    return outcomes


def _started(name: str, stack: ExitStack) -> Versioned:
    if name not in PEERS:
        from bench.fingerprinters.segue_system import Segue

        return Segue()
    python = peer_python()
    if python is None:
        raise Unavailable(
            f"{name}: there is no environment of the peers",
            remedy="make .venv/stamps/peers, or set SEGUE_BENCH_PEER_PYTHON",
        )
    return stack.enter_context(PeerProcess(name, python))


def _outcome(name: str, asking: Asking, queries: QuerySet, plan: Plan, console: Console) -> Outcome:
    outcome = Outcome(name, asking.system.version)
    probabilities: list[float] = []
    right: list[bool] = []

    def note(answers: Sequence[Answer], references: Sequence[int]) -> None:
        for answer, reference in zip(answers, references, strict=True):
            if answer.probability is not None and answer.reference >= 0:
                probabilities.append(answer.probability)
                right.append(answer.reference == reference)

    for seconds in plan.lengths:
        count = len(plan.conditions) * plan.queries + plan.foreign
        truths = queries.truths(seconds, plan.queries)
        with _progress(console, f"{name}: {seconds:g} s", count) as tick:
            foreign = asking.answers(
                f"foreign-{seconds:g}s", queries.foreign(seconds, plan.foreign), tick
            )
            above = outcome.thresholds[seconds] = threshold(foreign)
            note(foreign, [-1] * len(foreign))
            cells = outcome.cells[seconds] = {}
            for condition in plan.conditions:
                asked = queries.queries(condition, seconds, plan.queries)
                answers = asking.answers(f"{condition}-{seconds:g}s", asked, tick)
                cells[condition] = scored(truths, answers, above)
                note(answers, [truth.reference for truth in truths])
    outcome.fit_cpu_s, outcome.ask_cpu_s = asking.fit_cpu_s, asking.ask_cpu_s
    outcome.asked = asking.asked
    outcome.calibration_error = calibration_error(probabilities, right) if right else None
    alert = getattr(asking.system, "alert_probability", None)
    if alert is not None and plan.windows:
        with _progress(console, f"{name}: foreign windows", plan.windows) as tick:
            windows = queries.foreign(WINDOW_S, plan.windows)
            answers = asking.answers(f"foreign-{WINDOW_S:g}s", windows, tick)
        kinds = [each.kind for each in queries.foreign_kinds(WINDOW_S, plan.windows)]
        outcome.alerts = alerts(answers, kinds, alert)
    return outcome


def _all(packages: Sequence[str], corpus: Path, tick: Callable[[], None]) -> list[Recording]:
    found: list[Recording] = []
    for package in packages:
        found += fetched(package, corpus)
        tick()
    return found


def _aside(recordings: Sequence[Recording], cache: Path, console: Console) -> Aside:
    """Twins, as they were found before or now."""
    titles = "\n".join(f"{each.title} {len(each.samples)}" for each in recordings)
    digest = hashlib.blake2b(titles.encode(), digest_size=6).hexdigest()
    file = cache / f"aside-{digest}.json"
    if not file.exists():
        with _progress(console, "looking for twins", comparisons(recordings)) as tick:
            found = alike(recordings, tick)
        cache.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(found), indent=1))
    kept = json.loads(file.read_text())
    return Aside(
        *({int(i): why for i, why in kept[name].items()} for name in ("twins", "excerpts"))
    )


@contextmanager
def _progress(console: Console, title: str, total: int) -> Iterator[Callable[..., None]]:
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console, transient=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)

        def tick(count: int = 1) -> None:
            bar.advance(task, count)

        yield tick
        bar.update(task, completed=total)

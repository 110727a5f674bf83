"""How fast uploads are heard and references taken in, on one core.

    python -m bench.hearing [--json FILE] [--quick] [--vectors 1000000]

Music is made up (`segue.testing.sounds`); it and as many made-up vectors as asked for are in the
index. Windows are embedded by ONNX Runtime, which workers use, beside torch and torch's compiler.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bench.made_up_prints import PER_TRACK, made_up_prints
from bench.measure import Figure, Peer, Plan
from bench.report import as_json, machine, show
from models.fingerprint.decoding import SAMPLE_RATE, decode
from models.fingerprint.engine import Engine, probe
from models.fingerprint.printing import printed
from models.match.index import MatchIndex
from models.match.matcher import Matcher
from segue.testing.sounds import encoded, music

WINDOWS, SONGS, SONG_S = 256, 8, 120.0
INGEST_MIN, CHUNK_P99_MS, UPLOAD_MIN = 150.0, 300.0, 60.0


def cpu_s(step: Callable[[], object]) -> float:
    """Processor time of a step: other processes of a machine count less in it."""
    begun = time.process_time()
    step()
    return time.process_time() - begun


def engines(plan: Plan) -> Iterator[Figure]:
    """Windows a second by each way to run the encoder."""
    windows = np.tile(probe(), (WINDOWS // len(probe()), 1, 1))
    ours = Engine()
    rates = tuple(WINDOWS / cpu_s(lambda: ours.embed(windows)) for _ in range(plan.runs + 1))[1:]
    for name, run in _torch(windows):
        run()
        theirs = tuple(WINDOWS / cpu_s(run) for _ in range(plan.runs))
        yield Figure("windows embedded", "a second", rates, peer=Peer(name, theirs))


def _torch(windows: NDArray[np.float32]) -> Iterator[tuple[str, Callable[[], object]]]:
    import torch

    from models.fingerprint.network import Encoder, shown

    torch.set_num_threads(1)
    encoder, power = Encoder().eval(), torch.from_numpy(windows)
    compiled = torch.compile(encoder)
    for name, run in (("torch", encoder), ("torch.compile", compiled)):
        yield name, torch.inference_mode()(lambda run=run: run(shown(power)))


def ingest(plan: Plan, engine: Engine) -> Iterator[Figure]:
    """References taken in, from files of CD rate in two channels to prints."""
    sound = music(500, SONG_S, 44_100)
    for container in ("flac", "mp3"):
        file = encoded(sound, container, rate=44_100, channels=2)
        spent = [
            cpu_s(lambda file=file: printed(decode(BytesIO(file)), engine))  # type: ignore[misc]
            for _ in range(plan.runs)
        ]
        rates = tuple(SONG_S / each for each in spent)
        name = f"reference taken in, {container}, both channels of evidence"
        yield Figure(name, "x real time", rates, target_min=INGEST_MIN)


def filled(engine: Engine, count: int) -> MatchIndex:
    """An index of songs, and of made-up vectors besides."""
    index = MatchIndex(engine.identity)
    for n in range(SONGS):
        index.add(f"song {n}", printed([music(500 + n, SONG_S)], engine))
    for n, each in enumerate(made_up_prints(count // PER_TRACK, 1)):
        index.add(f"made up {n}", each)
    index.merge()
    return index


def hearing(matcher: Matcher, name: str, sound: NDArray[np.float32]) -> Iterator[Figure]:
    """From each second of a live upload to what is decided of it."""
    upload = matcher.hear()
    spent_ms = []
    for start in range(0, len(sound), SAMPLE_RATE):
        begun = time.process_time()
        upload.take(sound[start : start + SAMPLE_RATE])
        upload.findings()
        spent_ms.append(1000 * (time.process_time() - begun))
    seconds = len(sound) / SAMPLE_RATE
    p99 = float(np.percentile(spent_ms, 99))
    yield Figure(f"a second heard, {name}, p50", "ms", (float(np.median(spent_ms)),))
    yield Figure(f"a second heard, {name}, p99", "ms", (p99,), target_max=CHUNK_P99_MS)
    rate = seconds / (sum(spent_ms) / 1000)
    yield Figure(f"uploads heard, {name}", "x real time", (rate,), target_min=UPLOAD_MIN)


def measure(plan: Plan, vectors: int, say: Callable[[str], None]) -> list[Figure]:
    """All of it."""
    engine = Engine()
    say("embedding windows")
    figures = [*engines(plan)]
    say("taking references in")
    figures += ingest(plan, engine)
    say(f"filling an index with {vectors:,} vectors")
    matcher = Matcher(engine, filled(engine, vectors))
    seconds = plan.size_s(120)
    say("hearing uploads")
    figures += hearing(matcher, "foreign", music(900, seconds))
    known = np.concatenate([music(500 + n, SONG_S)[: int(20 * SAMPLE_RATE)] for n in range(6)])
    figures += hearing(matcher, "six songs in a row", known[: int(seconds * SAMPLE_RATE)])
    return figures


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="a fifth of the seconds, one run")
    parser.add_argument("--vectors", type=int, default=10**6, help="made-up ones in the index")
    arguments = parser.parse_args()
    plan, console = Plan(1 if arguments.quick else 5, arguments.quick), Console(width=140)
    measured_on, begin_s = machine(), time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - begin_s:6.0f} s  {text}", highlight=False, markup=False)

    figures = measure(plan, arguments.vectors, say)
    show(console, figures, measured_on, plan=plan)
    if arguments.json is not None:
        arguments.json.write_bytes(as_json(figures, measured_on, plan))


if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        if os.environ.get(name) != "1":  # they are read when the libraries are loaded
            os.environ[name] = "1"
            os.execv(sys.executable, [sys.executable, "-m", "bench.hearing", *sys.argv[1:]])
    main()

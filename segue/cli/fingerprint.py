"""`segue fingerprint fetch|train|evaluate|calibrate|verify`: what recognises recordings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import orjson
from rich.console import Console

from segue.cli.matching import need
from segue.clock import SystemClock
from segue.corpus.packages import NOISE, SPEECH, TESTING, TRAINING
from segue.errors import Misconfigured
from segue.sim.progress import FeedProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.fingerprint.engine import Engine
    from models.fingerprint.pools import Pool, Role
    from models.fingerprint.training import Progress, Schedule, Training
    from segue.corpus.calibration import Asked

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)
_EXTRAS: Final = "protect,train,logs"
_SHOWN_EVERY: Final = 10
_SAVED_EVERY: Final = 100
_ROOMS_KEPT_BACK: Final = 16  # the last of a file: for tests


@click.group()
def fingerprint() -> None:
    """Fetch music, train the network that recognises recordings, evaluate and verify it."""


@fingerprint.command()
@click.option("--into", type=_FOLDER, required=True, help="Where samples are kept: 6 GB.")
@click.option("--testing", is_flag=True, help="The packages for tests instead.")
def fetch(into: Path, *, testing: bool) -> None:
    """Fetch distribution packages by name, and keep their music, noise and speech.

    Needs Debian or Ubuntu (apt-get, dpkg-deb). What was fetched before is not fetched again.
    """
    need("av", extra=_EXTRAS)
    from segue.corpus.fetching import download, keep_audio

    into.mkdir(parents=True, exist_ok=True)
    wanted = TESTING if testing else (*TRAINING, *NOISE, *SPEECH)
    missing = [name for name in wanted if not (into / f"{name}.json").exists()]
    for name in missing:
        archive = next(into.glob(f"{name}_*.deb"), None) or download(name, into)
        role: Role | None = "voice" if name in SPEECH else "noise" if name in NOISE else None
        clips = keep_audio(name, archive, into, role)
        archive.unlink()
        minutes = sum(clip.n for clip in clips) / 8_000 / 60
        click.echo(f"{name}: {len(clips)} recordings, {minutes:.0f} minutes")
    click.echo(f"{len(wanted)} packages are there" if not missing else "all packages are there")


@fingerprint.command()
@click.option("--corpus", type=_FOLDER, required=True, help="What `fetch` filled.")
@click.option("--checkpoint", type=_FILE, required=True, help="Gone on from if it is there.")
@click.option("--out", type=_FILE, required=True, help="Where the weights go at the end.")
@click.option("--rooms", type=_FILE, help="Impulse responses, .npy (n, samples at 16 kHz).")
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=4_000,
    show_default=True,
    help="A second each on one core.",
)
@click.option(
    "--pairs",
    type=click.IntRange(min=2),
    default=160,
    show_default=True,
    help="Seconds of music in a step, each with itself degraded.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of all draws.")
@click.option("--threads", type=click.IntRange(min=1), help="All cores if it is not said.")
@click.option("--plot", type=_FILE, help="Draw loss and hits over the steps, .png.")
def train(  # noqa: PLR0913  # one for each option
    *,
    corpus: Path,
    checkpoint: Path,
    out: Path,
    rooms: Path | None,
    steps: int,
    pairs: int,
    seed: int,
    threads: int | None,
    plot: Path | None,
) -> None:
    """Teach the encoder that music, and the same music degraded, are the same.

    The same corpus, rooms and seed give the same weights on the same machine. A run that is stopped
    goes on from its last hundredth step, to the same end.
    """
    drawing = () if plot is None else ("matplotlib",)
    need("torch", "onnx", "onnxscript", "onnxruntime", "av", *drawing, extra=_EXTRAS)
    import torch

    from models.fingerprint.training import Schedule

    if threads is not None:
        torch.set_num_threads(threads)
    training = _training(corpus, rooms, Schedule(steps=steps, pairs=pairs, seed=seed))
    if checkpoint.exists():
        try:
            training.load(checkpoint)
        except ValueError as error:
            remedy = "name another file, or the same options"
            raise Misconfigured(str(error), setting="--checkpoint", remedy=remedy) from error
    curve = _run(training, checkpoint)
    _write(training, out, curve)
    if plot is not None:
        _draw(plot, curve)


@fingerprint.command()
@click.argument("weights", type=_FILE, required=False)
def verify(weights: Path | None) -> None:
    """Load WEIGHTS (else those that are shipped), and see that they give their own vectors."""
    need("onnxruntime", "av", extra=_EXTRAS)
    engine = _loaded(weights)
    click.echo(f"{engine.identity}: gives the vectors that it gave where it was made")
    for name, value in engine.notes.items():
        click.echo(f"{name}: {value}")


@fingerprint.command()
@click.option("--corpus", type=_FOLDER, required=True, help="What `fetch` filled, twice.")
@click.option("--weights", type=_FILE, help="Instead of those that are shipped.")
@click.option("--rooms", type=_FILE, help="Impulse responses: the last 16 of them are used.")
@click.option(
    "--queries",
    type=click.IntRange(min=1),
    default=1_000,
    show_default=True,
    help="Seconds to look up, under each condition.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of all draws.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def evaluate(  # one for each option
    *,
    corpus: Path,
    weights: Path | None,
    rooms: Path | None,
    queries: int,
    seed: int,
    as_json: bool,
) -> None:
    """Look up single degraded seconds of music that was never trained on.

    Needs what `fetch` and `fetch --testing` keep. Each second is asked of all windows of all
    recordings for tests, four a second: the nearest alone answers.
    """
    need("torch", "onnxruntime", "av", extra=_EXTRAS)
    import numpy as np

    from models.fingerprint.degrading import Degrader, Degrading, synthetic_rooms
    from models.fingerprint.evaluating import evaluate as ask
    from models.fingerprint.pools import pools

    _demand(corpus, (*TESTING, *SPEECH), "fetch --testing")
    tested, spoken = pools(corpus, TESTING), pools(corpus, SPEECH)
    responses = synthetic_rooms(np.random.default_rng(seed + 1_000))
    if rooms is not None:
        responses = _given_rooms(rooms, kept_back=True)
    sounds = tested["music"], tested["noise"], spoken["voice"]
    engine = _loaded(weights)
    degrader = Degrader(sounds, responses, Degrading())
    found = []
    for one in ask(engine, tested["music"], degrader, queries=queries, seed=seed):
        found.append(one._asdict())
        if not as_json:
            click.echo(
                f"{one.condition:<22} right place {one.place:6.1%}   recording {one.recording:6.1%}"
            )
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))


@fingerprint.command()
@click.option("--corpus", type=_FOLDER, required=True, help="What `fetch` filled.")
@click.option("--out", type=_FILE, required=True, help="Where the calibration goes, .json.")
@click.option("--weights", type=_FILE, help="Instead of those that are shipped.")
@click.option("--rooms", type=_FILE, help="Impulse responses, as for `train`.")
@click.option(
    "--queries",
    type=click.IntRange(min=100),
    default=6_000,
    show_default=True,
    help="Half of them of music that the index does not hold.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of all draws.")
def calibrate(  # one for each option
    *, corpus: Path, out: Path, weights: Path | None, rooms: Path | None, queries: int, seed: int
) -> None:
    """Learn how probable a match is from what speaks for it.

    Half of the music for training is indexed, and asked in every disguise; so is the other half,
    of which nothing may be found.
    """
    need("torch", "onnxruntime", "faiss", "av", extra=_EXTRAS)
    import numpy as np

    from models.match.calibrating import fit, reliability
    from models.match.evidence import Calibration

    engine = _loaded(weights)
    asked, vectors = _asked(engine, corpus, rooms, queries, seed)
    found = [(one.evidence, one.is_right) for one in asked if one.evidence is not None]
    fitted = Calibration(fit(*zip(*found, strict=True)), vectors)
    said = np.array([fitted.probability(evidence, vectors) for evidence, _ in found])
    error, _ = reliability(said, np.array([right for _, right in found]))
    held = {"weights": fitted.weights, "vector_count": vectors, "encoder": engine.identity}
    out.write_bytes(orjson.dumps(held, option=orjson.OPT_INDENT_2))
    click.echo(f"{out}: of {len(asked)} queries, expected calibration error {error:.3f}")


def _loaded(weights: Path | None) -> Engine:
    from models.fingerprint.engine import Engine, WeightsRefused

    try:
        return Engine(weights)
    except WeightsRefused as error:
        raise Misconfigured(str(error), remedy="take the file of this version, or train") from error


def _demand(corpus: Path, packages: Sequence[str], how: str) -> None:
    """Raise Misconfigured if a package is not in the corpus."""
    lacking = [name for name in packages if not (corpus / f"{name}.json").exists()]
    if lacking:
        raise Misconfigured(
            f"{corpus} lacks {', '.join(lacking)}",
            setting="--corpus",
            remedy=f"segue fingerprint {how} --into {corpus}",
        )


def _asked(
    engine: Engine, corpus: Path, rooms: Path | None, queries: int, seed: int
) -> tuple[list[Asked], int]:
    """Disguised queries and what came of them, and how many vectors were searched."""
    from models.fingerprint.degrading import Degrader, Degrading
    from models.match.index import MatchIndex
    from models.match.matcher import Matcher
    from segue.corpus import calibration

    sounds, responses = _sounds(corpus, rooms, seed)
    known, foreign = calibration.halves(sounds[0])
    index, console = MatchIndex(engine.identity), Console(stderr=True)
    total = len(known.samples)
    with FeedProgress(console, SystemClock(), title="indexing", total=total) as progress:
        for done in calibration.filled(index, known, engine):
            progress.update(done)
    index.merge()
    degrader = Degrader((foreign, *sounds[1:]), responses, Degrading())
    matcher = Matcher(engine, index)
    steps = calibration.queries(matcher, (known, degrader), (foreign, degrader), seed)
    asked: list[Asked] = []
    with FeedProgress(console, SystemClock(), title="asking", total=queries) as progress:
        for one in islice(steps, queries):
            asked.append(one)
            progress.update(len(asked))
    return asked, index.vector_count


def _training(corpus: Path, rooms: Path | None, schedule: Schedule) -> Training:
    from models.fingerprint.degrading import Degrader, Degrading
    from models.fingerprint.training import Training

    sounds, responses = _sounds(corpus, rooms, schedule.seed)
    degrader = Degrader(sounds, responses, Degrading())
    return Training(sounds[0], degrader, schedule, data=_digest(corpus, responses))


def _sounds(
    corpus: Path, rooms: Path | None, seed: int
) -> tuple[tuple[Pool, Pool, Pool], NDArray[np.float32]]:
    """Music, noise and voice to train on, and impulse responses: made-up ones and those given."""
    import numpy as np

    from models.fingerprint.degrading import synthetic_rooms
    from models.fingerprint.pools import pools

    wanted = (*TRAINING, *NOISE, *SPEECH)
    _demand(corpus, wanted, "fetch")
    found = pools(corpus, wanted)
    responses = synthetic_rooms(np.random.default_rng(seed))
    if rooms is not None:
        responses = np.concatenate((responses, _given_rooms(rooms)))
    return (found["music"], found["noise"], found["voice"]), responses


def _digest(corpus: Path, rooms: NDArray[np.float32]) -> str:
    """A name of what is trained on, by the manifests of its packages and the rooms."""
    found = hashlib.blake2b(rooms.tobytes(), digest_size=16)
    for name in (*TRAINING, *NOISE, *SPEECH):
        found.update((corpus / f"{name}.json").read_bytes())
    return found.hexdigest()


def _given_rooms(path: Path, *, kept_back: bool = False) -> NDArray[np.float32]:
    """Impulse responses at 8 kHz, a second at most: those to train on, or those kept back."""
    import numpy as np

    try:
        given = np.load(path, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}", setting="--rooms") from error
    if given.ndim != 2 or len(given) <= _ROOMS_KEPT_BACK:
        raise Misconfigured(
            f"{path} holds {given.shape}, not more than {_ROOMS_KEPT_BACK} responses",
            setting="--rooms",
        )
    chosen = given[-_ROOMS_KEPT_BACK:] if kept_back else given[:-_ROOMS_KEPT_BACK]
    halves = np.fft.rfft(chosen)[:, : given.shape[1] // 4 + 1]
    rooms: NDArray[np.float32] = np.fft.irfft(halves)[:, :8_000].astype(np.float32)
    return rooms


def _run(training: Training, checkpoint: Path) -> list[Progress]:
    """Train to the end, with progress, saving every now and then."""
    curve: list[Progress] = []
    total, done = training.schedule.steps, training.step
    title = "training"
    with FeedProgress(Console(), SystemClock(), title=title, total=total, done=done) as progress:
        steps = training.run()
        while part := [*islice(steps, _SHOWN_EVERY - training.step % _SHOWN_EVERY)]:
            curve.append(_mean(part))
            progress.update(training.step)
            if training.step == total or training.step % _SAVED_EVERY == 0:
                training.save(checkpoint)  # not when interrupted: that is amid a step
                loss, hits = curve[-1].loss, curve[-1].top1
                click.echo(f"step {training.step}: loss {loss:.3f}, hits {hits:.1%}", err=True)
    return curve


def _mean(part: Sequence[Progress]) -> Progress:
    count = len(part)
    loss, hits = sum(step.loss for step in part) / count, sum(step.top1 for step in part) / count
    return part[-1]._replace(loss=loss, top1=hits)


def _write(training: Training, out: Path, curve: Sequence[Progress]) -> None:
    from models.fingerprint.exporting import export

    schedule = training.schedule
    notes = {
        "steps": f"{training.step} of {schedule.pairs} pairs, seed {schedule.seed}",
        "music": f"{len(training.music.samples)} recordings, {training.music.seconds / 3600:.1f} h",
    }
    if curve:
        notes["at the end"] = f"loss {curve[-1].loss:.3f}, hits {curve[-1].top1:.1%} of a batch"
    export(out, training.kept(), notes)
    click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def _draw(path: Path, curve: Sequence[Progress]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, left = plt.subplots(figsize=(8, 4.5), layout="constrained")
    steps = [step.step for step in curve]
    left.plot(steps, [step.loss for step in curve], color="tab:blue")
    left.set(xlabel="steps", ylabel="loss (NT-Xent)", yscale="log")
    right = left.twinx()
    right.plot(steps, [step.top1 for step in curve], color="tab:orange")
    right.set(ylabel="queries nearest to their own second", ylim=(0, 1))
    figure.savefig(path, dpi=120)
    plt.close(figure)

"""What `segue check` and `segue index` do with files, in this process or in others."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from segue.cli.recordings import Recording, shown
from segue.errors import Misconfigured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.fingerprint.engine import Engine
    from models.fingerprint.prints import Print
    from models.match.finding import Finding
    from models.match.index import MatchIndex
    from models.match.matcher import Matcher
    from segue.cli.abreast import Heard

__all__ = [
    "Checked",
    "Checks",
    "Printed",
    "Prints",
    "Source",
    "is_index",
    "need",
    "opened",
    "shipped_engine",
]

_MANIFEST: Final = "manifest.json"  # of a snapshot of an index
_PIECE: Final = 1 << 20
_EMPTY: Final = "unreadable: not one sample of it could be decoded"


class Source(msgspec.Struct, frozen=True, array_like=True):
    """The file that a reference was made of, so that another build can tell whether it changed."""

    file: str
    size: int
    modified_ns: int
    blake2b: str


class Checked(NamedTuple):
    """What is known of a file: what it holds, or why it cannot be read."""

    path: str
    seconds: float
    findings: tuple[Finding, ...]
    error: str | None


class Printed(NamedTuple):
    """The print of a recording; None: it is what it was (no error), or it cannot be read."""

    recording: Recording
    source: Source | None
    printed: Print | None
    seconds: float
    error: str | None


@dataclass(frozen=True)
class Checks:
    """Match files with an index that is read from a folder, once in each process.

    `stop` is another, of sounds that are nobody's.
    """

    index: Path
    stop: Path | None = None

    def __call__(self, heard: Heard) -> Callable[[str], Checked]:
        """What checks a file."""
        from models.match.matcher import Matcher

        engine = shipped_engine()
        stop = None if self.stop is None else opened(self.stop, engine)
        matcher = Matcher(engine, opened(self.index, engine), stop=stop)
        return lambda path: _checked(path, matcher, heard)


@dataclass(frozen=True)
class Prints:
    """Fingerprint files, except those that are as they were."""

    def __call__(self, heard: Heard) -> Callable[[tuple[Recording, Source | None]], Printed]:
        """What fingerprints a file, given what was known of it."""
        engine = shipped_engine()
        return lambda asked: _printed(*asked, engine, heard)


def need(*modules: str, extra: str = "protect") -> None:
    """Raise Misconfigured if a package that only some roles need is not there."""
    lacking = [name for name in modules if importlib.util.find_spec(name) is None]
    if lacking:
        raise Misconfigured(
            f"{', '.join(lacking)} is not installed", remedy=f"install segue[{extra}]"
        )


def shipped_engine() -> Engine:
    """The encoder that comes with this version."""
    from models.fingerprint.engine import Engine, WeightsRefused

    try:
        return Engine()
    except WeightsRefused as error:
        raise Misconfigured(str(error), remedy="install segue anew") from error


def is_index(path: Path) -> bool:
    """Whether a folder holds the snapshot of an index, be it damaged."""
    return (path / _MANIFEST).is_file()


def opened(path: Path, engine: Engine) -> MatchIndex:
    """The index of a folder. Raises Misconfigured if it is damaged or of another encoder."""
    from models.match.files import IndexRefused
    from models.match.index import MatchIndex

    try:
        return MatchIndex.load(path, engine.identity)
    except IndexRefused as error:
        raise Misconfigured(str(error), remedy=f"segue index verify {path}") from error


class _Counted:
    """Samples of a file, counted as they are taken."""

    def __init__(self, path: str, heard: Heard) -> None:
        self._path, self._heard, self.seconds = path, heard, 0.0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        from models.fingerprint.decoding import SAMPLE_RATE, decode

        told = 0.0
        for samples in decode(self._path):
            self.seconds += len(samples) / SAMPLE_RATE
            if self.seconds >= told + 1:
                self._heard(self.seconds - told)
                told = self.seconds
            yield samples


def _checked(path: str, matcher: Matcher, heard: Heard) -> Checked:
    sound = _Counted(path, heard)
    try:
        found = tuple(matcher.match(sound))
    except (OSError, ValueError) as error:
        return Checked(path, sound.seconds, (), _reason(error))
    return Checked(path, sound.seconds, found, None if sound.seconds else _EMPTY)


def _printed(recording: Recording, known: Source | None, engine: Engine, heard: Heard) -> Printed:
    from models.fingerprint.printing import printed

    sound = _Counted(recording.path, heard)
    try:
        source = _source(recording.path, known)
        if known is not None and source.blake2b == known.blake2b:
            return Printed(recording, source, None, 0.0, None)
        found = printed(sound, engine)
    except (OSError, ValueError) as error:
        return Printed(recording, None, None, sound.seconds, _reason(error))
    if not sound.seconds:
        return Printed(recording, None, None, 0.0, _EMPTY)
    if found.is_of_silence:
        what = "silent" if len(found.vectors) else "shorter than a second"
        error_text = f"{what}: nothing in it could be recognised"
        return Printed(recording, None, None, sound.seconds, error_text)
    return Printed(recording, source, found, sound.seconds, None)


def _source(path: str, known: Source | None) -> Source:
    """What the file is now; it is read only where size or time differ from what was known."""
    about = Path(path).stat()
    size, modified_ns = about.st_size, about.st_mtime_ns
    if known is not None and (size, modified_ns) == (known.size, known.modified_ns):
        return Source(shown(path), size, modified_ns, known.blake2b)
    digest = hashlib.blake2b(digest_size=16)
    with Path(path).open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return Source(shown(path), size, modified_ns, digest.hexdigest())


def _reason(error: OSError | ValueError) -> str:
    from models.fingerprint.decoding import Rejected

    cause: BaseException | None = error
    if isinstance(error, Rejected):
        if error.__cause__ is None:
            return str(error)
        cause = error.__cause__
    # FFmpeg's errors are no OSError, but have its text too, without the number in front.
    told = getattr(cause, "strerror", None) or str(cause)
    return f"unreadable: {told}"

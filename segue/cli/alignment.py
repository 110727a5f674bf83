"""A picture of what matching found: both spectrograms, and what of one is what of the other."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.decoding import decode
from models.fingerprint.prints import Print
from models.fingerprint.spectrogram import (
    BINS_PER_OCTAVE,
    FRAMES_PER_S,
    LOWEST_HZ,
    SPECTRUM_BINS,
    Spectrograph,
)
from models.match.finding import Finding
from segue.cli.matched import change

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

__all__ = ["Pair", "Picture", "heard_picture", "peaks_picture", "plot_alignment"]

_COLUMNS_MAX: Final = 4_000
_RANGE_DB: Final = 55.0
_HZ: Final = (125, 250, 500, 1_000, 2_000, 3_500)
_PAIRS_MAX: Final = 6
_COLOURS: Final = ("#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#17becf", "#e377c2")


class Picture(NamedTuple):
    """What one recording looks like: decibels (bins, columns), or its peaks where no sound is."""

    seconds: float
    loudness: NDArray[np.float32] | None
    peaks: tuple[NDArray[np.float64], NDArray[np.uint8]] | None = None


class Pair(NamedTuple):
    """A reference and what of it was found."""

    name: str
    picture: Picture
    findings: Sequence[Finding]


def heard_picture(path: str) -> Picture:
    """The spectrogram of a file, in no more than 4,000 columns however long it is.

    Raises what `decode` raises.
    """
    graph, columns, each = Spectrograph(), [_NONE], 1  # frames that are a column
    rest = _NONE
    frames = 0
    for samples in decode(path):
        power = graph.take(samples)
        frames += len(power)
        rest = np.concatenate((rest, power))
        whole = len(rest) - len(rest) % each
        columns.append(rest[:whole].reshape(-1, each, SPECTRUM_BINS).max(axis=1))
        rest = rest[whole:]
        if sum(map(len, columns)) >= 2 * _COLUMNS_MAX:
            joined = np.concatenate(columns)[: 2 * _COLUMNS_MAX]
            columns = [joined.reshape(-1, 2, SPECTRUM_BINS).max(axis=1)]
            each *= 2
    held = np.concatenate(columns)
    decibels = 10 * np.log10(np.maximum(held, 1e-9))
    return Picture(frames / FRAMES_PER_S, decibels.T.astype(np.float32))


_NONE: Final = np.zeros((0, SPECTRUM_BINS), np.float32)


def peaks_picture(printed: Print) -> Picture:
    """What an index knows of a reference: its spectral peaks."""
    return Picture(printed.seconds, None, (printed.peak_frames / FRAMES_PER_S, printed.peak_bins))


def plot_alignment(path: Path, title: str, query: Picture, pairs: Sequence[Pair]) -> None:
    """Draw a query above each of its references into a PNG; the first six."""
    from matplotlib.figure import Figure

    drawn = pairs[:_PAIRS_MAX]
    figure = Figure(figsize=(11, 0.5 + 4.6 * len(drawn)), layout="constrained")
    parts = figure.subfigures(len(drawn), 1, hspace=0.04, squeeze=False)
    for part, pair in zip(parts[:, 0], drawn, strict=True):
        _draw_pair(part, title, query, pair)
    left_out = len(pairs) - len(drawn)
    if left_out:
        figure.supxlabel(f"and {left_out} more references", fontsize=10)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of a name that the font cannot write
        figure.savefig(path, format="png", dpi=130)


def _draw_pair(part: SubFigure, title: str, query: Picture, pair: Pair) -> None:
    from matplotlib.patches import ConnectionPatch

    best = max(pair.findings, key=lambda one: one.log_odds)
    changed = change(best.transform)
    said = f"probability {best.probability:.3f}, " + (
        "not changed" if changed == "not" else changed
    )
    more = f", {len(pair.findings)} segments" if len(pair.findings) > 1 else ""
    part.suptitle(f"{pair.name}\n{said}{more}", fontsize=12, parse_math=False)
    above, below = part.subplots(2, 1, gridspec_kw={"hspace": 0.12})
    _draw(above, query, Path(title).name)
    _draw(below, pair.picture, pair.name)
    below.set_xlabel("seconds")
    for number, one in enumerate(pair.findings):
        colour, span = _COLOURS[number % len(_COLOURS)], one.span
        here = (span.query_start_s, span.query_end_s)
        there = (max(0.0, span.reference_start_s), span.reference_end_s)
        for axes, (begins, ends) in ((above, here), (below, there)):
            axes.axvspan(begins, ends, facecolor=colour, alpha=0.22, linewidth=0)
            for edge in (begins, ends):
                axes.axvline(edge, color=colour, linewidth=1.8)
        for upper, lower in zip(here, there, strict=True):
            line = ConnectionPatch(
                (upper, 0), (lower, 1), above.get_xaxis_transform(), below.get_xaxis_transform()
            )
            line.set(color=colour, linewidth=1.8, in_layout=False, clip_on=False)
            part.add_artist(line)


def _draw(axes: Axes, picture: Picture, name: str) -> None:
    seconds = max(picture.seconds, 0.1)
    if picture.loudness is not None and picture.loudness.size:
        top = float(picture.loudness.max())
        axes.imshow(
            picture.loudness,
            origin="lower",
            aspect="auto",
            extent=(0, seconds, -0.5, SPECTRUM_BINS - 0.5),
            cmap="Greys",
            vmin=top - _RANGE_DB,
            vmax=top,
        )
    if picture.peaks is not None:
        axes.scatter(*picture.peaks, s=3, color="#444444", linewidths=0)
        name += " (its peaks)"
    axes.set(xlim=(0, seconds), ylim=(-0.5, SPECTRUM_BINS - 0.5))
    axes.set_yticks([BINS_PER_OCTAVE * math.log2(hz / LOWEST_HZ) for hz in _HZ])
    axes.set_yticklabels([f"{hz:,}" for hz in _HZ])
    axes.set_ylabel("Hz")
    axes.set_title(name, loc="left", fontsize=9, parse_math=False)

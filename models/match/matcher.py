"""Who is in this upload: a decision that grows with what is heard.

Each second the windows that are new are looked up: as they are, four of them, and through every
other view, one in two seconds. What many hits agree on is aligned exactly; what is alike enough
becomes a segment, is followed window by window without any further search, and ends where it is no
longer alike. A finished upload that is short and not yet recognised is looked at once more, more
closely.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.decoding import SAMPLE_RATE
from models.fingerprint.engine import Engine
from models.fingerprint.prints import PRINT_HOP, Print
from models.fingerprint.spectrogram import FRAMES_PER_S, Spectrograph
from models.fingerprint.views import VIEWS
from models.match.aligning import Peaks, Windows
from models.match.candidates import Hits
from models.match.evidence import Calibration, shipped
from models.match.finding import Finding, findings_of, overlap
from models.match.hearing import DENSE_HOP, Glimpses
from models.match.hough import Candidate, Votes, candidates
from models.match.segments import Segment

__all__ = ["Hearing", "MatchSettings", "Matcher", "Searched"]


class Searched(Protocol):
    """What is asked of an index."""

    @property
    def vector_count(self) -> int:
        """How many vectors are searched."""
        ...

    def search(self, vectors: NDArray[np.float32], k: int) -> Hits:
        """The `k` nearest of each vector."""
        ...

    def print_of(self, slot: int) -> Print | None:
        """What is kept of a reference; None once it is removed."""
        ...

    def id_of(self, slot: int) -> str | None:
        """The name of a reference; None once it is removed."""
        ...


@dataclass(frozen=True, slots=True)
class MatchSettings:
    """How far back, how often and how closely an upload is looked at.

    `horizon_s`: seconds in which votes must agree, that are held, and after which without
        likeness a segment has ended.
    `neighbours`: hits of each window.
    `aligned_max`: alignments that are looked at exactly in each second.
    `sparse`: through views other than the identity one window of so many is looked up.
    `close_look_s`: finished uploads that are no longer are looked at again, more closely.
    `dense_look_s`: and with eight windows a second, not four, if they are no longer than this.
    `weight_min`: of votes that agree, for an alignment to be looked at before the end.
    `kept_log_odds`: of an alignment, below which it is forgotten before the end.
    `margin_log_odds`: by which another view of the same reference is left behind.
    `sure_log_odds`: of a finding, above which no closer look is needed.
    `stop_likeness`: of a window and a sound of the stop-list.
    """

    horizon_s: int = 10
    neighbours: int = 20
    aligned_max: int = 6
    sparse: int = 8
    close_look_s: float = 6.0
    dense_look_s: float = 3.0
    weight_min: float = 0.4
    kept_log_odds: float = -3.0
    margin_log_odds: float = 3.0
    sure_log_odds: float = 7.0
    stop_likeness: float = 0.8


class Matcher:
    """What all uploads share: the encoder, the index, the calibration."""

    def __init__(
        self,
        engine: Engine,
        index: Searched,
        calibration: Calibration | None = None,
        settings: MatchSettings | None = None,
        *,
        stop: Searched | None = None,
    ) -> None:
        """`stop` holds sounds that are nobody's: what is like one of them is no evidence."""
        self.engine, self.index, self._stop = engine, index, stop
        self.calibration = calibration or shipped()
        self.settings = settings or MatchSettings()

    def glimpses(self, horizon: int, hop: int = DENSE_HOP) -> Glimpses:
        """Begin to look at an upload of which so many frames are held."""
        return Glimpses(self.engine, horizon, hop, self._stopped if self._stop else None)

    def _stopped(self, vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
        assert self._stop is not None
        alike = self._stop.search(vectors, 1).likeness[:, 0]
        return alike > self.settings.stop_likeness

    def hear(self) -> Hearing:
        """Begin with an upload."""
        return Hearing(self)

    def match(self, sound: Iterable[NDArray[np.float32]]) -> list[Finding]:
        """What a whole upload holds: mono samples at 8 kHz in, findings in order of time out."""
        hearing = self.hear()
        for samples in sound:
            hearing.take(samples)
        return hearing.close()

    def log_odds(self, segment: Segment) -> float:
        """How sure a segment is."""
        return self.calibration.log_odds(segment.evidence, self.index.vector_count)

    def findings(self, segments: Sequence[Segment]) -> list[Finding]:
        """What segments amount to."""
        return findings_of(segments, self.log_odds, self.index.id_of)


class _Open(NamedTuple):
    view: int
    segment: Segment


class Hearing:
    """One upload. What it finds depends on the samples, not on how they were cut."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher, self._settings = matcher, matcher.settings
        self._graph = Spectrograph()
        self._waiting = np.zeros(0, np.float32)  # samples, less than a step
        horizon = self._settings.horizon_s * FRAMES_PER_S
        self._look = _Look(matcher, matcher.glimpses(horizon), self._settings.sparse)
        self._early: list[NDArray[np.float32]] = []  # as long as a closer look may come

    def take(self, samples: NDArray[np.float32]) -> None:
        """Hear mono samples at 8 kHz; every second of them is a step."""
        held = np.concatenate((self._waiting, samples))
        whole = len(held) - len(held) % SAMPLE_RATE
        for start in range(0, whole, SAMPLE_RATE):
            self._step(self._graph.take(held[start : start + SAMPLE_RATE]))
        self._waiting = held[whole:]

    def findings(self) -> list[Finding]:
        """What was found so far, in order of time."""
        return self._matcher.findings(self._look.segments())

    def close(self) -> list[Finding]:
        """Nothing follows: what was found in all."""
        self._step(np.concatenate((self._graph.take(self._waiting), self._graph.close())))
        found = self.findings()
        sure = any(one.log_odds > self._settings.sure_log_odds for one in found)
        return found if sure or not self._early else self._closer()

    def _step(self, power: NDArray[np.float32]) -> None:
        self._look.take(power)
        if self._look.end <= self._settings.close_look_s * FRAMES_PER_S:
            self._early.append(power)
        else:
            self._early.clear()

    def _closer(self) -> list[Finding]:
        """All of it again, through each view; with twice the windows if there are few."""
        matcher, power = self._matcher, np.concatenate(self._early)
        few = len(power) <= self._settings.dense_look_s * FRAMES_PER_S
        hop = DENSE_HOP // 2 if few else DENSE_HOP
        look = _Look(matcher, matcher.glimpses(len(power), hop), 1, closely=True)
        look.take(power)
        return matcher.findings(look.segments())


class _Look:
    """Search, align and follow, with one density of windows."""

    def __init__(
        self, matcher: Matcher, glimpses: Glimpses, sparse: int, *, closely: bool = False
    ) -> None:
        self._matcher, self._glimpses, self._sparse = matcher, glimpses, sparse
        settings = matcher.settings
        self._weight_min = 0.0 if closely else settings.weight_min
        self._kept_log_odds = -np.inf if closely else settings.kept_log_odds
        self._next = [0] * len(VIEWS)  # window of each view that is looked up next
        self._votes: list[tuple[int, Votes]] = []
        self._open: list[_Open] = []
        self._ended: list[Segment] = []

    @property
    def end(self) -> int:
        """Frames so far."""
        return self._glimpses.end

    def segments(self) -> list[Segment]:
        """All that were found, those that go on too."""
        return [*self._ended, *(each.segment for each in self._open)]

    def take(self, power: NDArray[np.float32]) -> None:
        """Hear further frames (n, 118)."""
        self._glimpses.take(power)
        self._search()
        self._follow()
        self._align()

    def _search(self) -> None:
        asked: list[tuple[int, Windows]] = []
        wanted = [
            (view, self._next[view], self._glimpses.count(view), 1 if view == 0 else self._sparse)
            for view in range(len(VIEWS))
        ]
        self._glimpses.prepare(wanted)
        for view, first, end, step in wanted:
            windows = self._glimpses.windows(view, first, end, step)
            self._next[view] = max(first, end)
            heard = windows.vectors.any(axis=1)  # silence is like nothing
            if heard.any():
                asked.append((view, Windows(windows.frames[heard], windows.vectors[heard])))
        if not asked:
            return
        vectors = np.concatenate([windows.vectors for _, windows in asked])
        hits = self._matcher.index.search(vectors, self._matcher.settings.neighbours)
        frames = np.concatenate([windows.frames for _, windows in asked])
        views = np.concatenate([np.full(len(w.frames), view, np.int32) for view, w in asked])
        votes = Votes(
            hits.references.ravel(),
            np.repeat(views, hits.references.shape[1]),
            (hits.windows * PRINT_HOP - frames[:, None]).astype(np.float32).ravel(),
            hits.likeness.ravel(),
        )
        self._votes.append((self.end, votes))
        oldest = self.end - self._matcher.settings.horizon_s * FRAMES_PER_S
        self._votes = [each for each in self._votes if each[0] > oldest or each[0] == self.end]

    def _follow(self) -> None:
        """Let open segments go on, and end those that are alike no longer."""
        # As long as votes may come that were given before it ended, they are its own.
        gap = self._matcher.settings.horizon_s * FRAMES_PER_S
        still: list[_Open] = []
        for each in self._open:
            segment, view = each.segment, VIEWS[each.view]
            reference = self._matcher.index.print_of(segment.slot)
            if reference is None:
                continue
            recent = self._heard(each.view)
            if len(recent[0].frames):
                all_held = segment.begins_at > recent[0].frames[0]
                if all_held and not segment.has_ended:  # it is short: anew, what is new may help
                    offset = segment.offset_at(float(recent[0].frames.mean()))
                    segment = Segment.found(segment.slot, view, offset, recent, reference)
                else:
                    segment.go_on(recent, reference)
            if segment.ends_at >= (self.end - gap) * view.tempo:
                still.append(_Open(each.view, segment))
            elif self._matcher.log_odds(segment) > self._kept_log_odds:
                self._ended.append(segment)
        self._open = self._leading(still)

    def _leading(self, still: list[_Open]) -> list[_Open]:
        """Without views of a stretch that another view of it leaves far behind."""
        margin = self._matcher.settings.margin_log_odds
        judged = [(self._matcher.log_odds(each.segment), each) for each in still]
        return [
            each
            for odds, each in judged
            if not any(
                odds < others - margin and overlap(each.segment, other.segment)
                for others, other in judged
            )
        ]

    def _align(self) -> None:
        """Look exactly at what the hits of the last seconds agree on, and nothing stands for."""
        settings = self._matcher.settings
        if not self._votes:
            return
        parts = zip(*(votes for _, votes in self._votes), strict=True)
        votes = Votes(*(np.concatenate(each) for each in parts))
        for found in candidates(votes, settings.aligned_max):
            if found.weight < self._weight_min or self._stood_for(found):
                continue
            heard = self._heard(found.view)
            reference = self._matcher.index.print_of(found.slot)
            if reference is None or not len(heard[0].frames):
                continue
            view = VIEWS[found.view]
            segment = Segment.found(found.slot, view, found.offset, heard, reference)
            if self._matcher.log_odds(segment) > self._kept_log_odds:
                self._open.append(_Open(found.view, segment))

    def _stood_for(self, found: Candidate) -> bool:
        """Whether a segment that is open is of this reference, view and place already."""
        for view, segment in self._open:
            if (segment.slot, view) == (found.slot, found.view):
                away = segment.offset_at(segment.ends_at) - found.offset
                if abs(away) < FRAMES_PER_S:
                    return True
        return False

    def _heard(self, view: int) -> tuple[Windows, Peaks]:
        """All windows of a view that are held, and the peaks among them."""
        shown, glimpses = VIEWS[view], self._glimpses
        windows = glimpses.windows(view, 0, glimpses.count(view))
        peaks = glimpses.peaks()
        bins = peaks.bins - np.float32(shown.bins)
        return windows, Peaks(peaks.frames * np.float32(shown.tempo), bins)

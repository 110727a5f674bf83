"""Whether a market's listening changes: ADWIN over the share of plays that its leaders get.

The leaders are the tracks with the most plays decayed by the day that together have half of them.
How well they foretell the next plays is the error of the simplest model there is, tested and then
learned, and a model whose error changes is what drift detectors look for: ADWIN (Bifet and Gavaldà,
"Learning from time-changing data with adaptive windowing", 2007; `river.drift.ADWIN`) finds that
the newer part of its window has another mean than the older one. Where the share falls, listening
has left what was played; where it rises, the leaders have caught up, which is no news.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from river.drift import ADWIN

__all__ = ["ShareDetector", "load_detector"]

VALUES_MAX: Final = 1024
"""Shares kept, at most 17 hours of minutes; then the older half is forgotten."""
DELTA: Final = 0.002
_WHOLE: Final = 65_535
_TENTH: Final = _WHOLE / 10
"""ADWIN wants values of about 0 to 1. Shares move by less: in tenths, half an hour shows it."""


def load_detector() -> type[ADWIN]:
    """River's ADWIN. The import takes a second, so `warm` does it before anybody waits."""
    from river.drift import ADWIN

    return ADWIN


class ShareDetector:
    """Takes a share for each bucket of plays and tells when it fell for good.

    Its whole state is `values`, the shares since the last change in 65,535ths: ADWIN is what it
    becomes when fed with them, so a restored detector goes on as the first would have.
    """

    def __init__(self, values: bytes = b"") -> None:
        """Continue from `to_bytes`. Raises ValueError if it cannot have come from there."""
        self.values: list[int] = np.frombuffer(values, "<u2").tolist()
        if len(self.values) >= VALUES_MAX:
            raise ValueError("more shares than a detector keeps")
        self._adwin: ADWIN | None = None

    def to_bytes(self) -> bytes:
        """The state: two bytes a share."""
        return np.array(self.values, "<u2").tobytes()

    def update(self, share: float) -> bool:
        """Add the next share, of 0 to 1; tells whether the shares fell. Some microseconds."""
        adwin = self._fed()
        before = adwin.estimation
        value = round(share * _WHOLE)
        _feed(adwin, value)
        self.values.append(value)
        if adwin.drift_detected:
            self._restart([])
            return bool(adwin.estimation < before)
        if len(self.values) == VALUES_MAX:
            self._restart(self.values[VALUES_MAX // 2 :])
        return False

    def _restart(self, values: list[int]) -> None:
        self.values = values
        self._adwin = None

    def _fed(self) -> ADWIN:
        if self._adwin is None:
            self._adwin = load_detector()(delta=DELTA, clock=1)
            for value in self.values:
                _feed(self._adwin, value)
        return self._adwin


def _feed(adwin: ADWIN, value: int) -> None:
    adwin.update(value / _TENTH)  # type: ignore[no-untyped-call]  # River types no detectors

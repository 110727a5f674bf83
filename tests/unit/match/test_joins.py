"""Where one song ends and another begins, the one before is still where it was."""

from __future__ import annotations

import numpy as np
import pytest

from models.fingerprint.engine import Engine
from models.fingerprint.printing import printed
from models.match.evidence import PROBABILITY_MIN
from models.match.index import MatchIndex
from models.match.matcher import Matcher
from segue.testing.sounds import music


def test_what_follows_a_song_does_not_bend_it() -> None:
    engine = Engine()
    index = MatchIndex(engine.identity)
    songs = [music(seed, 90.0) for seed in (902, 906)]
    for number, song in enumerate(songs):
        index.add(str(number), printed([song], engine))
    upload = np.concatenate((songs[0][5 * 8_000 : 20 * 8_000], songs[1][40 * 8_000 : 60 * 8_000]))
    found = Matcher(engine, index).match([upload])
    first, second = (one for one in found if one.probability > PROBABILITY_MIN)
    assert second.reference == "1"
    assert second.transform.tempo == pytest.approx(1.0, abs=0.01)
    assert first.transform == pytest.approx((1.0, 0.0, 1.0), abs=0.01)
    assert first.span == pytest.approx((0.0, 15.0, 5.0, 20.0), abs=0.3)

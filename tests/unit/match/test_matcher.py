"""Who is in an upload: cut, mixed, changed, repeated or foreign."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from models.fingerprint.engine import Engine
from models.fingerprint.printing import printed
from models.match.evidence import PROBABILITY_MIN
from models.match.finding import Finding
from models.match.index import MatchIndex
from models.match.matcher import Matcher
from segue.corpus.disguising import changed
from segue.testing.sounds import music

RATE = 8_000
Sound = NDArray[np.float32]


def song(number: int, seconds: float = 24.0) -> Sound:
    return music(900 + number, seconds)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="module")
def matcher(engine: Engine) -> Matcher:
    index = MatchIndex(engine.identity)
    for number in range(8):
        index.add(f"song {number}", printed([song(number)], engine))
    return Matcher(engine, index)


def sure(found: Sequence[Finding]) -> list[Finding]:
    return [one for one in found if one.probability > PROBABILITY_MIN]


def part(number: int, begin_s: float, end_s: float) -> Sound:
    return song(number)[int(begin_s * RATE) : int(end_s * RATE)]


def test_a_part_is_found_where_it_is(matcher: Matcher) -> None:
    [found] = sure(matcher.match([part(3, 7.3, 15.3)]))
    assert found.reference == "song 3"
    assert found.span == pytest.approx((0.0, 8.0, 7.3, 15.3), abs=0.3)
    assert found.transform == pytest.approx((1.0, 0.0, 1.0), abs=0.01)


@pytest.mark.parametrize("seconds", [1.2, 2.0, 4.0])
def test_short_parts_are_found(matcher: Matcher, seconds: float) -> None:
    found = matcher.match([part(5, 9.0, 9.0 + seconds)])
    assert max(found, key=lambda one: one.log_odds).reference == "song 5"


@pytest.mark.parametrize(
    ("tempo", "semitones", "expected"),
    [
        (1.25, 12 * np.log2(1.25), (1.25, 0.0, 1.0)),
        (0.9, 12 * np.log2(0.9), (0.9, 0.0, 1.0)),
        (1.0, 2.0, (1.0, 2.0, 1.0)),
        (1.0, -1.5, (1.0, -1.5, 1.0)),
        (1.08, 0.0, (1.0, 0.0, 1.08)),
        (0.87, 0.0, (1.0, 0.0, 0.87)),
    ],
)
def test_what_was_done_is_told(
    matcher: Matcher, tempo: float, semitones: float, expected: tuple[float, float, float]
) -> None:
    query = changed(part(2, 4.0, 20.0), tempo, semitones)
    found = max(matcher.match([query]), key=lambda one: one.log_odds)
    assert found.reference == "song 2"
    assert found.probability > PROBABILITY_MIN
    speed, pitch, stretch = found.transform
    assert (speed, stretch) == pytest.approx((expected[0], expected[2]), abs=0.015)
    assert pitch == pytest.approx(expected[1], abs=0.3)
    assert found.span.reference_start_s - found.span.query_start_s * tempo == pytest.approx(
        4.0, abs=0.4
    )


def test_songs_in_a_row_are_each_told(matcher: Matcher) -> None:
    upload = np.concatenate((part(0, 3, 12), part(6, 5, 15), music(77, 6.0), part(1, 10, 20)))
    found = sure(matcher.match([upload]))
    assert [one.reference for one in found] == ["song 0", "song 6", "song 1"]
    for one, (begin, end) in zip(found, [(0, 9), (9, 19), (25, 35)], strict=True):
        assert one.span.query_start_s == pytest.approx(begin, abs=1.0)
        assert one.span.query_end_s == pytest.approx(end, abs=1.0)


def test_an_edited_copy_is_told_piece_by_piece(matcher: Matcher) -> None:
    upload = np.concatenate((part(4, 2, 9), part(4, 14, 22)))
    found = sure(matcher.match([upload]))
    assert {one.reference for one in found} == {"song 4"}
    starts = [(one.span.query_start_s, one.span.reference_start_s) for one in found]
    assert starts == [pytest.approx((0, 2), abs=1.0), pytest.approx((7, 14), abs=1.0)]


def test_foreign_music_silence_and_noise_are_nobody(matcher: Matcher) -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, 20 * RATE).astype(np.float32)
    for sound in (music(78, 20.0), noise, np.zeros(20 * RATE, np.float32)):
        assert sure(matcher.match([sound])) == []


@pytest.mark.parametrize("length", [0, 1, 500, 1_500, 3_000])
def test_next_to_nothing_is_nobody(matcher: Matcher, length: int) -> None:
    assert sure(matcher.match([song(1)[:length]])) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_does_not_matter_how_an_upload_is_cut(matcher: Matcher, seed: int) -> None:
    upload = np.concatenate((part(0, 3, 9.37), part(5, 5, 12.2)))
    whole = matcher.match([upload])
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(upload), 25))
    assert matcher.match(np.split(upload, cuts)) == whole


def test_duplicate_references_are_both_told(engine: Engine) -> None:
    index = MatchIndex(engine.identity)
    for name in ("one", "same"):
        index.add(name, printed([song(1)], engine))
    found = sure(Matcher(engine, index).match([part(1, 5, 13)]))
    assert {one.reference for one in found} == {"one", "same"}


def test_music_that_repeats_itself_says_so(engine: Engine) -> None:
    index = MatchIndex(engine.identity)
    loop = music(80, 6.0)
    index.add("loop", printed([np.tile(loop, 4)], engine))
    found = sure(Matcher(engine, index).match([loop]))
    assert found[0].reference == "loop"
    assert found[0].repeats >= 2


def test_a_reference_that_is_withdrawn_while_it_plays_is_told_no_more(engine: Engine) -> None:
    index = MatchIndex(engine.identity)
    index.add("gone", printed([song(1)], engine))
    hearing = Matcher(engine, index).hear()
    hearing.take(part(1, 2, 9))
    assert [one.reference for one in hearing.findings()] == ["gone"]
    index.remove(["gone"])
    hearing.take(part(1, 9, 20))
    assert hearing.close() == []


def test_a_live_upload_is_recognised_while_it_plays(matcher: Matcher) -> None:
    hearing = matcher.hear()
    upload = part(6, 4, 16)
    told_after = None
    for second in range(12):
        hearing.take(upload[second * RATE : (second + 1) * RATE])
        if told_after is None and sure(hearing.findings()):
            told_after = second + 1
    assert told_after is not None
    assert told_after <= 3


def test_what_is_on_the_stop_list_is_no_evidence(engine: Engine) -> None:
    jingle = music(81, 6.0)
    index, stop = MatchIndex(engine.identity), MatchIndex(engine.identity)
    index.add("with jingle", printed([np.concatenate((jingle, song(1)))], engine))
    stop.add("jingle", printed([jingle], engine))
    upload = np.concatenate((music(82, 5.0), jingle, music(83, 5.0)))
    assert [one.reference for one in sure(Matcher(engine, index).match([upload]))] == [
        "with jingle"
    ]
    heedful = Matcher(engine, index, stop=stop)
    assert sure(heedful.match([upload])) == []
    assert sure(heedful.match([part(1, 4, 14)])) != []


def test_short_pieces_of_one_song_are_each_told_while_they_play(matcher: Matcher) -> None:
    """The first piece is surer for long; it does not stand in the second one's way."""
    upload = np.concatenate((part(4, 2, 10), part(4, 16, 20)))
    hearing = matcher.hear()
    hearing.take(upload)
    starts = [one.span.reference_start_s for one in sure(hearing.findings())]
    assert starts == [pytest.approx(2.0, abs=1.0), pytest.approx(16.0, abs=1.0)]


def test_a_whole_song_is_one_finding_however_long(engine: Engine) -> None:
    """Evidence of minutes once counted against a match."""
    index, whole = MatchIndex(engine.identity), music(84, 100.0)
    index.add("long", printed([whole], engine))
    [found] = sure(Matcher(engine, index).match([whole]))
    assert found.span == pytest.approx((0.0, 100.0, 0.0, 100.0), abs=1.0)

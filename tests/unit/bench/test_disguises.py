"""What the benchmark does to music: levels, durations, pitches and offsets are as asked."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.disguises.conditions import CONDITIONS, Condition
from bench.disguises.division import Division, alike, divided
from bench.disguises.queries import QuerySet, loud_place
from bench.disguises.repeats import Repeats
from bench.disguises.samples import RATE, Samples, Sound
from bench.disguises.sound import coded, filtered, loudness, mixed, resampled, reverberated
from bench.disguises.sources import Recording
from bench.disguises.steps import Band, Equaliser, Noise, Speed, Step, Tempo, Voice
from bench.disguises.surroundings import Surroundings, rooms_of
from bench.disguises.twins import ALIKE, Likeness, alike_by_name
from segue.errors import Misconfigured
from segue.testing.sounds import music

needs_rubberband = pytest.mark.skipif(
    shutil.which("rubberband") is None, reason="there is no program rubberband"
)


def samples(sound: Sound) -> Samples:
    found: Samples = (np.clip(sound, -1, 1) * 32_767).astype(np.int16)
    return found


def recording(seed: int, seconds: float, name: str = "") -> Recording:
    return Recording("made", name or f"song-{seed}.ogg", samples(music(seed, seconds, RATE)))


def sine(hz: float, seconds: float) -> Sound:
    found: Sound = np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)
    return found


def pitch_hz(sound: Sound) -> float:
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(power.argmax() * RATE / len(sound))


@pytest.fixture(scope="module")
def around() -> Surroundings:
    noises = [recording(100 + i, 2.0) for i in range(3)]
    voices = [recording(200 + i, 3.0) for i in range(3)]
    return Surroundings(noises, voices, rooms_of(None, 1))


def test_the_ratio_is_as_asked_where_it_is_heard() -> None:
    sound, other = sine(440, 3.0), 0.1 * sine(1_000, 3.0)
    other[: 2 * RATE] *= 9  # elsewhere it is louder
    kept = slice(2 * RATE, 3 * RATE)
    added = mixed(sound, other, 5.0, kept) - sound
    ratio_db = 20 * np.log10(loudness(sound[kept]) / loudness(added[kept]))
    assert ratio_db == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("step", [Noise(0.0), Noise(10.0), Voice(0.0)])
def test_noise_and_voices_have_their_ratio(step: Noise | Voice, around: Surroundings) -> None:
    sound, kept = music(1, 4.0, RATE), slice(RATE, 2 * RATE)
    heard = step(sound, np.random.default_rng(1), around, kept)
    ratio_db = 20 * np.log10(loudness(sound[kept]) / loudness((heard - sound)[kept]))
    assert ratio_db == pytest.approx(step.ratio_db, abs=0.05)


@pytest.mark.parametrize("speed", [1.05, 1.075, 1.25, 0.9])
def test_speed_changes_length_and_pitch_alike(speed: float) -> None:
    heard = resampled(sine(1_000, 4.0), speed)
    assert len(heard) == round(4 * RATE / speed)
    assert pitch_hz(heard) == pytest.approx(1_000 * speed, abs=0.5)


@needs_rubberband
@pytest.mark.parametrize("factor", [0.92, 1.08])
def test_tempo_changes_length_and_keeps_pitch(factor: float, around: Surroundings) -> None:
    rng = np.random.default_rng(1)
    heard = Tempo(factor)(sine(1_000, 4.0), rng, around, slice(0, RATE))
    assert len(heard) == pytest.approx(4 * RATE / factor, rel=0.002)
    assert pitch_hz(heard) == pytest.approx(1_000, abs=3)


@needs_rubberband
@pytest.mark.parametrize("semitones", [-2.0, 1.5])
def test_pitch_keeps_length(semitones: float) -> None:
    from bench.disguises.sound import rubberband

    heard = rubberband(sine(1_000, 4.0), semitones=semitones)
    assert len(heard) == pytest.approx(4 * RATE, rel=0.002)
    assert pitch_hz(heard) == pytest.approx(1_000 * 2 ** (semitones / 12), abs=4)


@pytest.mark.parametrize(("codec", "kbit"), [("libmp3lame", 64), ("libopus", 24)])
def test_codecs_neither_delay_nor_shorten(codec: str, kbit: int) -> None:
    sound = music(2, 3.0, RATE)
    heard = coded(sound, codec, kbit)
    assert len(heard) == len(sound)
    assert np.corrcoef(sound, heard)[0, 1] > 0.97
    assert not np.array_equal(sound, heard)


def test_a_room_keeps_loudness_and_its_share_of_dry_sound() -> None:
    sound, room = sine(440, 1.0), np.zeros(800, np.float32)
    room[400] = 5.0
    heard = reverberated(sound, room, 1.0)
    assert loudness(heard) == pytest.approx(loudness(sound), rel=0.01)
    assert np.array_equal(reverberated(sound, room, 0.0), sound)


def test_low_pass_takes_24_db_an_octave(around: Surroundings) -> None:
    cut = Band(0.0, 2_000.0)
    rng, kept = np.random.default_rng(1), slice(0, RATE)
    low, high = (cut(sine(hz, 1.0), rng, around, kept) for hz in (1_000, 4_000))
    assert loudness(low) == pytest.approx(loudness(sine(1_000, 1.0)), rel=0.01)
    lost_db = 20 * np.log10(loudness(high) / loudness(sine(4_000, 1.0)))
    assert lost_db == pytest.approx(-24.0, abs=0.1)


def test_an_equaliser_stays_within_its_decibels(around: Surroundings) -> None:
    equaliser: Step = Equaliser(12.0)
    for hz in (100, 1_000, 5_000):
        heard = equaliser(sine(hz, 1.0), np.random.default_rng(3), around, slice(0, RATE))
        assert abs(20 * np.log10(loudness(heard) / loudness(sine(hz, 1.0)))) <= 12.1
    flat = filtered(sine(440, 1.0), np.array([20.0, 8_000.0]), np.zeros(2))
    assert np.allclose(flat, sine(440, 1.0), atol=1e-5)


def test_the_first_sample_stands_at_the_offset(around: Surroundings) -> None:
    song = recording(3, 12.0)
    heard = CONDITIONS["clean"].heard(song, 4.25, 2.0, np.random.default_rng(1), around)
    there = song.samples[round(4.25 * RATE) : round(6.25 * RATE)]
    assert np.abs(heard.astype(int) - there).max() <= 1


@pytest.mark.parametrize("speed", [1.2, 1.075])
def test_a_fast_query_begins_at_the_offset_and_covers_more(
    speed: float, around: Surroundings
) -> None:
    clicks = np.zeros(20 * RATE, np.float32)
    clicks[np.arange(1, 20) * RATE] = 1.0  # one each second
    song = Recording("made", "clicks", samples(clicks))
    condition = Condition("fast", (Speed(speed),))
    heard = condition.heard(song, 7.5, 5.0, np.random.default_rng(1), around)
    at_s = np.flatnonzero(np.abs(heard.astype(int)) > 12_000) / RATE
    expected = [(second - 7.5) / speed for second in range(8, 20) if second < 7.5 + 5.0 * speed]
    assert [round(at, 2) for at in dict.fromkeys(at_s.round(3))] == pytest.approx(
        expected, abs=0.006
    )


@pytest.mark.parametrize("name", [name for name in CONDITIONS if name[:2] not in ("ts", "ps")])
def test_every_condition_gives_what_was_asked_and_the_same_again(
    name: str, around: Surroundings
) -> None:
    song = recording(4, 12.0)
    once, again = (
        CONDITIONS[name].heard(song, 3.0, 1.0, np.random.default_rng(5), around) for _ in range(2)
    )
    assert once.shape == (RATE,)
    assert np.array_equal(once, again)
    assert loudness(once.astype(np.float32)) > 100


def test_the_conditions_are_24_and_4() -> None:
    assert len(CONDITIONS) == 28
    assert CONDITIONS["ts-7"].pace == 0.93
    assert CONDITIONS["nightcore"].pace == 1.25


def test_a_loop_is_right_at_each_turn_and_nowhere_else() -> None:
    turn = music(6, 5.0, RATE)
    song = Recording("made", "loop", samples(np.concatenate([turn, turn, music(7, 5.0, RATE)])))
    assert Repeats(song).of(1.0, 2.0) == [1.0, pytest.approx(6.0, abs=0.01)]
    assert Repeats(song).of(11.0, 2.0) == [11.0]


def test_a_loop_with_something_on_top_is_another_place() -> None:
    turn, top = music(6, 5.0, RATE), music(9, 5.0, RATE)
    song = Recording("made", "loop", samples(np.float32(0.5) * np.concatenate([turn, turn + top])))
    assert Repeats(song).of(1.0, 2.0) == [1.0]


def test_twins_are_set_aside_at_any_tempo_and_the_longest_stays() -> None:
    tune = music(10, 34.0, RATE)
    songs = [Recording("a", "tune.ogg", samples(tune)), recording(11, 30.0)]
    songs.append(Recording("b", "other.ogg", samples(resampled(tune, 1.0)[: 27 * RATE])))
    excerpt = Recording("b", "jingle.ogg", samples(tune[8 * RATE : 14 * RATE]))
    aside = alike([*songs, excerpt, recording(12, 5.0)])
    assert list(aside.twins) == [2]
    assert list(aside.excerpts) == [3]
    division = divided([*songs, excerpt, recording(12, 5.0)], aside, 1)
    assert len(division.references) + len(division.foreign) == 2
    assert [each.name for each in division.noises] == ["song-12.ogg"]
    assert len(division.set_aside) == 2


@needs_rubberband
def test_the_same_tune_at_another_tempo_is_a_twin() -> None:
    from bench.disguises.sound import rubberband

    tune = music(10, 34.0, RATE)
    fast = Recording("a", "x.ogg", samples(rubberband(tune, tempo=1.14)))
    likeness = Likeness([Recording("a", "tune.ogg", samples(tune)), recording(11, 30.0)]).to(fast)
    assert likeness[0] > ALIKE > likeness[1]


def test_names_that_differ_in_the_variant_are_alike() -> None:
    assert alike_by_name("Battle Song.ogg", "battle_song-fast.mp3")
    assert not alike_by_name("ingame_01.ogg", "ingame_02.ogg")


def test_places_are_loud_and_leave_room() -> None:
    sound = music(13, 30.0, RATE)
    sound[: 20 * RATE] = 0
    song = Recording("made", "late", samples(sound))
    for seed in range(5):
        offset_s = loud_place(song, 2.0, np.random.default_rng(seed))
        assert offset_s + 0.1 >= 20.0
        assert offset_s + 1.3 * 2.0 < 30.0


def test_a_smaller_set_is_the_beginning_of_a_larger(tmp_path: Path, around: Surroundings) -> None:
    songs = [recording(20 + i, 8.0) for i in range(4)]
    division = Division(songs[:3], songs[3:], around.noises, [])
    small = QuerySet(division, around, 1, tmp_path / "small")
    large = QuerySet(division, around, 1, tmp_path / "large", threads=2)
    few = small.queries("noise5", 1.0, 3)
    assert np.array_equal(few, large.queries("noise5", 1.0, 5)[:3])
    assert np.array_equal(small.queries("noise5", 1.0, 5), large.queries("noise5", 1.0, 5))
    assert small.truths(1.0, 5) == large.truths(1.0, 5)
    strange = small.foreign(1.0, 12)
    assert np.array_equal(strange[:4], large.foreign(1.0, 4))
    assert len(small.foreign_kinds(1.0, 12)) == 12


def test_another_seed_has_another_folder(tmp_path: Path, around: Surroundings) -> None:
    division = Division([recording(1, 1.0)], [recording(2, 1.0)], around.noises, [])
    folders = {QuerySet(division, around, seed, tmp_path).folder for seed in (1, 2)}
    assert len(folders) == 2


def test_rooms_of_a_file_are_its_last_16(tmp_path: Path) -> None:
    rooms = np.random.default_rng(1).normal(size=(20, 50)).astype(np.float16)
    np.save(tmp_path / "rooms.npy", rooms)
    assert np.array_equal(rooms_of(tmp_path / "rooms.npy", 1), rooms[-16:].astype(np.float32))
    np.save(tmp_path / "few.npy", rooms[:3])
    with pytest.raises(Misconfigured, match="impulse responses"):
        rooms_of(tmp_path / "few.npy", 1)

"""Whatever FFmpeg reads becomes samples; whatever it does not is rejected with a reason."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.fingerprint.decoding import SAMPLE_RATE, DecodingLimits, Rejected, decode
from segue.testing.sounds import FORMATS, encoded, music

SECONDS = 3.0
RATE = 48_000


def decoded(file: bytes, limits: DecodingLimits | None = None) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(0, np.float32), *decode(io.BytesIO(file), limits)])


@pytest.fixture(scope="module")
def sound() -> NDArray[np.float32]:
    return music(1, SECONDS, RATE)


@pytest.mark.parametrize("container", FORMATS)
def test_every_format_sounds_as_it_did(container: str, sound: NDArray[np.float32]) -> None:
    samples = decoded(encoded(sound, container))
    assert len(samples) == pytest.approx(SECONDS * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)
    plain = decoded(encoded(sound, "wav"))
    spectra = [np.abs(np.fft.rfft(each, 1 << 15))[:12_000] for each in (samples, plain)]
    assert np.corrcoef(np.stack(spectra))[0, 1] > 0.9


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (192_000, 1), (48_000, 8)])
def test_rates_and_channels_are_mixed_down(rate: int, channels: int) -> None:
    file = encoded(music(2, SECONDS, rate), "wav", rate=rate, channels=channels)
    samples = decoded(file)
    assert len(samples) == pytest.approx(SECONDS * SAMPLE_RATE, abs=100)
    assert 0.05 < float(np.abs(samples).max()) < 4


def test_what_is_cut_off_gives_what_there_is(sound: NDArray[np.float32]) -> None:
    file = encoded(sound, "mp3")
    half = decoded(file[: len(file) // 2])
    assert len(half) == pytest.approx(SECONDS * SAMPLE_RATE / 2, abs=0.15 * SAMPLE_RATE)


def test_what_is_broken_in_the_middle_goes_on_after_it(sound: NDArray[np.float32]) -> None:
    file = bytearray(encoded(sound, "mp3"))
    file[len(file) // 3 : len(file) // 2] = bytes(len(file) // 2 - len(file) // 3)
    assert len(decoded(bytes(file))) > SECONDS * SAMPLE_RATE / 2


@pytest.mark.parametrize(
    "file", [b"", b"\0" * 10_000, b"no audio at all" * 100, b"RIFF\xff\xff\xff\xffWAVEfmt "]
)
def test_what_is_no_audio_is_unreadable(file: bytes) -> None:
    with pytest.raises(Rejected) as rejected:
        decoded(file)
    assert rejected.value.reason in {"unreadable", "no_audio"}


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (DecodingLimits(seconds_max=1.0), "too_long"),
        (DecodingLimits(rate_max=44_100), "too_fast"),
        (DecodingLimits(channels_max=1), "too_many_channels"),
    ],
)
def test_limits_are_kept(limits: DecodingLimits, reason: str) -> None:
    file = encoded(music(3, SECONDS, RATE), "wav", channels=2)
    with pytest.raises(Rejected) as rejected:
        decoded(file, limits)
    assert rejected.value.reason == reason


def test_an_endless_file_is_not_held_in_memory() -> None:
    file = encoded(np.tile(music(4, 10, 8_000), 60), "flac", rate=8_000)
    longest, total = 0, 0
    for samples in decode(io.BytesIO(file)):
        longest, total = max(longest, len(samples)), total + len(samples)
    assert total == pytest.approx(600 * SAMPLE_RATE, abs=100)
    assert longest < SAMPLE_RATE


def test_silence_is_samples_too() -> None:
    assert not decoded(encoded(np.zeros(RATE, np.float32), "flac")).any()


def test_a_file_that_changes_its_rate_goes_on() -> None:
    halves = [
        encoded(music(seed, SECONDS, rate), "mp3", rate=rate, channels=channels)
        for seed, rate, channels in ((5, 48_000, 1), (6, 24_000, 2))
    ]
    samples = decoded(b"".join(halves))
    assert len(samples) == pytest.approx(2 * SECONDS * SAMPLE_RATE, abs=0.3 * SAMPLE_RATE)


def test_limits_are_kept_in_the_middle_of_a_file_too() -> None:
    halves = [
        encoded(music(seed, SECONDS, rate), "mp3", rate=rate)
        for seed, rate in ((7, 24_000), (8, 48_000))
    ]
    with pytest.raises(Rejected) as rejected:
        decoded(b"".join(halves), DecodingLimits(rate_max=32_000))
    assert rejected.value.reason == "too_fast"


@pytest.mark.parametrize(
    "playlist", ["ffconcat version 1.0\nfile {song}\n", "#EXTM3U\n#EXTINF:3,\n{song}\n"]
)
def test_a_playlist_opens_nothing(playlist: str, tmp_path: Path) -> None:
    song = tmp_path / "song.mp3"
    song.write_bytes(encoded(music(9, SECONDS, RATE), "mp3"))
    for name in ("list.mp3", "list.m3u8"):
        path = tmp_path / name
        path.write_text(playlist.format(song=song.name))
        with pytest.raises(Rejected):
            [*decode(str(path))]


def test_random_damage_is_rejected_or_decoded_and_nothing_else(sound: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(1)
    for container in FORMATS:
        whole = np.frombuffer(encoded(sound, container), np.uint8)
        for _ in range(15):
            file = whole.copy()
            file[rng.integers(len(file), size=8)] = rng.integers(256, size=8)
            with contextlib.suppress(Rejected):
                decoded(file.tobytes())

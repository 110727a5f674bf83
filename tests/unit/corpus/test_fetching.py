"""A package's audio becomes samples with a manifest: what is there, once, by role."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.fingerprint.decoding import SAMPLE_RATE
from models.fingerprint.pools import pools
from segue.corpus.fetching import download, keep_audio
from segue.corpus.packages import NOISE, SPEECH, TESTING, TRAINING
from segue.errors import Unavailable
from segue.testing.sounds import encoded, music

RATE = 16_000
CONTROL = """Package: tunes
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: made up
"""


def sound(seed: int, seconds: float) -> bytes:
    return encoded(music(seed, seconds, RATE), "wav", rate=RATE)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(CONTROL)
    held = root / "usr" / "share" / "games"
    held.mkdir(parents=True)
    song = sound(1, 30.0)
    (held / "a-song.wav").write_bytes(song)
    (held / "b-same-song.wav").write_bytes(song)
    (held / "c-knock.wav").write_bytes(sound(2, 1.0))
    (held / "d-too-short.wav").write_bytes(sound(3, 0.1))
    (held / "e-silence.wav").write_bytes(encoded(np.zeros(RATE, np.float32), "wav", rate=RATE))
    (held / "f-broken.ogg").write_bytes(b"OggS, but no more")
    (held / "g-readme.txt").write_text("no audio")
    (held / "h-link.wav").symlink_to("a-song.wav")
    with zipfile.ZipFile(held / "i-more.pk3", "w") as more:
        more.writestr("music/song.wav", sound(4, 26.0))
    made = tmp_path / "tunes_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(root), str(made)], check=True, capture_output=True)
    return made


def test_audio_is_kept_once_by_role(archive: Path, tmp_path: Path) -> None:
    clips = keep_audio("tunes", archive, tmp_path)
    assert [(clip.name, clip.role) for clip in clips] == [
        ("a-song.wav", "music"),
        ("c-knock.wav", "noise"),
        ("music/song.wav", "music"),
    ]
    assert [clip.n / SAMPLE_RATE for clip in clips] == pytest.approx([30, 1, 26], abs=0.05)
    assert [clip.at for clip in clips] == [0, clips[0].n, clips[0].n + clips[1].n]


def test_a_role_may_be_given(archive: Path, tmp_path: Path) -> None:
    assert {clip.role for clip in keep_audio("tunes", archive, tmp_path, "voice")} == {"voice"}


def test_pools_hold_what_was_kept(archive: Path, tmp_path: Path) -> None:
    keep_audio("tunes", archive, tmp_path)
    found = pools(tmp_path, ["tunes"])
    assert found["music"].seconds == pytest.approx(56, abs=0.1)
    assert found["noise"].seconds == pytest.approx(1, abs=0.1)
    assert found["voice"].samples == []
    ours = found["music"].segment(1, 8_000, 4_000)
    theirs = music(4, 26.0, RATE)[16_000:24_000:2]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9


def test_places_are_drawn_by_length_and_lie_inside(archive: Path, tmp_path: Path) -> None:
    keep_audio("tunes", archive, tmp_path)
    pool = pools(tmp_path, ["tunes"])["music"]
    which, starts = pool.places(np.random.default_rng(1), 400, 8_000, again=0.5)
    assert (which == 0).mean() == pytest.approx(30 / 56, abs=0.1)
    lengths = np.array([len(each) for each in pool.samples])
    assert np.all(starts + 8_000 <= lengths[which])
    assert np.mean(which[1:] == which[:-1]) > 0.6


def test_a_recording_that_is_too_short_is_repeated(archive: Path, tmp_path: Path) -> None:
    keep_audio("tunes", archive, tmp_path)
    noise = pools(tmp_path, ["tunes"])["noise"]
    length = len(noise.samples[0])
    twice = noise.segment(0, 0, 2 * length)
    np.testing.assert_array_equal(twice[:length], twice[length:])


def test_a_package_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no-such-package-of-music cannot be fetched"):
        download("no-such-package-of-music", tmp_path)


def test_no_package_is_trained_and_tested_on() -> None:
    lists = (TRAINING, NOISE, SPEECH, TESTING)
    assert len({name for names in lists for name in names}) == sum(map(len, lists))

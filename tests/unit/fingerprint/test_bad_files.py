"""Whatever a file holds, it gives sound samples or a documented reason, in time and in memory."""

from __future__ import annotations

import base64
import io
import itertools
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from models.fingerprint.chunks import ChunkDecoder
from models.fingerprint.decoding import SAMPLE_RATE, DecodingLimits, Rejected, decode
from segue.testing.bad_sounds import NOISE, REASONS, SECONDS_MAX, SEED, file_of, wav
from segue.testing.sounds import FORMATS, encoded, music

Way = Callable[[bytes, DecodingLimits | None], Iterator[NDArray[np.float32]]]


def whole(file: bytes, limits: DecodingLimits | None) -> Iterator[NDArray[np.float32]]:
    return decode(io.BytesIO(file), limits)


def chunked(file: bytes, limits: DecodingLimits | None) -> Iterator[NDArray[np.float32]]:
    decoder = ChunkDecoder(limits)
    for at in range(0, len(file), 10_000):
        yield from decoder.feed(file[at : at + 10_000])
    yield from decoder.close()


both = pytest.mark.parametrize("way", [whole, chunked])


def outcome(way: Way, file: bytes, limits: DecodingLimits | None = None) -> tuple[str, int]:
    """The reason, or "samples"; and how many samples came before it."""
    start, count, reason = time.process_time(), 0, "samples"
    try:
        for samples in way(file, limits):
            count += len(samples)
            assert np.isfinite(samples).all()
            assert np.abs(samples).max() <= 16
    except Rejected as rejected:
        reason = rejected.reason
        assert reason in REASONS
    assert time.process_time() - start < SECONDS_MAX
    assert not [thread for thread in threading.enumerate() if thread.name == "decode"]
    return reason, count


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("song.mp3", file_of("mp3"))
    return file.getvalue()


PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
NO_SOUNDS: Final[dict[str, bytes]] = {
    "empty": b"",
    "one byte": b"\xff",
    "zeros": bytes(50_000),
    "random": np.random.default_rng(SEED).bytes(50_000),
    "text": b"It was a dark and stormy night.\n" * 1000,
    "html": b"<!doctype html><html><body>404 Not Found</body></html>\n" * 50,
    "json": b'{"error": "not found"}',
    "xml": b"<?xml version='1.0'?><rss><channel><title>x</title></channel></rss>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='a.png'/></svg>",
    "png": PNG,
    "png and more": PNG + bytes(10_000),
    "gif": b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;",
    "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0" + bytes(2000),
    "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n" * 20,
    "elf": b"\x7fELF\x02\x01\x01" + bytes(5000),
    "gzip": b"\x1f\x8b\x08" + bytes(5000),
    "srt": b"1\n00:00:00,000 --> 00:00:05,000\nHello\n\n" * 20,
    "webvtt": b"WEBVTT\n\n00:00.000 --> 00:05.000\nHello\n\n" * 20,
    "ass": b"[Script Info]\nScriptType: v4.00+\n\n[Events]\nDialogue: 0,0:00:00.00,0:00:05.00,x\n",
    "midi": b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\x04\0\xff\x2f\0",
    "tag alone": b"ID3\x04\0\0\0\0\x02\0" + bytes(256),
    "mp4 boxes that end nowhere": b"\0\0\0\x10ftypisom\0\0\0\0" * 200,
    "mp4 box of 8 EB": b"\0\0\0\x01free\x7f\xff\xff\xff\xff\xff\xff\xff" + bytes(1000),
    "ogg page alone": b"OggS\0\x02" + bytes(20) + b"\x01\x1e" + bytes(30),
    "ebml alone": b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08",
}


@both
@pytest.mark.parametrize("name", NO_SOUNDS)
def test_what_is_no_sound_is_rejected(name: str, way: Way) -> None:
    reason, count = outcome(way, NO_SOUNDS[name])
    assert (reason, count) in {("unreadable", 0), ("no_audio", 0)}, name


@both
def test_an_archive_of_a_song_is_no_song_to_be_sure_of(way: Way) -> None:
    outcome(way, _zip())  # stored, not packed: the frames of the MP3 are there to be found


@both
@pytest.mark.parametrize("container", FORMATS)
def test_a_file_cut_anywhere_gives_what_there_is(container: str, way: Way) -> None:
    file = file_of(container)
    fractions = [int(len(file) * part / 16) for part in range(1, 16)]
    counts = []
    for size in (0, 1, 3, 10, 100, 1000, *fractions, len(file) - 1):
        reason, count = outcome(way, file[:size])
        assert reason == "samples" or count == 0, size
        counts.append(count)
    assert counts[:4] == [0] * 4
    # An MP4 with its index at the end is nothing without it.
    assert (counts[-2] > 0.9 * SAMPLE_RATE) == (container != "mp4")


@both
@pytest.mark.parametrize(
    ("container", "codec"),
    [("wv", "wavpack"), ("tta", "tta"), ("mpegts", "aac"), ("aiff", "pcm_s16be")],
)
def test_rarer_files_cut_in_the_middle_give_their_half(
    container: str, codec: str, way: Way
) -> None:
    file = encoded(music(1, 4.0, 48_000), container, codec=codec)
    reason, count = outcome(way, file[: len(file) * 6 // 10])
    assert reason == "samples"
    assert count > SAMPLE_RATE


@both
@pytest.mark.parametrize("container", FORMATS)
def test_flipped_bits_give_samples_or_a_reason(container: str, way: Way) -> None:
    rng = np.random.default_rng(SEED)
    file = np.frombuffer(file_of(container), np.uint8)
    for round_ in range(30):
        broken = file.copy()
        reach = len(file) if round_ % 2 else 600  # every other one hits the header
        at = rng.integers(reach, size=rng.integers(1, 20))
        broken[at] ^= 1 << rng.integers(8, size=len(at)).astype(np.uint8)
        outcome(way, broken.tobytes())


@both
def test_a_codec_that_nobody_knows_is_unreadable(way: Way) -> None:
    # This was an AttributeError once.
    assert outcome(way, file_of("webm").replace(b"A_OPUS", b"A_OPUZ")) == ("unreadable", 0)


@both
def test_a_packet_that_decodes_to_a_million_is_bounded(way: Way) -> None:
    loud = np.full(SAMPLE_RATE, 1e6, np.float32)
    loud[::7], loud[::11], loud[::13] = np.nan, np.inf, -np.inf
    reason, count = outcome(way, wav(loud.tobytes(), bits=32, kind=3))
    assert (reason, count) == ("samples", SAMPLE_RATE)


@both
@pytest.mark.parametrize("channels", [0, 1, 255, 65_535])
@pytest.mark.parametrize("rate", [0, 1, 8_000, 2**31 - 1, 2**31, 2**32 - 1])
def test_absurd_headers_end_soon(rate: int, channels: int, way: Way) -> None:
    for bits, size in itertools.product((0, 1, 8, 16, 24, 65_535), (0, 1, 2**31 - 1, 2**32 - 1)):
        outcome(way, wav(NOISE, rate=rate, channels=channels, bits=bits, size=size))


@both
def test_rates_and_channels_past_the_limits_are_named(way: Way) -> None:
    assert outcome(way, wav(NOISE, rate=1)) == ("too_slow", 0)
    assert outcome(way, wav(NOISE, rate=400_000)) == ("too_fast", 0)
    assert outcome(way, wav(NOISE, channels=33)) == ("too_many_channels", 0)


@both
@pytest.mark.parametrize(("rate", "channels"), [(192_000, 1), (48_000, 8), (8_000, 2)])
def test_many_samples_and_channels_are_fine(rate: int, channels: int, way: Way) -> None:
    file = encoded(music(2, 1.0, rate), "wav", rate=rate, channels=channels)
    reason, count = outcome(way, file)
    assert reason == "samples"
    assert count == pytest.approx(SAMPLE_RATE, abs=50)


@both
@pytest.mark.parametrize("container", FORMATS)
def test_silence_is_samples(container: str, way: Way) -> None:
    file = encoded(np.zeros(48_000, np.float32), container)
    reason, count = outcome(way, file)
    assert reason == "samples"
    assert count == pytest.approx(SAMPLE_RATE, abs=0.2 * SAMPLE_RATE)


def video(container: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(20):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), format="yuv420p")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


@both
@pytest.mark.parametrize("container", ["mp4", "matroska", "avi", "mpegts"])
def test_a_video_without_a_sound_has_no_audio(container: str, way: Way) -> None:
    assert outcome(way, video(container)) == ("no_audio", 0)


def vorbis(seed: int, rate: int) -> bytes:
    return encoded(music(seed, 2.0, rate), "ogg", rate=rate, codec="vorbis", channels=2)


@both
@pytest.mark.parametrize(("rate", "seconds"), [(44_100, 4), (22_050, 2), (48_000, 2)])
def test_ogg_chained_goes_on_until_its_rate_changes(rate: int, seconds: int, way: Way) -> None:
    chain = vorbis(1, 44_100) + vorbis(2, rate)  # FFmpeg has no way to change it
    reason, count = outcome(way, chain)
    assert reason == "samples"
    assert count == pytest.approx(seconds * SAMPLE_RATE, rel=0.05)


@both
def test_a_header_without_a_sound_gives_nothing(way: Way) -> None:
    for header in (b"fLaC\x80\0\0\x22" + bytes(34), wav(b""), vorbis(1, 44_100)[:3000]):
        assert outcome(way, header)[1] == 0


PLAYLISTS: Final = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{at}\n#EXT-X-ENDLIST\n",
    "m3u": "#EXTM3U\n#EXTINF:3,song\n{at}\n",
    "concat": "ffconcat version 1.0\nfile '{at}'\n",
    "pls": "[playlist]\nFile1={at}\nNumberOfEntries=1\nVersion=2\n",
    "xspf": "<playlist xmlns='http://xspf.org/ns/0/'><trackList><track><location>{at}</location>"
    "</track></trackList></playlist>",
    "dash": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period>"
    "<AdaptationSet mimeType='audio/mp4'><Representation id='1'><BaseURL>{at}</BaseURL>"
    "</Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 {host}\ns=x\nc=IN IP4 {host}\nt=0 0\nm=audio {port} RTP/AVP 0\n",
    "asx": "<asx version='3.0'><entry><ref href='{at}'/></entry></asx>",
    "rtsp": "[Reference]\nRef1={at}\n",
}


@both
@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_opens_neither_a_file_nor_an_address(
    name: str, way: Way, tmp_path: Path
) -> None:
    song = tmp_path / "song.mp3"
    song.write_bytes(file_of("mp3"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        host, port = server.getsockname()
        for at in (str(song), song.as_uri(), f"http://{host}:{port}/song.mp3"):
            playlist = PLAYLISTS[name].format(at=at, host=host, port=port).encode()
            assert outcome(way, playlist) == ("unreadable", 0)
        with pytest.raises(TimeoutError):
            server.accept()

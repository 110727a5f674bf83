"""However a file is cut into chunks, the samples are those of the whole, and they come in time."""

from __future__ import annotations

import functools
import gc
import io
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.fingerprint.chunks import ChunkDecoder
from models.fingerprint.decoding import SAMPLE_RATE, DecodingLimits, Rejected, decode
from segue.testing.sounds import encoded, music

SECONDS: Final = 12.0
FRAGMENTS: Final = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": "1000000",
}


def _wav_of_unknown_size(sound: NDArray[np.float32]) -> bytes:
    file = bytearray(encoded(sound, "wav", rate=SAMPLE_RATE))
    data = file.index(b"data")
    file[4:8] = file[data + 4 : data + 8] = b"\xff\xff\xff\xff"
    return bytes(file)


KINDS: Final[dict[str, Callable[[NDArray[np.float32]], bytes]]] = {
    "wav": lambda sound: encoded(sound, "wav", rate=SAMPLE_RATE),
    "wav of unknown size": _wav_of_unknown_size,
    "flac": lambda sound: encoded(sound, "flac", rate=SAMPLE_RATE),
    "mp3": lambda sound: encoded(sound, "mp3", rate=SAMPLE_RATE),
    "adts": lambda sound: encoded(sound, "adts", rate=SAMPLE_RATE),
    "ogg opus": lambda sound: encoded(sound, "opus", rate=SAMPLE_RATE),
    "ogg vorbis": lambda sound: encoded(
        sound,
        "ogg",
        rate=SAMPLE_RATE,
        codec="vorbis",
        channels=2,
        options={"oggpagesize": "4096"},
    ),
    "webm": lambda sound: encoded(sound, "webm", rate=SAMPLE_RATE),
    "mp4 faststart": lambda sound: encoded(
        sound, "mp4", rate=SAMPLE_RATE, options={"movflags": "faststart"}
    ),
    "mp4 fragmented": lambda sound: encoded(sound, "mp4", rate=SAMPLE_RATE, options=FRAGMENTS),
    "mp4": lambda sound: encoded(sound, "mp4", rate=SAMPLE_RATE),
    "wavpack": lambda sound: encoded(sound, "wv", rate=SAMPLE_RATE, codec="wavpack"),
    "caf": lambda sound: encoded(sound, "caf", rate=SAMPLE_RATE, codec="alac"),
}
HELD: Final = {"mp4", "wavpack", "caf"}


@functools.cache
def file_of(kind: str, seconds: float = SECONDS) -> bytes:
    return KINDS[kind](music(1, seconds, SAMPLE_RATE))


@functools.cache
def whole(kind: str, seconds: float = SECONDS) -> NDArray[np.float32]:
    return joined(decode(io.BytesIO(file_of(kind, seconds))))


def joined(parts: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(0, np.float32), *parts])


def fed(decoder: ChunkDecoder, chunks: Iterable[bytes]) -> Iterator[NDArray[np.float32]]:
    for chunk in chunks:
        yield from decoder.feed(chunk)
    yield from decoder.close()


def pieces(file: bytes, size: int) -> list[bytes]:
    return [file[at : at + size] for at in range(0, len(file), size)]


def assert_whole(kind: str, samples: NDArray[np.float32], seconds: float = SECONDS) -> None:
    expected = whole(kind, seconds)
    if kind != "mp3":
        np.testing.assert_array_equal(samples, expected)
        return
    # Without the size of the file FFmpeg does not trust what MP3 says of its padding; where that
    # begins, the resampler sees what comes after.
    assert 0 <= len(samples) - len(expected) < 0.2 * SAMPLE_RATE
    np.testing.assert_array_equal(samples[: len(expected) - 32], expected[:-32])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [997, 1 << 20])
def test_chunks_of_any_size_give_the_samples_of_the_whole(kind: str, size: int) -> None:
    assert_whole(kind, joined(fed(ChunkDecoder(), pieces(file_of(kind), size))))


@pytest.mark.parametrize("kind", KINDS)
def test_single_bytes_give_the_samples_of_the_whole(kind: str) -> None:
    file = file_of(kind, 0.3)
    assert_whole(kind, joined(fed(ChunkDecoder(), pieces(file, 1))), 0.3)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_wherever_it_is_cut_the_samples_are_those_of_the_whole(
    kind: str, data: st.DataObject
) -> None:
    file = file_of(kind, 2.0)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(file)), max_size=12)))
    chunks = [file[a:b] for a, b in zip([0, *cuts], [*cuts, len(file)], strict=True)]
    assert_whole(kind, joined(fed(ChunkDecoder(), chunks)), 2.0)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in HELD])
def test_samples_come_soon_after_their_bytes(kind: str) -> None:
    file, expected = file_of(kind, 40.0), len(whole(kind, 40.0))
    given_count = heard_count = 0
    with ChunkDecoder() as decoder:
        for chunk in pieces(file, len(file) // 80):
            given_count += len(chunk)
            heard_count += sum(map(len, decoder.feed(chunk)))
            behind_s = (expected * given_count / len(file) - heard_count) / SAMPLE_RATE
            assert behind_s < (2.5 if given_count > len(file) // 5 else 7.0)


@pytest.mark.parametrize("kind", sorted(HELD))
def test_what_needs_its_end_waits_for_it_within_a_limit(kind: str) -> None:
    file = file_of(kind)
    decoder = ChunkDecoder(held_max=len(file))
    assert not [*decoder.feed(file)]
    assert len(joined(decoder.close())) == len(whole(kind))
    decoder = ChunkDecoder(held_max=len(file) // 2)
    assert rejection(fed(decoder, pieces(file, 1000))) == "too_late"


def test_bytes_without_a_sound_end_at_the_limit() -> None:
    picture = b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(300_000)  # claims 256 MB
    decoder = ChunkDecoder(held_max=200_000)
    for _ in range(2):
        assert rejection(decoder.feed(picture)) == "too_late"
    assert rejection(decoder.close()) == "too_late"


def rejection(samples: Iterator[NDArray[np.float32]]) -> str:
    with pytest.raises(Rejected) as rejected:
        joined(samples)
    return rejected.value.reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.5, 0.97])
def test_what_is_cut_off_gives_what_there_was(kind: str, part: float) -> None:
    file = file_of(kind)[: int(part * len(file_of(kind)))]
    try:
        expected = joined(decode(io.BytesIO(file)))
    except Rejected as rejected:
        assert kind in {"mp4", "caf"}
        assert rejection(fed(ChunkDecoder(), pieces(file, 3000))) == rejected.reason
        return
    samples = joined(fed(ChunkDecoder(), pieces(file, 3000)))
    assert len(samples) == pytest.approx(len(expected), abs=0.2 * SAMPLE_RATE)
    shorter = min(len(samples), len(expected)) - 32
    np.testing.assert_array_equal(samples[:shorter], expected[:shorter])


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (DecodingLimits(seconds_max=2.0), "too_long"),
        (DecodingLimits(rate_max=4_000), "too_fast"),
        (DecodingLimits(channels_max=0), "too_many_channels"),
    ],
)
def test_limits_are_those_of_decode(limits: DecodingLimits, reason: str) -> None:
    decoder = ChunkDecoder(limits)
    assert rejection(fed(decoder, pieces(file_of("flac"), 5000))) == reason
    assert not threads()


def test_one_chunk_that_holds_hours_is_given_a_second_at_a_time() -> None:
    silence = encoded(np.zeros(600 * SAMPLE_RATE, np.float32), "flac", rate=SAMPLE_RATE)
    with ChunkDecoder() as decoder:
        lengths = [len(samples) for samples in decoder.feed(silence)]
    assert sum(lengths) > 590 * SAMPLE_RATE
    assert max(lengths) <= 2 * SAMPLE_RATE


def test_a_chunk_waits_until_the_last_is_taken() -> None:
    decoder = ChunkDecoder()
    feed = decoder.feed(file_of("wav"))
    with pytest.raises(RuntimeError):
        decoder.feed(b"more")
    samples = joined([*feed, *decoder.close()])
    np.testing.assert_array_equal(samples, whole("wav"))
    for call in (decoder.close, lambda: decoder.feed(b"")):
        with pytest.raises(RuntimeError):
            call()


def test_bytes_behind_the_sound_are_left_out() -> None:
    file = file_of("wav")
    samples = joined(fed(ChunkDecoder(), [file, bytes(100), bytes(100)]))
    np.testing.assert_array_equal(samples, whole("wav"))


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "decode"]


def begun() -> ChunkDecoder:
    decoder = ChunkDecoder()
    assert [*decoder.feed(file_of("mp3")[:20_000])]
    assert len(threads()) == 1
    return decoder


def test_no_thread_is_left_by_close_abort_with_or_a_dropped_decoder() -> None:
    assert [*begun().close()]
    assert not threads()
    decoder = begun()
    decoder.abort()
    decoder.abort()
    assert not threads()
    with pytest.raises(KeyError), begun():
        raise KeyError
    assert not threads()
    decoder = begun()
    del decoder
    assert not threads()


def test_no_thread_is_left_by_a_cycle_of_garbage_or_a_feed_half_taken() -> None:
    decoder = begun()
    cycle: list[object] = [decoder]
    cycle.append(cycle)
    del decoder, cycle
    gc.collect()
    assert not threads()
    decoder = ChunkDecoder()
    feed = decoder.feed(file_of("flac"))
    assert len(next(feed))
    decoder.abort()
    assert not [*feed]
    assert not threads()


def test_an_interpreter_ends_while_a_decoder_waits() -> None:
    program = (
        "from models.fingerprint.chunks import ChunkDecoder\n"
        "decoder = ChunkDecoder()\n"
        "print([*decoder.feed(bytes(100))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_streams_do_not_disturb_each_other() -> None:
    kinds = [kind for kind in KINDS if kind != "mp3"]
    decoders = {kind: ChunkDecoder() for kind in kinds}
    parts: dict[str, list[NDArray[np.float32]]] = {kind: [] for kind in kinds}
    for index in range(10):
        for kind, decoder in decoders.items():
            size = len(file_of(kind)) // 10 + 1
            parts[kind] += decoder.feed(file_of(kind)[index * size : (index + 1) * size])
    for kind, decoder in decoders.items():
        np.testing.assert_array_equal(joined([*parts[kind], *decoder.close()]), whole(kind))


def test_a_second_of_sound_costs_a_small_part_of_a_second() -> None:
    file = file_of("mp3", 40.0)
    start = time.process_time()
    assert len(joined(fed(ChunkDecoder(), pieces(file, len(file) // 40))))
    assert time.process_time() - start < 4.0


@pytest.mark.parametrize("kind", ["mp3", "adts", "flac", "ogg opus", "ogg vorbis", "webm"])
@pytest.mark.parametrize("head_bytes", [0, 8_192])
def test_a_stream_is_taken_over_from_its_first_bytes_and_any_later(
    kind: str, head_bytes: int
) -> None:
    if not head_bytes and kind not in {"mp3", "adts"}:
        pytest.skip("it needs its header")
    file = file_of(kind, 40.0)
    assert_resumed(kind, file[:head_bytes], file[len(file) // 2 + 17 :])


def test_a_fragmented_stream_is_taken_over_where_a_fragment_begins() -> None:
    file = file_of("mp4 fragmented", 40.0)
    first, later = file.index(b"moof") - 4, file.index(b"moof", len(file) // 2) - 4
    assert_resumed("mp4 fragmented", file[:first], file[later:])


def assert_resumed(kind: str, head: bytes, rest: bytes) -> None:
    """The last 15 of 40 s are right, wherever the decoder thinks that they stand."""
    samples, expected = joined(fed(ChunkDecoder(), [head, rest])), whole(kind, 40.0)
    count, slack = 15 * SAMPLE_RATE, SAMPLE_RATE // 4
    heard = np.concatenate([samples, np.zeros(slack, np.float32)])[-count - 2 * slack :]
    wanted = expected[-count:-slack]
    size = 1 << (count + 2 * slack).bit_length()
    found = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)))
    at = int(found[: 2 * slack].argmax())
    np.testing.assert_allclose(heard[at : at + len(wanted)], wanted, atol=2e-3)

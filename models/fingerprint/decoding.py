"""Any audio that FFmpeg reads, as mono samples at one rate, within limits."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

__all__ = ["SAMPLE_RATE", "DecodingLimits", "Readable", "Rejected", "decode"]

SAMPLE_RATE: Final = 8_000
"""Hz. What is above 4 kHz is the first thing that codecs, rooms and telephones take away."""

_ALLOWED: Final = {
    "format_whitelist": "aac,ac3,aiff,amr,ape,asf,au,avi,caf,flac,g722,matroska,webm,mov,mp4,m4a,"
    "3gp,mp3,mpegts,ogg,tta,w64,wav,wv",
    "protocol_whitelist": "none",
    "max_streams": "16",
}
"""Containers that hold what they hold: a playlist would make FFmpeg open whatever it names.

Each stream may have an index of its own, so that the number of streams bounds the memory.
"""

_ALLOCATED_MAX: Final = 64 << 20
"""Bytes of one block of FFmpeg's memory: an MP4 of 7 kB can claim an index of gigabytes."""
_LOUDEST: Final = 16.0
"""No mix of channels comes near it; a broken packet can decode to a million."""


class Readable(Protocol):
    """A file of bytes. One without `seek` and `tell` is read on from its beginning to its end."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none: it ends."""
        ...


class Rejected(ValueError):
    """Audio that cannot be fingerprinted; `reason` is a word that `decode` names."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """What is refused, so that a hostile file costs bounded time and memory."""

    seconds_max: float = 4 * 3600.0
    rate_min: int = 1_000
    rate_max: int = 384_000
    channels_max: int = 32
    errors_max: int = 100


def decode(
    source: str | Readable,
    limits: DecodingLimits | None = None,
    *,
    container: str | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Yield mono samples at `SAMPLE_RATE` as they are decoded; full scale is 1.

    Channels are mixed to one as FFmpeg does, which may pass 1, but not 16. Packets that do not
    decode are left out, up to `errors_max` of them. Where the container breaks off, it ends.
    `container` names a format that its bytes do not tell. Raises OSError if there is no such file,
    and `Rejected`: `unreadable`, `no_audio`, `too_long`, `too_slow` (at 1 Hz a few bytes last for
    hours), `too_fast`, `too_many_channels`.
    """
    limits = limits or DecodingLimits()
    _limit_memory()
    if isinstance(source, str):
        # Its bytes, not its name: a name may be an address.
        with Path(source).open("rb") as file:
            yield from decode(file, limits, container=container)
        return
    try:
        with av.open(
            source, mode="r", format=container, options=_ALLOWED, metadata_errors="ignore"
        ) as opened:
            if not opened.streams.audio:
                raise Rejected("no_audio", "no stream of it is audio")
            yield from _samples(opened, limits)
    except Rejected:
        raise
    except (FFmpegError, ValueError, OSError) as error:
        raise Rejected("unreadable", str(error)) from error


@functools.cache
def _limit_memory() -> None:
    """Tell FFmpeg, once for the whole process, how large a block it may allocate.

    PyAV has no call for it; a symbol of a library is found by way of those that link it.
    """
    limit = ctypes.CDLL(av._core.__file__).av_max_alloc
    limit.argtypes, limit.restype = [ctypes.c_size_t], None
    limit(_ALLOCATED_MAX)


def _samples(
    container: av.container.InputContainer, limits: DecodingLimits
) -> Iterator[NDArray[np.float32]]:
    stream = container.streams.audio[0]
    # Its types hide that there is none if FFmpeg has no decoder.
    if cast("av.AudioCodecContext | None", stream.codec_context) is None:
        raise Rejected("unreadable", "there is no decoder for its codec")
    stream.codec_context.thread_type = "NONE"
    resampler, left, errors = _Resampler(limits), int(limits.seconds_max * SAMPLE_RATE), 0
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except FFmpegError as error:
            errors += 1
            if errors > limits.errors_max:
                raise Rejected("unreadable", str(error)) from error
            continue
        for frame in (*frames, *((None,) if packet.size == 0 else ())):  # the last is empty
            for samples in resampler.take(frame):
                left -= len(samples)
                if left < 0:
                    raise Rejected("too_long", f"more than {limits.seconds_max:g} s")
                yield samples


def _packets(
    container: av.container.InputContainer, stream: av.AudioStream
) -> Iterator[av.Packet[av.AudioStream]]:
    """The packets of a stream; the last is empty, also where the container breaks off."""
    count = 0
    try:
        for packet in container.demux(stream):
            yield packet
            count += 1
    except FFmpegError:
        if count == 0:
            raise
        last = cast("av.Packet[av.AudioStream]", av.Packet())
        last.stream = stream
        yield last


class _Resampler:
    """Mono at one rate, of frames that may change their own in the middle of a file."""

    def __init__(self, limits: DecodingLimits) -> None:
        self._limits = limits
        self._resampler: av.AudioResampler | None = None
        self._of: tuple[int, str, str] | None = None

    def take(self, frame: av.AudioFrame | None) -> Iterator[NDArray[np.float32]]:
        """Samples of a frame, and of what waited; None: it was the last."""
        of = None if frame is None else (frame.rate, frame.layout.name, frame.format.name)
        if frame is None or of != self._of:
            if self._resampler is not None:
                yield from _resampled(self._resampler, None)
            self._of, self._resampler = of, None
        if frame is not None:
            if self._resampler is None:
                _check(frame, self._limits)
                self._resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
            yield from _resampled(self._resampler, frame)


def _check(frame: av.AudioFrame, limits: DecodingLimits) -> None:
    if frame.sample_rate < limits.rate_min:
        raise Rejected("too_slow", f"{frame.sample_rate} Hz")
    if frame.sample_rate > limits.rate_max:
        raise Rejected("too_fast", f"{frame.sample_rate} Hz")
    if frame.layout.nb_channels > limits.channels_max:
        raise Rejected("too_many_channels", f"{frame.layout.nb_channels} channels")


def _resampled(
    resampler: av.AudioResampler, frame: av.AudioFrame | None
) -> Iterator[NDArray[np.float32]]:
    for made in resampler.resample(frame):
        samples = made.to_ndarray()[0]
        if len(samples):
            finite = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
            yield np.clip(finite, -_LOUDEST, _LOUDEST)

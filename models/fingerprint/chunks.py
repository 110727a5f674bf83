"""Samples of a sound whose file is still arriving: `decode`, fed with bytes as they come."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from models.fingerprint.decoding import DecodingLimits, Rejected, decode
from models.fingerprint.turns import DecodingThread, Wants

__all__ = ["ChunkDecoder"]

_BOXES: Final = frozenset(b"ftyp free skip wide styp pnot uuid sidx".split())
"""What may stand before the index (`moov`) or the sound (`mdat`) of an MP4."""
_BOXES_MAX: Final = 16
_SEEKING: Final = frozenset({b"caff", b"wvpk"})
"""How the containers other than MP4 begin in which FFmpeg must seek: CAF and WavPack."""


class ChunkDecoder:
    """Decodes one file from its bytes, cut into chunks anywhere.

    Put together, the samples are those that `decode` gives for the whole file; but an MP3 keeps
    the silence, 0.1 s at most, with which its encoder filled the last frames. FFmpeg is told that
    it cannot seek. A file in which it must (MP4 with the index at its end, CAF, WavPack) is held
    in memory and decoded at `close`.

    The sound lags behind the bytes by what FFmpeg wants to see before it trusts the container, at
    most 6 s of ordinary music, and then by the frames that a codec holds back, at most 2 s.

    A worker can take a stream over: the first bytes of the file (8 kB do if no picture is in them)
    and then bytes from anywhere make MP3, ADTS, Ogg, FLAC and WebM sound right again within a
    second; MP3 and ADTS need no first bytes. MP4 must be cut where a fragment begins, and WAV at a
    whole sample. Where in the sound it goes on is for the caller to know.

    One thread at a time may use it. It starts a thread, which is gone once all samples are given,
    or after an error, `abort`, the end of `with`, or when the decoder is dropped.

    >>> with ChunkDecoder() as decoder:
    ...     [*decoder.feed(b"RIFF"), *decoder.feed(b"1234")]
    []
    """

    def __init__(
        self,
        limits: DecodingLimits | None = None,
        *,
        container: str | None = None,
        held_max: int = 64 << 20,
    ) -> None:
        """`held_max`: bytes that may pass without a sample, thus also those that are held."""
        self._limits, self._container = limits or DecodingLimits(), container
        self._held_max, self._silent = held_max, 0
        self._head = BytesIO()
        self._thread: DecodingThread | None = None  # it starts once the head tells a stream
        self._wants: Wants = 0
        self._unread, self._closed = memoryview(b""), False

    def feed(self, data: bytes) -> Iterator[NDArray[np.float32]]:
        """The samples that the bytes so far allow and no feed gave before, a second's at a time.

        Take them all before the next call: that is when it decodes, and blocks. Raises `Rejected`
        as `decode` does, and as `too_late`: `held_max` bytes gave no sample. Then each feed raises
        it again. RuntimeError: it is closed, or bytes of the last feed wait.
        """
        self._check_ready()
        self._unread = memoryview(data)
        return self._samples()

    def close(self) -> Iterator[NDArray[np.float32]]:
        """The rest of the samples, as if the file ended here; it raises what `feed` does."""
        self._check_ready()
        self._closed = True
        return self._samples()

    def abort(self) -> None:
        """Forget the rest, and end the thread; it may be called at any time, and twice."""
        self._closed, self._wants = True, None
        if self._thread is not None:
            self._thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()

    def _check_ready(self) -> None:
        if self._closed:
            raise RuntimeError("the decoder is closed")
        if self._unread:
            raise RuntimeError("take the samples of the last feed first")

    def _samples(self) -> Iterator[NDArray[np.float32]]:
        if self._thread is None and self._wants == 0:
            self._hold()
        if self._thread is None and self._wants == 0:
            if self._closed:
                self._head.seek(0)
                yield from decode(self._head, self._limits, container=self._container)
            return
        while isinstance(self._wants, int):
            if self._wants and not self._unread and not self._closed:
                return
            samples = self._turn(self._wants)
            if len(samples):
                self._silent = 0
                yield samples
        self._unread = memoryview(b"")  # what comes behind the sound is nothing to wait for
        if self._wants is not None:
            raise self._wants

    def _hold(self) -> None:
        """Keep what is unread, until it tells that FFmpeg can read on as it comes."""
        self._head.write(self._unread)
        self._unread = memoryview(b"")
        with self._head.getbuffer() as head:
            streams = _seeks(head) is False
            held = len(head)
        if streams:
            self._unread, self._head = self._head.getbuffer(), BytesIO()
            self._thread = DecodingThread(self._limits, self._container)
        elif held > self._held_max:
            self._head = BytesIO()
            self._wants = self._too_late()

    def _turn(self, wants: int) -> NDArray[np.float32]:
        assert self._thread is not None
        given, self._unread = bytes(self._unread[:wants]), self._unread[wants:]
        self._silent += len(given)
        if self._silent > self._held_max:
            self._thread.stop()
            self._wants = self._too_late()
            return np.zeros(0, np.float32)
        samples, self._wants = self._thread.turn(given)
        return samples

    def _too_late(self) -> Rejected:
        return Rejected("too_late", f"{self._held_max} bytes gave no sample")


def _seeks(head: memoryview) -> bool | None:
    """Whether FFmpeg must seek in a file that begins like this; None: more of it will tell."""
    if bytes(head[:4]) in _SEEKING:
        return True
    at = 0
    for _ in range(_BOXES_MAX):
        if len(head) < at + 16:
            return None
        size, kind = int.from_bytes(head[at : at + 4]), bytes(head[at + 4 : at + 8])
        if kind == b"mdat":
            return True
        if size == 1:
            size = int.from_bytes(head[at + 8 : at + 16])
        if kind not in _BOXES or size < 8:  # `moov` is the index: all after it can be read on
            return False
        at += size
    return False

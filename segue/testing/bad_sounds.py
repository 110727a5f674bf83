"""Files that hold no sound, claim too much of it, or are made to harm."""

from __future__ import annotations

import functools
import random
import struct
from typing import Final

import numpy as np

from models.fingerprint.decoding import SAMPLE_RATE
from segue.testing.sounds import FORMATS, encoded, music

__all__ = ["MEMORY_MAX", "NOISE", "REASONS", "SECONDS_MAX", "SEED", "file_of", "hostile", "wav"]

SEED: Final = 20
REASONS: Final = {
    "unreadable",
    "no_audio",
    "too_long",
    "too_slow",
    "too_fast",
    "too_many_channels",
    "too_late",
}
SECONDS_MAX: Final = 5.0
"""Processor time of one file; they are small."""
MEMORY_MAX: Final = 80 << 20
"""Bytes by which a process may grow; the files that it decodes are small."""

NOISE: Final = np.random.default_rng(SEED).integers(-9999, 9999, 16_000).astype("<i2").tobytes()


@functools.cache
def file_of(container: str) -> bytes:
    """Two seconds of a song in a container."""
    return encoded(music(1, 2.0, 48_000), container)


def wav(
    data: bytes,
    *,
    rate: int = SAMPLE_RATE,
    channels: int = 1,
    bits: int = 16,
    size: int | None = None,
    kind: int = 1,
) -> bytes:
    """A WAV file that may claim anything of its data."""
    frame = channels * bits // 8
    header = struct.pack(
        "<HHIIHH", kind, channels, rate, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, bits
    )
    claimed = len(data) if size is None else size
    sizes = (min(36 + claimed, 0xFFFFFFFF), len(header), claimed)
    return b"RIFF%bWAVEfmt %b%bdata%b%b" % (
        struct.pack("<I", sizes[0]),
        struct.pack("<I", sizes[1]),
        header,
        struct.pack("<I", sizes[2]),
        data,
    )


def huge_counts() -> bytes:
    """An MP4 whose tables claim two thousand million entries."""
    file = bytearray(encoded(music(1, 1.0, 8_000), "mp4", rate=8_000))
    for table in (b"stsz", b"stts", b"stsc", b"stco"):
        at = file.index(table) + (12 if table == b"stsz" else 8)
        file[at : at + 4] = b"\x7f\xff\xff\xff"
    return bytes(file)


def one_size_for_all(count: int) -> bytes:
    """An MP4 that claims so many packets of one byte each, which takes no table to say."""
    faststart = {"movflags": "faststart"}
    file = bytearray(encoded(music(1, 1.0, 8_000), "mp4", rate=8_000, options=faststart))
    sizes, times, chunks = (file.index(table) + 8 for table in (b"stsz", b"stts", b"stsc"))
    file[sizes : sizes + 8] = struct.pack(">II", 1, count)
    file[times : times + 12] = struct.pack(">III", 1, count, 1024)
    file[chunks + 8 : chunks + 12] = struct.pack(">I", count)
    return bytes(file)


def tags(claimed: bytes, count: int) -> bytes:
    return (b"ID3\x04\0\0" + claimed) * count


def hostile() -> dict[str, bytes]:
    """Files that claim gigabytes or hours, by what they do."""
    mp4 = encoded(music(1, 1.0, 8_000), "mp4", rate=8_000, options={"movflags": "faststart"})
    moov = mp4.index(b"moov")
    shuffled = random.Random(SEED)
    return {
        "moov of 4 GB": mp4[: moov - 4] + b"\xff\xff\xff\xf0" + mp4[moov:],
        "moov of 8 EB": mp4[: moov - 4] + b"\0\0\0\x01moov\x7f" + b"\xff" * 7 + mp4[moov + 4 :],
        "huge counts": huge_counts(),
        "index of 2 GB": one_size_for_all(80_000_000),  # it took 2.8 GB and 10 s once
        "index of 50 GB": one_size_for_all(2**31 - 1),
        "nested boxes": b"\0\0\0\x14ftypisom\0\0\0\0isom" + b"\0\xff\xff\xffmoov" * 50_000,
        "tag of 256 MB": tags(b"\x7f" * 4, 1) + file_of("mp3"),
        "nested tags of 256 MB": tags(b"\x7f" * 4, 2000) + file_of("mp3"),
        "nested empty tags": tags(bytes(4), 20_000) + file_of("mp3"),
        "picture of 256 MB": tags(b"\x7f" * 4, 1) + b"APIC\x7f\x7f\x7f\x60\0\0" + bytes(99_000),
        "ebml of 8 EB": file_of("webm")[:200] + b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7,
        "flac picture of 16 MB": b"fLaC\0\0\0\x22" + bytes(34) + b"\x86\xff\xff\xff" + bytes(999),
        "ogg that never begins": b"OggS\0\x02"
        + bytes(20)
        + b"\xff"
        + b"\xff" * 255
        + bytes(65_025),
        "wav of 4 GB": wav(NOISE, size=0xFFFFFFFF),
        "hours of wav": wav(bytes(400_000), rate=1_000, bits=8),
        "hours of mp3": encoded(np.zeros(240_000, np.float32), "mp3", rate=8_000) * 60,
        "hours of opus": encoded(np.zeros(480_000, np.float32), "opus") * 60,
        "hours of flac": encoded(np.zeros(4_800_000, np.float32), "flac", rate=8_000),
        "noise with headers": b"".join(
            file_of(shuffled.choice([*FORMATS]))[:300] + NOISE[:500] for _ in range(40)
        ),
    }

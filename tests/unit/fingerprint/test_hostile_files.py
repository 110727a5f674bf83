"""Files that claim gigabytes take little memory and time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from models.fingerprint.decoding import SAMPLE_RATE
from segue.testing.bad_sounds import MEMORY_MAX, REASONS, SECONDS_MAX, file_of, hostile

PROGRAM: Final = """
import io, re, sys, time
from pathlib import Path
from models.fingerprint.chunks import ChunkDecoder
from models.fingerprint.decoding import DecodingLimits, Rejected, decode

def chunked(file, limits):
    decoder = ChunkDecoder(limits)
    for at in range(0, len(file), 10_000):
        yield from decoder.feed(file[at : at + 10_000])
    yield from decoder.close()

def peak():  # of this process alone; `ru_maxrss` begins with that of its parent
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

limits = DecodingLimits(seconds_max=300.0)
[*decode(io.BytesIO(Path(sys.argv[1], "warm").read_bytes()))]
for path in sorted(Path(sys.argv[1]).iterdir()):
    file = path.read_bytes()
    for way in (lambda: decode(io.BytesIO(file), limits), lambda: chunked(file, limits)):
        before, start, count, reason = peak(), time.process_time(), 0, "samples"
        try:
            for samples in way():
                count += len(samples)
        except Rejected as rejected:
            reason = rejected.reason
        seconds = time.process_time() - start
        print(path.name, reason, count, peak() - before, seconds, sep="|")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it tells the peak of memory")
def test_hostile_files_take_little_memory_and_time(tmp_path: Path) -> None:
    files = {**hostile(), "warm": file_of("mp3")}
    for name, file in files.items():
        (tmp_path / name).write_bytes(file)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split("|") for line in done.stdout.splitlines()]
    assert len(lines) == 2 * len(files)
    for name, reason, count, grown, seconds in lines:
        assert reason in {*REASONS, "samples"}, name
        assert (reason == "too_long") == name.startswith("hours"), name
        assert int(count) <= 300 * SAMPLE_RATE, name
        assert int(grown) < MEMORY_MAX, (name, int(grown) >> 20)
        assert float(seconds) < SECONDS_MAX, (name, seconds)

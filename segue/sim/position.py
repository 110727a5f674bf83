"""How far a log was fed, kept on disk, so that an interrupted feed goes on where it was.

One small JSON file per log and cluster under `.segue/feed/`. It is replaced whole, so it is either
the old or the new one after a crash; and it is written only after Kafka has stored the plays, so it
may lag behind but never lead. What lags is sent twice with the same event ids and counts once.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from segue.errors import Misconfigured

__all__ = ["FeedPosition", "PositionFile"]


class FeedPosition(msgspec.Struct, frozen=True):
    """Rows before `next_row` are in Kafka; `plays` of them were plays. `at_ms` is when that was."""

    file: str
    next_row: int = 0
    plays: int = 0
    at_ms: int = 0


class PositionFile:
    """The position of one log (by the digest of its content) in one cluster (`target`)."""

    def __init__(self, data_dir: Path, digest: str, target: str) -> None:
        cluster = hashlib.blake2b(target.encode(), digest_size=4).hexdigest()
        self.path = data_dir / "feed" / f"{digest}-{cluster}.json"

    def read(self) -> FeedPosition | None:
        """The position, or None if this log was never fed. Raises Misconfigured if unreadable."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(raw, type=FeedPosition)
        except msgspec.DecodeError as error:
            raise Misconfigured(
                f"the position in {self.path} cannot be read: {error}",
                remedy="give --restart to feed from the first row",
            ) from error

    def write(self, position: FeedPosition) -> None:
        """Replace the position atomically. Blocks for one small write to the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(position))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def forget(self) -> None:
        """Feed from the first row next time. May be called when there is no position."""
        self.path.unlink(missing_ok=True)

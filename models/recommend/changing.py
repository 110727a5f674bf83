"""How states give out what changed: a copy at once, records of it in slices.

A copy of arrays takes a millisecond where its records take ten, so the state may go on changing
while they are made. Others have their turn between slices.
"""

from typing import Final

__all__ = ["SLICE_RECORDS", "Records"]

SLICE_RECORDS: Final = 100
"""Records made at a time: about half a millisecond."""

Records = list[tuple[bytes, bytes | None]]
"""Keys of the changelog, each with its whole record, or None if it is gone."""

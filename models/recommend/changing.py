"""How states give out what changed: in slices, so that others have their turn in between."""

from typing import Final

__all__ = ["SLICE_RECORDS", "Records"]

SLICE_RECORDS: Final = 100
"""Records made at a time: about half a millisecond."""

Records = list[tuple[bytes, bytes | None]]
"""Keys of the changelog, each with its whole record, or None if it is gone."""

"""Compiled loops over struct-of-arrays state. Nothing here knows a name, a clock or a setting.

Numba keeps compiled code beside the source and rebuilds a function when *its* file changes, not
when a file it calls into does. So compiled code older than the newest source of this package is
dropped when the package is imported; what broke before was a kernel that went on with an old
constant.
"""

from __future__ import annotations

from pathlib import Path

__all__: list[str] = []


def _drop_stale(folder: Path) -> None:
    """Delete the index of what was compiled before the newest source was written."""
    newest = max(source.stat().st_mtime_ns for source in folder.glob("*.py"))
    for index in (folder / "__pycache__").glob("*.nbi"):
        try:
            if index.stat().st_mtime_ns < newest:
                index.unlink()
        except OSError:  # another process was faster, or the folder is read-only: nothing to drop
            continue


_drop_stale(Path(__file__).parent)

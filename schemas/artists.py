"""The names of artists and albums as keys and rows have them, one for many spellings.

Unicode's compatibility form, case folded (The Unicode Standard, 3.13), white space made single
blanks, other control characters left out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from unicodedata import category, normalize

__all__ = ["ARTIST_CHARACTERS_MAX", "album_name", "artist_name"]

ARTIST_CHARACTERS_MAX: Final = 128
"""What is longer is cut off: two artists may then share a row, which costs a hint, not a count."""
ALBUM_CHARACTERS_MAX: Final = 255


@lru_cache(65_536)
def artist_name(text: str) -> str:
    """The name of an artist; empty if nothing of the text is left.

    >>> artist_name("  Bj\u00f6rk ") == artist_name("BJ\u00d6RK")
    True
    """
    folded = normalize("NFKC", normalize("NFKC", text).casefold())
    printable = "".join(c for c in " ".join(folded.split()) if category(c)[0] != "C")
    return " ".join(printable.split())[:ARTIST_CHARACTERS_MAX].strip()


def album_name(artist: str, album: str) -> str:
    """The name of an artist's album; empty if nothing of its title is left.

    >>> album_name("Bj\u00f6rk", " Vespertine")
    'bj\u00f6rk/vespertine'
    """
    title = artist_name(album)
    return f"{artist_name(artist)}/{title}"[:ALBUM_CHARACTERS_MAX].strip() if title else ""

"""The words of which made-up tracks, artists and albums are named. Ours; none names a real one."""

from __future__ import annotations

from typing import Final

__all__ = ["ALBUM_FRAMES", "ARTIST_FRAMES", "FIRST", "GENRES", "LANGUAGES", "SECOND"]

_FIRST: Final = """
amber ashen autumn blank borrowed brass broken bright buried candle canvas chalk cinder clear
cobalt copper coral crooked crystal distant double drifting dusty echo electric ember endless
faded feather folded frozen gentle gilded glass golden granite hollow indigo inner iron ivory
kindled late lemon linen little lonely lost lunar marble mellow midnight minor mirror misty
molten neon northern open orbit pale paper patient plastic polar quiet rapid restless rising
rusted salted scarlet second secret shallow silent silver sleepy slow soft solar southern spare
spiral stolen sudden summer tangled tender thin tidal timber upper velvet violet wandering warm
waxen western wild winter woven yonder
"""
FIRST: Final = tuple(_FIRST.split())

_SECOND: Final = """
afternoon alley anchor arcade archive atlas avenue balcony bay beacon bell bicycle bloom
boulevard breaker bridge cabin canal captain carousel cascade cathedral ceiling chimney city
clock cloud coast compass corner corridor current curtain dawn delta desert diary district
driver elevator engine envelope evening factory ferry field fire flood forest fountain garden
gate glacier gravity harbor harvest hill horizon hotel hour island journal junction kitchen
ladder lake lantern letter lighthouse machine map market meadow meridian morning motor mountain
museum ocean orchard parade passage pavement pier pilot platform postcard radio railway rain
river rooftop room satellite season shadow signal skyline snow staircase station storm street
summit telephone terrace theatre thread tide tower train tunnel valley veranda village voice
voyage wheel window wire
"""
SECOND: Final = tuple(_SECOND.split())

ARTIST_FRAMES: Final = ("{0} {1}", "The {0} {1}", "{1} of {0}", "{0} and the {1}", "DJ {0} {1}")
ALBUM_FRAMES: Final = ("{0} {1}", "One {0} {1}", "{1} Songs", "The {0} {1} Tapes", "Under the {1}")

GENRES: Final = (
    *("ambient", "blues", "classical", "country", "dance", "folk", "funk", "hip hop", "house"),
    *("indie", "jazz", "latin", "metal", "pop", "punk", "reggae", "rock", "soul", "techno"),
)
LANGUAGES: Final = ("en", "en", "pt-BR", "de", "en", "sv", "ja")

"""The Debian packages whose audio the fingerprinter is trained and tested on, by role.

All are free to use (their copyright files say how). The audio stays where it is unpacked: none of
it belongs in the repository. What is in no list here is kept for acceptance by others.
"""

from __future__ import annotations

from typing import Final

__all__ = ["NOISE", "SPEECH", "TESTING", "TRAINING"]

TRAINING: Final = (
    "0ad-data",
    "amoebax-data",
    "asc-music",
    "berusky2-data",
    "btanks-data",
    "colobot-common-sounds",
    "enigma-data",
    "fillets-ng-data",
    "fretsonfire-songs-muldjord",
    "fretsonfire-songs-sectoid",
    "hyperrogue-music",
    "lincity-ng-data",
    "megaglest-data",
    "naev-data",
    "nexuiz-music",
    "noiz2sa-data",
    "planetblupi-music-ogg",
    "singularity-music",
    "ufoai-music",
    "warzone2100-music",
    "xmoto-data",
    "zaz-data",
)
"""Games' music; their short sounds are noise."""
NOISE: Final = ("tuxpaint-stamps-default",)
SPEECH: Final = ("asterisk-core-sounds-fr-g722", "asterisk-core-sounds-ru-wav")
TESTING: Final = (
    "hedgewars-data",
    "starfighter-data",
    "unknown-horizons",
    "warmux-data",
    "widelands-data",
)
"""Never trained on."""

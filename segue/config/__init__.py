"""Settings of Segue: read once, frozen, each named `SEGUE_...`.

`load_settings` is the only reader of the environment. `Settings` is handed down from the
composition root; nothing else asks for settings. Every field has a type, a default, a unit in its
name and one line of help, from which docs/reference/settings.md is generated.
"""

from __future__ import annotations

from segue.config.loading import load_settings
from segue.config.settings import SECTIONS, Settings
from segue.config.sources import ENV_FILE, Source, environment_name, setting_sources

__all__ = [
    "ENV_FILE",
    "SECTIONS",
    "Settings",
    "Source",
    "environment_name",
    "load_settings",
    "setting_sources",
]

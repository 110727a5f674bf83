"""What tracks sound like: every worker reads the topic `audio-neighbours` whole and keeps it."""

from collections.abc import Sequence

from agents.deps import Deps
from agents.entries import apply_entries
from models.recommend.sounds import Sounds
from schemas.audio import AudioDecoder
from schemas.registry import AUDIO_NEIGHBOURS
from segue.telemetry import metrics
from streams.app import SegueApp
from streams.broadcast import Bad, BroadcastReader

__all__ = ["register"]

_HELD = metrics.STATE.labels("audio")
_EVICTIONS = metrics.EVICTIONS.labels("audio")


def register(app: SegueApp, deps: Deps, sounds: Sounds) -> None:
    """Register the reader of `audio-neighbours`. A record may come again: it is the same then."""
    settings = deps.settings
    decode = AudioDecoder(settings.message_bytes_max).decode

    def apply(keys: Sequence[bytes], values: Sequence[bytes | None]) -> list[Bad]:
        before = sounds.evictions
        bad = apply_entries((keys, values), decode=decode, put=sounds.put, delete=sounds.delete)
        _HELD.set(len(sounds))
        _EVICTIONS.inc(sounds.evictions - before)
        return bad

    topic = AUDIO_NEIGHBOURS.topic(settings.topic_prefix)
    reader = BroadcastReader(settings, topic, apply, health=deps.health, priority=app.priority)
    app.readers.append(reader)

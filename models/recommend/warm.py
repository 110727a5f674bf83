"""Compile, or load from the cache, every kernel a worker will call, before it is ready.

Kernels are compiled for the types they are first called with, so a tiny log goes through every
stage once, snapshot and restore included. That imports River too, which models leave until they
need it: a worker needs it for the first records that it restores, or for the first plays.
"""

from __future__ import annotations

from models.recommend.catalogue import Catalogue
from models.recommend.listener_memory import ListenerLimits
from models.recommend.listeners import ListenerState
from models.recommend.neighbours import NeighbourState
from models.recommend.recommender import Recommender
from models.recommend.rowcache import RowCache
from models.recommend.sounds import Sounds
from models.recommend.tastes import Tastes
from models.recommend.trends import TrendState
from models.recommend.vectors import VectorState
from models.recommend.vocabulary import Vocabulary
from schemas.audio import AudioNeighbour, AudioNeighbours
from schemas.discoveries import decode_discoveries, encode_discoveries
from schemas.events import Feedback, PlayEvent
from schemas.frames import decode_pairs, decode_trend_counts, encode_pairs, encode_trend_counts
from schemas.outputs import STRATEGIES, WORLD
from schemas.tracks import CatalogueEntry, Credit

__all__ = ["warm"]

_LISTENERS_MAX = 2


def warm() -> None:
    """Make compiled code ready. Seconds the first time on a machine, about two after.

    Changes nothing but the cache of compiled code beside the kernels. May be called again.
    """
    vocabulary = Vocabulary()
    catalogue, sounds = _catalogue(vocabulary), _sounds(vocabulary)
    limits = ListenerLimits(_LISTENERS_MAX, plays_per_look=1)
    listeners = ListenerState(vocabulary, limits, catalogue)
    neighbours = NeighbourState(vocabulary, tracks_max=2)
    trends = TrendState(vocabulary, tracks_per_market_max=2)
    learned = listeners.learn(_plays())
    listeners.apply_feedback(
        [
            Feedback(event_id="f", user_id="u2", kind="like", track_id="t9", at_ms=_AT_MS),
            Feedback(event_id="f", user_id="u2", kind="block_artist", artist="a", at_ms=_AT_MS),
        ]
    )
    for frame in listeners.drain_pairs(lambda _: 0).values():
        neighbours.learn(decode_pairs(encode_pairs(frame)))
    vectors, tastes = VectorState(vocabulary, 1_000), Tastes(vocabulary)
    if (found := listeners.drain_discoveries()) is not None:
        for _ in range(2):  # from the second one on there are negatives
            vectors.learn(decode_discoveries(encode_discoveries(found)))
    for counts in listeners.drain_trend_counts():
        trends.learn(decode_trend_counts(encode_trend_counts(counts)))
    rows = RowCache(vocabulary, rows_max=16)
    for name, columns in neighbours.drain_published(2):
        rows.put_columns(name, columns, 0.0)
    for source in (rows, neighbours):
        recommender = Recommender(
            vocabulary,
            source,
            tastes=tastes,
            catalogue=catalogue,
            sounds=sounds,
            exploration_share=1.0,
        )
        names, scores, _, _ = trends.moving(WORLD, "day", 2)
        recommender.set_trending(WORLD, names, scores.tolist())
        recommender.recommend(listeners, learned.touched)
    listeners.bandit.learn(STRATEGIES[0], is_accepted=True)
    listeners.erase("u2", _AT_MS)
    for frame in listeners.drain_erased(lambda _: 0).values():
        neighbours.learn(decode_pairs(encode_pairs(frame)))
    for state in (listeners, neighbours, trends, vectors):
        for key, value in state.changes():
            state.restore(key, value)
            state.restore(key, None)
    listeners.all_slots()


_AT_MS = 1_700_000_000_000


def _catalogue(vocabulary: Vocabulary) -> Catalogue:
    """A catalogue that evicted a track and deleted one."""
    catalogue = Catalogue(vocabulary, tracks_max=2)
    catalogue.put([CatalogueEntry(f"t{i}", "T", (Credit("A"),), "A") for i in range(3)])
    catalogue.delete(["t2"])
    return catalogue


def _sounds(vocabulary: Vocabulary) -> Sounds:
    """Audio neighbours, of which one track's were evicted and one's deleted."""
    sounds = Sounds(vocabulary, tracks_max=2)
    sounds.put([AudioNeighbours(f"t{i}", (AudioNeighbour("t9", 0.5),)) for i in range(3)])
    sounds.delete(["t2"])
    return sounds


def _plays() -> list[PlayEvent]:
    """More listeners and tracks than fit, so that eviction is compiled too."""
    return [
        PlayEvent(
            event_id=f"e{i}",
            user_id=f"u{i % (_LISTENERS_MAX + 1)}",
            track_id=f"t{i}",
            started_at_ms=_AT_MS + i,
            played_ms=1,
            duration_ms=1,
            end_reason="finished",
            market="XX",
        )
        for i in range(8)
    ]

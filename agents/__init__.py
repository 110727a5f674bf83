"""The wiring: one thin file per agent: decode, decide, publish, acknowledge.

No autodiscovery: Faust drops a module whose import fails and goes on without it. Each agent is
registered here, by name.
"""

from agents import (
    audio,
    discoveries,
    feedback,
    impressions,
    pairs,
    plays,
    privacy,
    tracks,
    trend_counts,
)
from agents.deps import Deps
from agents.listeners import ListenersStage
from agents.lists import ListWriter
from agents.pairs import NeighboursStage
from agents.tracks import FreshArtists
from models.recommend.arms import Arms
from models.recommend.catalogue import Catalogue
from models.recommend.kernels.scene import Rates
from models.recommend.recommender import Recommender
from models.recommend.rowcache import RowCache
from models.recommend.sounds import Sounds
from models.recommend.tastes import Tastes
from models.recommend.vocabulary import Vocabulary
from models.recommend.warm import warm
from schemas.registry import VECTORS
from segue.config import Settings
from segue.config.arms import arm_shares
from segue.errors import Misconfigured
from streams.app import SegueApp
from streams.broadcast import BroadcastReader
from streams.tasks import TaskGroup

__all__ = ["register_all"]

ROWS_MIN = 50_000
ROWS_PER_PLAY = 18  # five tracks of the session and the new one, each with its artist and album


def register_all(app: SegueApp, deps: Deps) -> None:
    """Register the agents of the role `recommend`. Compiles what must be compiled first."""
    warm()
    settings = deps.settings
    vocabulary = Vocabulary(limit=settings.vocabulary_max)
    poll_plays = settings.batch_records * settings.partitions
    rows_max = max(ROWS_MIN, ROWS_PER_PLAY * poll_plays)
    rows = RowCache(vocabulary, rows_max=rows_max, ttl_s=settings.row_cache_ttl_s)
    tastes = Tastes(vocabulary)
    vectors = VECTORS.topic(settings.topic_prefix)
    app.readers.append(
        BroadcastReader(settings, vectors, tastes.apply, health=deps.health, priority=app.priority)
    )
    catalogue = Catalogue(vocabulary, settings.catalogue_tracks_max)
    sounds = Sounds(vocabulary, settings.audio_tracks_max)
    recommender = Recommender(
        vocabulary,
        rows,
        tastes=tastes,
        catalogue=catalogue,
        sounds=sounds,
        list_length=settings.list_length,
        artist_tracks_max=settings.artist_tracks_max,
        exploration_share=settings.exploration_share,
        rates=Rates(settings.context_decay, settings.learning_rate),
    )
    neighbours = TaskGroup(NeighboursStage(catalogue, deps), app=app, settings=settings)
    lists = ListWriter(recommender, rows, neighbours, deps)
    fresh = FreshArtists()
    stage = ListenersStage(vocabulary, lists, deps, fresh, arms=_arms(settings))
    listeners = TaskGroup(stage, app=app, settings=settings)
    app.groups += [listeners, neighbours]
    plays.register(app, deps, listeners, lists)
    feedback.register(app, deps, listeners, lists)
    impressions.register(app, deps, listeners, lists)
    privacy.register(app, deps, listeners, lists)
    pairs.register(app, deps, neighbours)
    trend_counts.register(app, deps, vocabulary)
    discoveries.register(app, deps, vocabulary)
    tracks.register(app, deps, catalogue, fresh)
    audio.register(app, deps, sounds)


def _arms(settings: Settings) -> Arms:
    """The arms as configured. Raises Misconfigured if one is unknown."""
    try:
        return Arms(arm_shares(settings.arms), salt=settings.arms_salt)
    except ValueError as error:
        raise Misconfigured(
            f"SEGUE_ARMS: {error}", setting="SEGUE_ARMS", remedy="see docs/how-to/experiments.md"
        ) from error

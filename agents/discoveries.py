"""The embedding: one learner of all discoveries, whose vectors every worker reads."""

from collections.abc import AsyncIterator

from agents.deps import Deps
from agents.frames import apply_frames
from models.recommend.vectors import VectorState
from models.recommend.vocabulary import Vocabulary
from schemas.discoveries import decode_discoveries
from schemas.registry import DISCOVERIES, VECTORS
from streams.app import SegueApp
from streams.sinks.redis import Values
from streams.stage import Output
from streams.task import PartitionTask
from streams.tasks import TaskGroup
from streams.transport import Polls

__all__ = ["VectorsStage", "register"]


class VectorsStage:
    """Fits `streams.stage.Stage`. Its changelog is the topic that all workers read.

    It has one partition, so one worker learns; the others have the next best thing to its state.
    """

    name = "vectors"
    needs: tuple[str, ...] = ()

    def __init__(self, vocabulary: Vocabulary, deps: Deps) -> None:
        settings = deps.settings
        self.inputs = (DISCOVERIES.topic(settings.topic_prefix),)
        self.changelog = VECTORS.topic(settings.topic_prefix)
        self.flush_interval_s = self.publish_interval_s = settings.vectors_flush_interval_s
        self._vocabulary, self._tracks_max = vocabulary, settings.vectors_max

    def new_state(self, partition: int) -> VectorState:
        """Return an empty state of the configured limit."""
        return VectorState(self._vocabulary, self._tracks_max)

    def outputs(self, state: VectorState) -> list[Output]:
        """Nothing goes on from here but the changelog."""
        return []

    async def publish(self, task: PartitionTask[VectorState], *, complete: bool) -> None:
        """Nothing of it is in Redis."""

    async def everything(self, task: PartitionTask[VectorState]) -> AsyncIterator[Values]:
        """Return nothing, as nothing of it is in Redis."""
        nothing: tuple[Values, ...] = ()
        for values in nothing:
            yield values


def register(app: SegueApp, deps: Deps, vocabulary: Vocabulary) -> None:
    """Register the agent `discoveries`. Exactly once by the task's transaction."""
    stage = VectorsStage(vocabulary, deps)
    vectors = TaskGroup(stage, app=app, settings=deps.settings)
    app.groups.append(vectors)

    @app.agent(app.polls(stage.inputs[0]), name="discoveries", concurrency=1)
    async def discoveries(polls: Polls) -> AsyncIterator[dict[str, int]]:
        async for poll in polls:
            yield await apply_frames(
                vectors, poll, decode_discoveries, agent="discoveries", deps=deps
            )

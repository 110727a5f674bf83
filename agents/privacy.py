"""Privacy: an erased listener is nowhere any more; an export says what is kept of one."""

from collections import Counter
from collections.abc import AsyncIterator

from agents.deps import Deps
from agents.lists import ListWriter
from agents.outcomes import count_outcomes
from agents.pausing import pause_if_flooded
from models.recommend.exports import export_of
from models.recommend.listeners import ListenerState
from schemas.events import PrivacyRequest
from schemas.privacy import encode_export
from schemas.registry import PRIVACY, PRIVACY_EXPORTS
from streams.app import SegueApp
from streams.intake import Intake
from streams.stage import Output
from streams.tasks import TaskGroup
from streams.transport import Polls
from streams.unit import Unit

__all__ = ["register"]

ERASED = ("erase", "applied")


def register(
    app: SegueApp, deps: Deps, listeners: TaskGroup[ListenerState], lists: ListWriter
) -> None:
    """Register the agent `privacy`. It shares the listeners' tasks with `plays`.

    Redis forgets before the commit: what a crash leaves undone is asked for again. The empty record
    of the changelog, the hash that refuses what is older, what rows are to give back and the answer
    to an export are one transaction.
    """
    settings = deps.settings
    intake = Intake.of(PrivacyRequest, settings, time_ms="at_ms")
    answers = PRIVACY_EXPORTS.topic(settings.topic_prefix)

    def answer(unit: Unit[ListenerState], request: PrivacyRequest) -> str:
        if request.kind == "erase":
            return "applied" if unit.state.erase(request.user_id, request.at_ms) else "duplicate"
        kept = unit.state.snapshot(request.user_id)
        export = export_of(request, kept, at_ms=deps.clock.now_ms())
        key = request.user_id.encode()
        unit.send(Output(answers, unit.partition, key, encode_export(export)))
        return "applied"

    @app.agent(app.polls(PRIVACY.topic(settings.topic_prefix)), name="privacy")
    async def privacy(polls: Polls) -> AsyncIterator[dict[str, int]]:
        async for poll in polls:
            outcomes: Counter[str] = Counter()
            async with listeners.units(poll) as units:
                erased = []
                for unit in units:
                    taken = intake.read(unit)
                    done = [(request, answer(unit, request)) for request in taken.events]
                    outcomes.update([outcome for _, outcome in done])
                    outcomes.update(taken.tally())
                    gone = [r.user_id for r, outcome in done if (r.kind, outcome) == ERASED]
                    if gone:
                        erased.append((unit, gone))
                await lists.delete(erased)
            count_outcomes("privacy", outcomes)
            await pause_if_flooded(listeners, units, intake, deps)
            yield dict(outcomes)

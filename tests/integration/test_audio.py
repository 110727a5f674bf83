"""Audio neighbours in a worker: a track that nobody played is in lists because of its sound."""

import time

import pytest
from aiokafka import AIOKafkaProducer

from schemas.events import PlayEvent
from schemas.registry import AUDIO_NEIGHBOURS
from segue.client import AudioNeighbour, AudioNeighbours, ListReader, PlayProducer
from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew
from segue.testing.verify import assert_exact

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ALIKE = (AudioNeighbour("fresh", 0.9), AudioNeighbour("other", 0.5))


def play(number: int, track: str) -> PlayEvent:
    at_ms = time.time_ns() // 1_000_000 - 60_000
    return PlayEvent(f"e{number}", "u", track, at_ms, 60_000, 60_000, "finished")


async def test_a_track_never_played_is_in_lists_by_its_sound_until_that_is_deleted(
    settings: Settings, crew: Crew
) -> None:
    topic = AUDIO_NEIGHBOURS.topic(settings.topic_prefix)
    async with (
        ListReader(settings.redis_url.get_secret_value()) as lists,
        PlayProducer(settings.kafka_bootstrap, topic_prefix=settings.topic_prefix) as producer,
        AIOKafkaProducer(**settings.kafka_client_options()) as raw,
    ):
        await producer.send_audio_neighbours(AudioNeighbours("first", ALIKE))
        await producer.send_audio_neighbours(AudioNeighbours("second", ALIKE))
        await producer.flush()
        (worker,) = await crew.hire()
        await crew.all_ready()
        assert worker.log.index(topic) < worker.log.index("partitions_assigned")
        assert await worker.metric('segue_state_entries.*"audio".*') == 2
        await producer.send(play(1, "first"))
        found = await eventually(lambda: lists.discover("u"), 10)
        assert found is not None
        assert (found.track_ids, found.sources) == (["fresh", "other"], ["audio", "audio"])
        assert (found.because, found.session) == ([0, 0], ["first"])
        await assert_exact(settings)

        await raw.send_and_wait(topic, b"poison", key=b"first")
        await producer.delete_audio_neighbours("first")
        await producer.delete_audio_neighbours("second")
        await producer.flush()

        async def are_forgotten() -> bool:
            return await worker.metric('segue_state_entries.*"audio".*') == 0

        await eventually(are_forgotten, 10)
        bad = f'segue_broadcast_records_total.*"bad".*{topic}.*'
        assert await worker.metric(bad) == 1
        await producer.send(play(2, "second"))

        async def is_empty() -> bool:
            found = await lists.discover("u")
            return found is not None and found.session[:1] == ["second"] and not found.track_ids

        await eventually(is_empty, 10)

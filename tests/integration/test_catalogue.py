"""The catalogue in workers: exact counts, known before the first play, and new tracks in lists."""

import itertools
import time

import pytest
from aiokafka import AIOKafkaProducer

from schemas import registry
from schemas.events import PlayEvent
from segue.client import CatalogueEntry, Credit, ListReader, PlayProducer
from segue.config import Settings
from segue.testing import eventually
from segue.testing.crew import Crew
from segue.testing.load import ARTISTS, CLUSTERS, TRACKS, Load
from segue.testing.truth import ALBUM_MARK
from segue.testing.verify import assert_exact

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


async def put(settings: Settings, *entries: CatalogueEntry) -> None:
    async with PlayProducer(
        settings.kafka_bootstrap, topic_prefix=settings.topic_prefix
    ) as producer:
        for entry in entries:
            await producer.send_track(entry)


async def test_counts_of_two_workers_are_exact_with_a_catalogue(
    settings: Settings, crew: Crew
) -> None:
    """A fifth of the plays name no artist; all tracks are in the catalogue."""
    tracks = itertools.product(range(CLUSTERS), range(TRACKS + 1))
    entries = [
        CatalogueEntry(
            f"track-{cluster}-{number}",
            "Title",
            (Credit("Guest", "featured"), Credit(f"Björn Fifth {cluster}-{number % ARTISTS}")),
            f"Album {number % 3}",
        )
        for cluster, number in tracks
    ]
    await put(settings, *entries)
    await crew.hire(2)
    await crew.all_ready()
    async with Load(settings, seed=21, rate_per_s=1_000) as load:
        await eventually(lambda: load.sent > 4_000, 60)
    truth = await assert_exact(settings)
    assert sum(row.startswith(ALBUM_MARK) for row in truth.rows) > CLUSTERS
    for worker in crew.workers:
        assert worker.log.index("broadcast_read") < worker.log.index("partitions_assigned")
        assert await worker.metric('segue_state_entries.*"catalogue".*') == len(entries)


async def test_a_new_track_is_in_the_lists_of_its_artists_listeners_before_they_play_again(
    settings: Settings, crew: Crew
) -> None:
    await put(settings, CatalogueEntry("old", "Old", (Credit("Ann"),)))
    (worker,) = await crew.hire()
    await crew.all_ready()
    url = settings.redis_url.get_secret_value()
    async with (
        ListReader(url) as lists,
        PlayProducer(settings.kafka_bootstrap, topic_prefix=settings.topic_prefix) as producer,
        AIOKafkaProducer(**settings.kafka_client_options()) as raw,
    ):
        at_ms = time.time_ns() // 1_000_000 - 60_000
        # No play names its artist: the catalogue does.
        await producer.send(PlayEvent("e", "u", "old", at_ms, 60_000, 60_000, "finished"))
        await eventually(lambda: lists.discover("u"), 10)
        await raw.send_and_wait(registry.TRACKS.topic(settings.topic_prefix), b"poison", key=b"old")
        await producer.send_track(CatalogueEntry("new", "New", (Credit("ann"),), "Coast"))
        await producer.flush()
        began_s = time.monotonic()

        async def is_there() -> bool:
            found = await lists.discover("u")
            return found is not None and found.track_ids == ["new"]

        await eventually(is_there, 10)
        took_s = time.monotonic() - began_s
    assert took_s < 2.0  # half a second, and what a busy machine adds
    assert await worker.metric('segue_broadcast_records_total.*"bad".*') == 1
    assert "broadcast_records_skipped" in worker.log

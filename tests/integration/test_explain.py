"""`segue explain` on a real Kafka and Redis: a bot, a person, and somebody nobody knows."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from schemas.codec import encode_event
from schemas.registry import PLAYS
from segue.config import Settings
from segue.testing.characters import cutting_bot, heavy_listener
from segue.testing.crew import Crew
from segue.testing.load import Message, send_all
from segue.testing.truth import home_of
from segue.testing.verify import assert_exact

pytestmark = pytest.mark.integration


async def test_what_is_known_of_a_bot_and_of_a_person_is_explained(
    settings: Settings, crew: Crew
) -> None:
    await crew.hire(1)
    await crew.all_ready()
    plays = [*islice(cutting_bot(1), 60), *islice(heavy_listener(1), 60)]
    topic = PLAYS.topic(settings.topic_prefix)
    await send_all(
        settings,
        [
            Message(
                topic,
                home_of(play.user_id, settings.partitions),
                play.user_id.encode(),
                encode_event(play),
            )
            for play in plays
        ],
    )
    truth = await assert_exact(settings)
    assert truth.outcomes["held"] == 21
    code, said = await crew.segue("explain", "cutting-bot-1", "--json")
    found = json.loads(said.splitlines()[-1])
    assert code == 0
    assert found["known"]["suspected"] == ["cut"]
    assert (found["known"]["counts"], found["known"]["plays"]) == (False, 60)
    assert [sign["amount"] for sign in found["known"]["signs"] if sign["reason"] == "cut"] == [60]
    assert found["next"]["session"][0] == found["known"]["recent"][0] == plays[59].track_id
    code, said = await crew.segue("explain", "heavy-listener-1")
    assert code == 0
    for expected in ("plays count for others", "yes; repeats", "next for heavy-listener-1"):
        assert expected in said
    code, said = await crew.segue("explain", "nobody")
    assert (code, "nothing is known of nobody" in said) == (1, True)

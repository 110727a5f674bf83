"""The client for app teams: produce plays, feedback and what is known of tracks; read lists.

    async with PlayProducer("127.0.0.1:19092") as producer:
        await producer.send(play)
    async with ListReader("redis://127.0.0.1:16379/0") as lists:
        upcoming = await lists.next("listener-1")

It needs the contract (`schemas`), aiokafka and redis, and nothing else of Segue.
"""

from schemas.audio import AudioNeighbour, AudioNeighbours
from schemas.events import Feedback, PlayEvent, PrivacyRequest
from schemas.impressions import Impression, ShownEntry
from schemas.outputs import RecommendationList, SimilarTracks, TrendingTracks
from schemas.privacy import ListenerExport
from schemas.tracks import CatalogueEntry, Credit
from segue.client.exports import fetch_export
from segue.client.lists import ListReader
from segue.client.movement import movement
from segue.client.producer import PlayProducer
from segue.client.reasons import reason

__all__ = [
    "AudioNeighbour",
    "AudioNeighbours",
    "CatalogueEntry",
    "Credit",
    "Feedback",
    "Impression",
    "ListReader",
    "ListenerExport",
    "PlayEvent",
    "PlayProducer",
    "PrivacyRequest",
    "RecommendationList",
    "ShownEntry",
    "SimilarTracks",
    "TrendingTracks",
    "fetch_export",
    "movement",
    "reason",
]

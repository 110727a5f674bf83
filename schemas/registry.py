"""Every topic of Segue, declared once: name, key, direction, retention, partitions, owner.

`segue topics apply` creates them from here; the AsyncAPI document and the reference page are
written from here. A topic is called `{prefix}{name}.v1`; a breaking change of its value is a new
version.

Topics of one `group` share the state of one partition task, so they have equal partition counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from schemas.internal import DEAD_LETTER_VALUE_BYTES_MAX

__all__ = [
    "AUDIO_NEIGHBOURS",
    "DEAD_LETTERS",
    "DISCOVERIES",
    "FEEDBACK",
    "IMPRESSIONS",
    "LISTENERS_CHANGELOG",
    "NEIGHBOURS_CHANGELOG",
    "PAIRS",
    "PLAYS",
    "PRIVACY",
    "PRIVACY_EXPORTS",
    "RECOMMENDATIONS",
    "REGISTRY",
    "TOPICS",
    "TRACKS",
    "TRENDS",
    "TRENDS_CHANGELOG",
    "TREND_COUNTS",
    "VECTORS",
    "Direction",
    "TopicSpec",
    "spec_of",
]

Direction = Literal["in", "out", "internal"]

_DAY_MS: Final = 86_400_000
_BATCH_BYTES: Final = 1_048_576  # the largest that workers send, with room to spare
_HEADERS_BYTES: Final = 65_536  # far more than a dead letter's own headers
_LISTENERS: Final = "recommend-listeners"
_NEIGHBOURS: Final = "recommend-neighbours"
_TRENDS_GROUP: Final = "recommend-trends"
_VECTORS: Final = "recommend-vectors"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic. `retention_ms` None keeps records until compaction removes them.

    `partitions` is `keyed` (the setting SEGUE_PARTITIONS) or a fixed number. `owner` writes it:
    a role, or `producers` outside Segue. `value_type` names a struct or frame of `schemas`.
    """

    name: str
    key: str
    direction: Direction
    value_type: str
    owner: str
    doc: str
    group: str | None = None
    retention_ms: int | None = None
    compacted: bool = False
    partitions: Literal["keyed"] | int = "keyed"
    version: int = 1
    record_bytes: int = 0

    def topic(self, prefix: str = "segue.") -> str:
        """The name in Kafka.

        >>> PLAYS.topic()
        'segue.plays.v1'
        """
        return f"{prefix}{self.name}.v{self.version}"

    def partition_count(self, keyed: int) -> int:
        """The number of partitions where keyed topics have `keyed`."""
        return keyed if self.partitions == "keyed" else self.partitions

    def kafka_config(self, message_bytes_max: int) -> dict[str, str]:
        """The topic's configuration in Kafka's own words.

        The broker's limit is looser than ours: a record also has headers and a key, and what is
        slightly too large should be refused by us, as a dead letter, rather than by the broker.
        Every topic takes whole batches of ours (forwarded events too), and those that we write take
        what an input topic took with the headers of a dead letter added: a record that they
        refused would stop its partition for good.
        """
        limit = max(2 * message_bytes_max, _BATCH_BYTES)
        if self.owner != "producers":
            limit += _HEADERS_BYTES
        limit = max(limit, self.record_bytes)
        config = {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "max.message.bytes": str(limit),
        }
        if self.owner == "producers":
            # The broker's time: what a producer's clock says must not delete a record early, make
            # it look late, or let it claim a future. When a play happened stands in its value.
            config["message.timestamp.type"] = "LogAppendTime"
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        return config


PLAYS: Final = TopicSpec(
    name="plays",
    key="user_id",
    direction="in",
    value_type="PlayEvent",
    owner="producers",
    group=_LISTENERS,
    retention_ms=7 * _DAY_MS,
    doc="Plays, one event or an array of events per message.",
)
FEEDBACK: Final = TopicSpec(
    name="feedback",
    key="user_id",
    direction="in",
    value_type="Feedback",
    owner="producers",
    group=_LISTENERS,
    retention_ms=7 * _DAY_MS,
    doc="What listeners say of tracks, artists and their taste, one event or an array per message.",
)
PRIVACY: Final = TopicSpec(
    name="privacy",
    key="user_id",
    direction="in",
    value_type="PrivacyRequest",
    owner="producers",
    group=_LISTENERS,
    retention_ms=30 * _DAY_MS,  # longer than what it makes workers refuse
    doc="Erase a listener, or export what is kept of them.",
)
TRACKS: Final = TopicSpec(
    name="tracks",
    key="track_id",
    direction="in",
    value_type="CatalogueEntry",
    owner="producers",
    compacted=True,
    doc="The catalogue: the last entry of a track is what it is; an empty value deletes it.",
)
AUDIO_NEIGHBOURS: Final = TopicSpec(
    name="audio-neighbours",
    key="track_id",
    direction="in",
    value_type="AudioNeighbours",
    owner="producers",
    compacted=True,
    doc="What each track sounds like: its nearest tracks by sound; an empty value deletes them.",
)
IMPRESSIONS: Final = TopicSpec(
    name="impressions",
    key="user_id",
    direction="in",
    value_type="Impression",
    owner="producers",
    group=_LISTENERS,
    retention_ms=7 * _DAY_MS,
    doc="What was shown of lists and what became of it, one event or an array per message.",
)
PAIRS: Final = TopicSpec(
    name="pairs",
    key="none: the sender chooses the partition of the left track",
    direction="internal",
    value_type="PairsFrame",
    owner="recommend",
    group=_NEIGHBOURS,
    retention_ms=_DAY_MS,
    doc="Increments of co-occurrence, one binary frame per destination partition and flush.",
)
TREND_COUNTS: Final = TopicSpec(
    name="trend-counts",
    key="market",
    direction="internal",
    value_type="TrendCountsFrame",
    owner="recommend",
    group=_TRENDS_GROUP,
    retention_ms=_DAY_MS,
    doc="Plays counted per market, track and minute, one binary frame per market and flush.",
)
RECOMMENDATIONS: Final = TopicSpec(
    name="recommendations",
    key="user_id",
    direction="out",
    value_type="Recommendations",
    owner="recommend",
    retention_ms=_DAY_MS,
    doc="Lists that changed, one record per listener and flush, empty for one who was erased; if "
    "recommendations_topic is set.",
)
TRENDS: Final = TopicSpec(
    name="trends",
    key="market",
    direction="out",
    value_type="TrendingTracks",
    owner="recommend",
    retention_ms=_DAY_MS,
    doc="Trends that changed, one record per market, window and flush.",
)
PRIVACY_EXPORTS: Final = TopicSpec(
    name="privacy-exports",
    key="user_id",
    direction="out",
    value_type="ListenerExport",
    owner="recommend",
    retention_ms=_DAY_MS,
    doc="What is kept of a listener, in answer to a request on `privacy`.",
)
DISCOVERIES: Final = TopicSpec(
    name="discoveries",
    key="none: there is one partition",
    direction="internal",
    value_type="DiscoveriesFrame",
    owner="recommend",
    group=_VECTORS,
    retention_ms=_DAY_MS,
    partitions=1,
    doc="Plays of tracks new to their listeners, with the tracks before, one frame per flush.",
)
DEAD_LETTERS: Final = TopicSpec(
    name="dead-letters",
    key="as the rejected message",
    direction="out",
    value_type="bytes",
    owner="recommend",
    retention_ms=14 * _DAY_MS,
    record_bytes=DEAD_LETTER_VALUE_BYTES_MAX + 500_000,
    doc="Messages that were not accepted: the bytes as they came, the reason in the headers.",
)
REGISTRY: Final = TopicSpec(
    name="registry",
    key="topic",
    direction="internal",
    value_type="TopicRecord",
    owner="segue topics apply",
    compacted=True,
    partitions=1,
    doc="What each topic was created with: partition count and time of creation.",
)
LISTENERS_CHANGELOG: Final = TopicSpec(
    name="listeners-changelog",
    key="user_id",
    direction="internal",
    value_type="bytes",
    owner="recommend",
    group=_LISTENERS,
    compacted=True,
    doc="State of listeners: the last record of a key is its state; an empty one deletes it.",
)
NEIGHBOURS_CHANGELOG: Final = TopicSpec(
    name="neighbours-changelog",
    key="track_id",
    direction="internal",
    value_type="bytes",
    owner="recommend",
    group=_NEIGHBOURS,
    compacted=True,
    doc="State of neighbour rows: the last record of a key is its state; an empty one deletes it.",
)
TRENDS_CHANGELOG: Final = TopicSpec(
    name="trends-changelog",
    key="market and track_id",
    direction="internal",
    value_type="bytes",
    owner="recommend",
    group=_TRENDS_GROUP,
    compacted=True,
    doc="State of trends: the last record of a key is its state; an empty one deletes it.",
)
VECTORS: Final = TopicSpec(
    name="vectors",
    key="track_id",
    direction="internal",
    value_type="bytes",
    owner="recommend",
    group=_VECTORS,
    compacted=True,
    partitions=1,
    doc="The embedding: the vector of each track, read by every worker; the learner's changelog.",
)

TOPICS: Final = (
    PLAYS,
    FEEDBACK,
    IMPRESSIONS,
    PRIVACY,
    TRACKS,
    AUDIO_NEIGHBOURS,
    PAIRS,
    TREND_COUNTS,
    RECOMMENDATIONS,
    TRENDS,
    PRIVACY_EXPORTS,
    DISCOVERIES,
    DEAD_LETTERS,
    REGISTRY,
    LISTENERS_CHANGELOG,
    NEIGHBOURS_CHANGELOG,
    TRENDS_CHANGELOG,
    VECTORS,
)
_BY_NAME: Final = {spec.name: spec for spec in TOPICS}


def spec_of(name: str) -> TopicSpec:
    """The topic of that short name. Raises KeyError if there is none."""
    return _BY_NAME[name]

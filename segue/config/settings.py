"""Every setting of Segue, with its default, its limits and one line of help.

A value comes from an argument, else from the environment (`SEGUE_` and the name in capitals), else
from the file `.env` in the working directory, else it is the default. An empty variable counts as
not set. Limits of one value stand at its field; what settings ask of each other is in
`segue.config.checks`. A setting marked dangerous says who may use it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from segue.config import checks
from segue.config.arms import arms_text
from segue.config.kafka import kafka_client_options
from segue.config.secrets import hidden

__all__ = ["SECTIONS", "Port", "Settings"]

Port = Annotated[int, Field(ge=0, le=65_535)]
Prefix = Annotated[str, AfterValidator(checks.name_prefix)]

SECTIONS: Final[dict[str, str]] = {
    "kafka_bootstrap": "Kafka",
    "redis_url": "Redis",
    "topic_prefix": "Topics and groups",
    "role": "Worker",
    "batch_records": "Batches and flushes",
    "message_bytes_max": "Messages and dead letters",
    "lateness_ms": "Recommend",
    "local_kafka_port": "One machine",
    "log_level": "Logs",
}
"""The first setting of each section of the reference page, in order."""


def _dangerous(who: str) -> dict[str, Any]:
    return {"dangerous": who}


class Settings(BaseSettings):
    """All settings, frozen. Build it with `load_settings`, which says clearly what is wrong."""

    model_config = SettingsConfigDict(
        env_prefix="SEGUE_",
        env_ignore_empty=True,
        extra="ignore",  # a .env serves other programs too; load_settings warns of SEGUE_ ones
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        validate_default=True,
    )

    # Kafka
    kafka_bootstrap: Annotated[str, AfterValidator(checks.server_list)] = Field(
        "127.0.0.1:19092", description="Kafka servers to start from: host:port, comma between."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How connections to Kafka are encrypted and authenticated."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="How user name and password are proven; needed by the SASL protocols."
    )
    kafka_sasl_username: str | None = Field(None, description="User name at Kafka.")
    kafka_sasl_password: SecretStr | None = Field(None, description="Password at Kafka.")
    kafka_ssl_cafile: Path | None = Field(
        None, description="PEM file of the authorities trusted to sign brokers; else the system's."
    )
    kafka_ssl_certfile: Path | None = Field(
        None, description="PEM file of our own certificate, where brokers ask for one."
    )
    kafka_ssl_keyfile: Path | None = Field(
        None, description="PEM file of that certificate's key, unencrypted."
    )
    kafka_plaintext_allowed: bool = Field(
        False,
        description="Allow SASL_PLAINTEXT to other hosts than this one.",
        json_schema_extra=_dangerous(
            "Only for a network that encrypts by itself (a VPN, a service mesh): anybody else on "
            "the way reads the password and every message."
        ),
    )

    # Redis
    redis_url: Annotated[SecretStr, AfterValidator(checks.redis_address)] = Field(
        SecretStr("redis://127.0.0.1:16379/0"),
        description="Redis for lists; may hold user and password. rediss:// for TLS.",
    )
    redis_timeout_s: float = Field(
        5.0, gt=0, le=300, description="How long one request to Redis may take."
    )
    redis_retry_max_s: float = Field(
        5.0, gt=0, le=300, description="Longest pause between two tries while Redis is away."
    )

    # Topics and groups
    topic_prefix: Prefix = Field("segue.", description="What names of topics start with.")
    group_prefix: Prefix = Field(
        "segue-", description="What names of consumer groups and transactional ids start with."
    )
    partitions: int = Field(
        4, ge=1, le=10_000, description="Partitions of each keyed topic; fixed once it has data."
    )
    replication_factor: int = Field(
        1, ge=1, le=7, description="Copies of each topic; 3 wherever losing a disk matters."
    )

    # Worker
    role: Literal["recommend"] = Field("recommend", description="What a worker does.")
    web_host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address on which a worker serves /metrics and /health.",
        json_schema_extra=_dangerous(
            "Only inside a container or a closed network may it be other than loopback: these "
            "pages ask for no password."
        ),
    )
    web_port: Port = Field(6066, description="Port for /metrics and /health; 0 takes a free one.")
    session_timeout_s: float = Field(
        6.0, ge=1, le=300, description="Silence after which Kafka gives a worker's partitions away."
    )
    heartbeat_interval_s: float = Field(
        1.0, gt=0, le=100, description="Time between two signs of life to Kafka."
    )
    drain_timeout_s: float = Field(
        10.0, gt=0, le=600, description="How long a stopping worker may flush and hand over."
    )
    loop_stall_ms: int = Field(
        250, ge=1, description="Delay of the event loop from which on it is logged."
    )

    # Batches and flushes
    batch_records: int = Field(
        1000, ge=1, le=100_000, description="Most records an agent gets at a time."
    )
    flush_interval_s: float = Field(
        0.5, gt=0, le=60, description="Time between commits of a stage that sends on to another."
    )
    sink_flush_interval_s: float = Field(
        5.0, gt=0, le=60, description="Time between commits of a stage that is the last."
    )
    flush_records: int = Field(
        20_000, ge=1, description="Records applied after which a commit starts at once."
    )

    # Messages and dead letters
    message_bytes_max: int = Field(
        1_000_000, ge=1_000, le=10_000_000, description="Largest message accepted."
    )
    bad_window: int = Field(
        200, ge=1, description="How many of the last messages the bad share is taken of."
    )
    bad_share_max: float = Field(
        0.5, gt=0, le=1, description="Share of bad messages above which a partition pauses."
    )

    # Recommend
    lateness_ms: int = Field(
        3_600_000, ge=0, description="How much older than a listener's newest play is late."
    )
    session_gap_ms: int = Field(
        1_800_000, ge=0, description="Pause between plays that starts another session."
    )
    dedupe_window: int = Field(
        64, ge=1, le=4096, description="Event ids remembered per listener to find duplicates."
    )
    hold_suspicious: bool = Field(
        True,
        description="Keep plays of suspected listeners, and repeats, out of what others get.",
    )
    listeners_per_partition_max: int = Field(
        200_000, ge=1, description="Listeners a partition remembers; the longest silent go first."
    )
    tracks_per_partition_max: int = Field(
        100_000, ge=1, description="Tracks a partition remembers; the longest unplayed go first."
    )
    catalogue_tracks_max: int = Field(
        1_000_000,
        ge=1,
        description="Tracks of the catalogue a worker knows; those put longest ago go first.",
    )
    audio_tracks_max: int = Field(
        1_000_000,
        ge=1,
        description="Tracks whose audio neighbours a worker knows; those put longest ago go first.",
    )
    erasures_per_partition_max: int = Field(
        100_000, ge=1, description="Erasures a partition remembers; the oldest go first."
    )
    erasure_memory_days: int = Field(
        40, ge=1, le=3650, description="Days for which what is older than an erasure is refused."
    )
    erasure_secret: SecretStr = Field(
        SecretStr(""),
        description="Key of the hash by which an erased listener is remembered; keep it for good.",
    )
    context_decay: float = Field(
        0.8,
        gt=0,
        le=1,
        description="What each older track of a session counts of the one after it.",
    )
    learning_rate: float = Field(
        0.2, gt=0, le=1, description="Step by which rankers learn from a play."
    )
    list_length: int = Field(20, ge=1, le=100, description="Tracks in a list.")
    artist_tracks_max: int = Field(
        5, ge=0, le=100, description="Tracks of one artist in a list, spread out; 0: no limit."
    )
    exploration_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of `discover` lists with one entry drawn at random; 0: none.",
    )
    list_ttl_s: int = Field(
        604_800, ge=1, description="How long a list stays in Redis after its last change."
    )
    recommendations_topic: bool = Field(
        False,
        description="Send lists that changed to the topic recommendations too; costs a tenth.",
    )
    row_ttl_s: int = Field(
        604_800, ge=1, description="How long a track's neighbours stay after their last change."
    )
    arms: Annotated[str, AfterValidator(arms_text)] = Field(
        "default=100",
        description="Arms of an experiment (as `segue replay` names them) and their percent, "
        "comma between.",
    )
    arms_salt: str = Field(
        "", max_length=64, description="Another value draws anew which listeners are in which arm."
    )
    vocabulary_max: int = Field(
        2_000_000, ge=1000, description="Names a worker holds before unused ones are dropped."
    )
    row_cache_ttl_s: float = Field(
        0.25, ge=0, le=60, description="How old a track's neighbours may be that a worker uses."
    )
    row_publish_interval_s: float = Field(
        0.25, gt=0, le=60, description="Time between two writes of changed neighbours."
    )
    trend_publish_interval_s: float = Field(
        1.0, gt=0, le=60, description="Time between two writes of changed trends."
    )

    vectors_max: int = Field(
        1_000_000, ge=1000, description="Tracks that the embedding knows; the longest unused go."
    )
    vectors_flush_interval_s: float = Field(
        2.0, gt=0, le=60, description="Time between two commits of what the embedding learned."
    )

    # One machine
    local_kafka_port: Port = Field(
        19092, description="Port of the first Kafka node that `segue up` starts; 0: a free one."
    )
    local_redis_port: Port = Field(
        16379, description="Port of the Redis that `segue up` starts; 0: a free one."
    )
    local_kafka_nodes: Annotated[int, AfterValidator(checks.node_count)] = Field(
        1, description="Kafka nodes that `segue up` starts: 1, or 3 to try fail-over."
    )
    data_dir: Path = Field(
        Path(".segue"), description="Folder of data, logs and pids of what `segue up` starts."
    )

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important log lines that are written."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="One JSON object a line, or a form for people."
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        """Raise Misconfigured (which pydantic passes on) when settings contradict each other."""
        checks.check_together(self)
        return self

    def kafka_client_options(self) -> dict[str, Any]:
        """Return the arguments every aiokafka client shares; reads the TLS files when there are
        any. Raises Misconfigured when one of them cannot be used."""
        return kafka_client_options(self)

    def redacted(self) -> dict[str, Any]:
        """Return name and value of every setting, with secrets hidden. Safe to print and log."""
        return {name: hidden(name, getattr(self, name)) for name in type(self).model_fields}

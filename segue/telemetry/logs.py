"""Logs: one event is one line of JSON on stderr, ours and those of the libraries alike.

    log = get_logger(__name__)
    log.info("partitions_assigned", generation=3, count=4)

The event is a constant name, data are fields. The standard library's logging, which Faust, mode
and aiokafka use, goes through the same renderer. aiokafka writes about 50 errors a second while a
broker is away: of its loggers one line a second passes, and tells how many did not.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import MutableMapping
from typing import Any, Final, Protocol, cast

import orjson
import structlog
from structlog.typing import Processor

from segue.clock import Clock, SystemClock
from segue.config import Settings

__all__ = ["Logger", "RateLimit", "configure_logging", "get_logger"]

LIMITED_LOGGERS: Final = ("aiokafka",)
LIMIT_INTERVAL_S: Final = 1.0
QUIET_LOGGERS: Final = ("asyncio", "faust", "mode", "kafka", "aiokafka", "aiohttp")

_Event = MutableMapping[str, Any]


class Logger(Protocol):
    """What a module may do with its logger. None of it blocks for long or raises."""

    def debug(self, event: str, **fields: object) -> None:
        """For one event or record; off under load."""

    def info(self, event: str, **fields: object) -> None:
        """For what an operator wants to see at full load."""

    def warning(self, event: str, **fields: object) -> None:
        """For what heals by itself but should not happen often."""

    def error(self, event: str, **fields: object) -> None:
        """For what needs somebody; `exc_info=error` adds the traceback."""

    def exception(self, event: str, **fields: object) -> None:
        """As error, with the traceback of the exception being handled."""


def get_logger(name: str) -> Logger:
    """Return the logger of a module. May be called before `configure_logging`, at import.

    Before that only warnings and errors show, on stderr: stdout belongs to what a command prints.
    """
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return cast(Logger, logger)


class RateLimit(logging.Filter):
    """Lets one line a second of each logger through; the next one tells how many were dropped.

    Lines at DEBUG are not counted: they are off unless somebody looks for them. Safe in threads.
    """

    def __init__(self, clock: Clock, *, interval_s: float = LIMIT_INTERVAL_S) -> None:
        super().__init__()
        self._clock = clock
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._last: dict[str, tuple[float, int]] = {}  # logger -> (when it passed, dropped since)

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record passes; one that does carries `suppressed` when that is > 0."""
        if record.levelno <= logging.DEBUG or not _is_limited(record.name):
            return True
        now_s = self._clock.monotonic_s()
        with self._lock:
            passed_s, dropped = self._last.get(record.name, (-self._interval_s, 0))
            if now_s - passed_s < self._interval_s:
                self._last[record.name] = (passed_s, dropped + 1)
                return False
            self._last[record.name] = (now_s, 0)
        if dropped:
            record.suppressed = dropped
        return True


def configure_logging(settings: Settings, *, clock: Clock | None = None) -> None:
    """Route all logging of the process to stderr as the settings say. May be called twice."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_shared(), _add_suppressed],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings.log_format),
            ],
        )
    )
    handler.addFilter(RateLimit(clock or SystemClock()))
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(level)
    # Each rebalance fills pages at INFO, each fetch at DEBUG.
    quiet = logging.INFO if level == logging.DEBUG else max(level, logging.WARNING)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(quiet)
    logging.captureWarnings(capture=True)


def _shared() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]


def _renderers(log_format: str) -> list[Processor]:
    if log_format == "console":
        # Its own choice of traceback shows local variables, and some of them are secrets.
        plain = structlog.dev.plain_traceback
        return [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=plain, timestamp_key="at"
            )
        ]
    return [structlog.processors.format_exc_info, _event_first, _to_json]


def _is_limited(name: str) -> bool:
    return any(name == limited or name.startswith(f"{limited}.") for limited in LIMITED_LOGGERS)


def _add_suppressed(_: object, __: str, event: _Event) -> _Event:
    """Carry the count over from the record of a limited logger."""
    record = event.get("_record")
    suppressed = getattr(record, "suppressed", 0)
    if suppressed:
        event["suppressed"] = suppressed
    return event


def _event_first(_: object, __: str, event: _Event) -> _Event:
    """Order a line for the eye: when, how bad, who, what; then the data."""
    head = {key: event.pop(key) for key in ("at", "level", "logger", "event") if key in event}
    return {**head, **event}


def _to_json(_: object, __: str, event: _Event) -> str:
    """Render a line. What JSON does not know is shown as text: a log line must not raise."""
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    try:
        return orjson.dumps(event, default=repr, option=options).decode()
    except orjson.JSONEncodeError:  # text that is no UTF-8, an integer above 64 bits
        return orjson.dumps({str(key): _plain(value) for key, value in event.items()}).decode()


def _plain(value: object) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode()

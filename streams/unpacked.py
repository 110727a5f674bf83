"""Records as aiokafka unpacks them, without the object it would make of each.

aiokafka makes a frozen dataclass of eleven fields of each record, a third of what an event costs
until it is decoded. What it makes it from has offset, timestamp (ms), key, value and headers, and
nobody here asks for more.
"""

from typing import Any

from aiokafka.consumer.fetcher import FetchResult

__all__ = ["hand_out_unpacked"]


# Any: aiokafka publishes no types.
def hand_out_unpacked(fetcher: Any) -> None:
    """Make a consumer's fetcher hand out plain records. To be called once for each fetcher."""
    fetch = fetcher._proc_fetch_request

    async def plain(*request: Any) -> Any:
        found = await fetch(*request)
        for result in fetcher._records.values():
            if isinstance(result, FetchResult) and result.has_more():
                result._partition_records._consumer_record = _as_unpacked
        return found

    fetcher._proc_fetch_request = plain


def _as_unpacked(_: Any, record: Any) -> Any:
    return record

"""A worker whose partitions take RESTORE_S seconds to restore; else the real one.

Run by tests as `python -m segue.testing.slow_worker worker recommend`. Half of the time passes
before the changelog is read and half after it, so that a rebalance finds restores in each state.
"""

import asyncio
import os
from typing import Any

from segue.config import load_settings
from segue.worker import run_worker
from streams import changelog, tasks

__all__ = ["main"]


def main() -> None:
    """Run until SIGTERM, as `segue worker` does."""
    half_s = float(os.environ["RESTORE_S"]) / 2

    async def slowly(*args: Any) -> None:
        await asyncio.sleep(half_s)
        await changelog.restore(*args)
        await asyncio.sleep(half_s)

    vars(tasks)["restore"] = slowly
    run_worker(load_settings())


if __name__ == "__main__":
    main()

"""A stateless quixstreams application: BOOTSTRAP TOPIC COUNT. Runs in quixstreams' environment."""

import os
import sys
from pathlib import Path

from quixstreams import Application

sys.path.insert(0, str(Path(__file__).parent))
from meter import Meter  # type: ignore[import-not-found]  # found beside this file


def main() -> None:
    """Decode JSON by quixstreams' own deserializer and count."""
    bootstrap, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    meter = Meter(count)
    app = Application(
        broker_address=bootstrap,
        consumer_group=f"bench-{os.getpid()}",
        auto_offset_reset="earliest",
        loglevel="ERROR",
    )

    def take(_: object) -> None:
        meter.add()
        if meter.done:
            os._exit(0)

    app.dataframe(app.topic(topic, value_deserializer="json")).update(take)
    app.run()


if __name__ == "__main__":
    main()

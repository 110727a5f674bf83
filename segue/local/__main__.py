"""`python -m segue.local`: fetch ahead what the first start of Kafka needs (set-up calls it)."""

from __future__ import annotations

import sys

from segue.errors import SegueError
from segue.local.jars import find_java, find_kafka_libs


def main() -> None:
    """Check Java, fetch the jars. On failure one sentence and the remedy, exit code 1."""
    try:
        find_java()
        find_kafka_libs()
    except SegueError as problem:
        sys.exit(f"segue: {problem}\n  {problem.remedy}")


if __name__ == "__main__":
    main()

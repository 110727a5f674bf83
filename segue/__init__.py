"""Segue: a real-time stream processor for music services.

Plays come in by Kafka, models learn from each of them, and listeners' lists stand in Redis
milliseconds later. This package holds what surrounds that path: settings, the command line,
Kafka and Redis on one machine, the client. The path itself is `schemas`, `streams`, `agents`
and `models`.
"""

__version__ = "0.1.0"

"""The pipes: Kafka and Redis, in and out. No learning happens here."""

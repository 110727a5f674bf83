"""What a running process tells about itself: logs, metrics, health, delay of its event loop.

Nothing here knows Kafka, Redis or a model; the parts that do call in with plain values.
"""

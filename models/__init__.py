"""The brain: pure, synchronous decisions. No broker, store, event loop, settings or wall clock.

Time and randomness come in as arguments, so that the same log gives the same answer anywhere.
"""

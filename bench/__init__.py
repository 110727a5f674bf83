"""Benchmarks, each `python -m bench.NAME [--json FILE]`; `make bench` runs them all."""

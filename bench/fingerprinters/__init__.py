"""The systems that `bench.fingerprint` compares: ours, and those that others published."""

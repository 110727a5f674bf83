"""Which recording is this: the index of prints, and what its answers mean."""

"""Which recording is this: audio becomes fingerprints that survive disguise."""

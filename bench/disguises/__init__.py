"""Music that was tampered with, and how often a fingerprinter still names it."""

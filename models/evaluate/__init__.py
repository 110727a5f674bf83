"""How good the lists are: test on each play, then learn from it."""

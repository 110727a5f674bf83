"""Music, noise and speech to train and test the fingerprinter on, from distribution packages."""

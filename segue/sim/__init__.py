"""Plays that nobody pressed: simulated listeners, and logs of past plays read from files.

`catalogue` and `simulator` make plays up, `logfile` reads them from Parquet or CSV, `feeder` sends
either to Kafka at a pace. Nothing on the path of real plays imports this package.
"""

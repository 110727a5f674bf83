"""Programs that read one topic, each a process of its own, ours and our peers'.

Each takes BOOTSTRAP TOPIC COUNT (and what else it needs), reads COUNT messages from the beginning,
decodes each, and prints one line of JSON: events, CPU seconds and seconds of all but the
first and the last tenth. Start-up is in none of them.
"""

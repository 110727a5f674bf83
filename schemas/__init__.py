"""The contract: events in, outputs, Redis keys, topic registry, codec and golden messages.

Everything another program may rely on is named here. The package imports nothing of ours but
`segue.errors`, so that a front-end or a test can use it alone.
"""

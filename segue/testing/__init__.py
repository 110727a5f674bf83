"""What tests of Segue (and of programs that use it) need: real servers, and time in their hands.

`kafka_cluster()` and `redis_server()` run the real ones; `TcpProxy` slows and cuts the way to
them; `ManualClock` moves by hand; `eventually` waits for a condition with a deadline. Product code
never imports this package. What needs the streams is in modules of its own here, so that a test of
a model loads none of them.
"""

from __future__ import annotations

from segue.testing.manual_clock import ManualClock
from segue.testing.proxy import TcpProxy
from segue.testing.servers import fresh_settings, kafka_cluster, redis_server
from segue.testing.waiting import eventually

__all__ = [
    "ManualClock",
    "TcpProxy",
    "eventually",
    "fresh_settings",
    "kafka_cluster",
    "redis_server",
]

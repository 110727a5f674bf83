"""The recommender, learned play by play: three keyed stages and the lists made from them.

    plays         -> ListenerState    what each listener does; sums of pairs and counts to send on
    pairs         -> NeighbourState   each track's row of neighbours
    trend-counts  -> TrendState       what is played in each market
    Recommender                       lists from a listener's session, rows and trends

Counts and rows are sums of whole numbers: as long as nothing is evicted they depend neither on the
order in which partitions were served nor on how many there are. `docs/reference/recommend.md` holds
the exact rules; `reference` has them in plain Python. Call `warm()` before serving: the first call
of compiled code takes seconds.
"""

from models.recommend.listener_memory import ListenerLimits, ListenerSnapshot
from models.recommend.listeners import ListenerState
from models.recommend.neighbours import NeighbourState, RowColumns
from models.recommend.plays import OUTCOMES, Learned
from models.recommend.recommender import ListColumns, Recommender, ServedLists
from models.recommend.rowcache import RowCache
from models.recommend.trends import TrendState
from models.recommend.vocabulary import Vocabulary
from models.recommend.warm import warm

__all__ = [
    "OUTCOMES",
    "Learned",
    "ListColumns",
    "ListenerLimits",
    "ListenerSnapshot",
    "ListenerState",
    "NeighbourState",
    "Recommender",
    "RowCache",
    "RowColumns",
    "ServedLists",
    "TrendState",
    "Vocabulary",
    "warm",
]

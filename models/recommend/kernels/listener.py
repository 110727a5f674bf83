"""What is kept of a listener, as arrays: the columns that kernels of learning and serving share."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

WEIGHT_UNIT: Final = 2520  # the least common multiple of 1 to 10: every share of it is whole
CONTEXT_TRACKS: Final = 10
SERVED_TRACKS: Final = 20  # of each list: as far down as a hit counts
COHORTS: Final = 16  # of the listeners of an arm
CONTEXT_USED: Final = 5  # tracks of the context that lists are made from
RECENT_PLAYS: Final = 50
PASSED_PLAYS: Final = 8
CONTEXT_BITS: Final = 4  # hold 0 to CONTEXT_TRACKS

APPLIED: Final = 0
DUPLICATE: Final = 1
LATE: Final = 2
SKIPPED: Final = 3
HELD: Final = 4
ERASED: Final = 5

# Columns of ListenerArrays.meta.
PLAYS: Final = 0
NEWEST_MS: Final = 1  # newest start of a play that was not late
LAST_MS: Final = 2  # start of the play applied last
SESSION: Final = 3  # hash of its session id; 0 without
SESSION_LENGTH: Final = 4  # plays of the session that `recent` begins with
MARKET: Final = 5
LAST_TRACK: Final = 6  # of the last play that was not late, skipped or not
RECENT_COUNT: Final = 7
HEARD_COUNT: Final = 8
EVENT_COUNT: Final = 9
EVENT_NEXT: Final = 10  # where the ring of event ids goes on
SAID: Final = 11  # 1 + where theirs begin in `said`; 0 for those who never said anything
SAID_COUNT: Final = 12
BEGINS: Final = 13  # bit p: a session began with the play at place p of `recent`
PASSED_COUNT: Final = 14  # plays ever that were not applied: skipped early, or late
ERASED_MS: Final = 15  # what happened until then is refused
HELD_BACK: Final = 16  # bit p: others know nothing of the play at place p of `recent`
META_COLUMNS: Final = 17

# Columns of ListenerArrays.said.
STATEMENT: Final = 0  # its kind << 32 | the id of its subject
AT_MS: Final = 1

# Kinds of statements, as records have them.
LIKED: Final = 1
BLOCKED: Final = 2
HIDDEN: Final = 3
BLOCKED_ARTIST: Final = 4
TASTE_ARTIST: Final = 5
TASTE_GENRE: Final = 6
TASTE_LANGUAGE: Final = 7

HIDDEN_MS: Final = 30 * 86_400_000
"""How long a hidden track stays hidden."""
KEPT: Final = (0, 64, 256, 64, 128, 20, 20, 20)
"""How many statements of a kind are kept of a listener: then the oldest of the kind gives way."""
LIKED_WITH: Final = 6
"""What a like is added to: the artist, and the five likes before it."""

# Entries of ListenerArrays.counters, after DIRTY of slots.
TOUCHED: Final = 1  # entries of PlayColumns.touched
SAMPLED: Final = 2  # rows of PlayColumns.features
HELD_BY: Final = 3  # and four more: plays held back, by reason
SUSPECTED_BY: Final = 8  # and three more: how often a sign was full to its mark
TRUSTED_AGAIN: Final = 12
LISTENER_COUNTERS: Final = 13

# Trials.scores by cell (arm x COHORTS + cohort of the listener), list and sum.
OF_NEXT: Final = 0
OF_DISCOVER: Final = 1
OF_POPULAR: Final = 2
SCORED_LISTS: Final = 3
TRIALS: Final = 0
HITS_10: Final = 1
HITS_20: Final = 2
RECIPROCALS: Final = 3
GAINS: Final = 4
SCORE_SUMS: Final = 5


class ListenerArrays(NamedTuple):
    """Stage A. One row per listener's slot; newest first where order matters."""

    meta: NDArray[np.int64]
    recent: NDArray[np.int32]
    artists: NDArray[np.int32]  # of `recent`; 0 if unknown
    passed: NDArray[np.int32]  # ring of plays not applied: track, place << CONTEXT_BITS | context
    heard: NDArray[np.uint16]  # by hash of the track
    events: NDArray[np.uint32]  # ring of hashes of ids, 40 bits each: the lower 32
    events_high: NDArray[np.uint8]  # their upper 8
    conduct: NDArray[np.int32]  # see kernels.conduct
    said: NDArray[np.int64]  # what holds of what was said, oldest first; zeros behind
    liked: NDArray[np.int32]  # beside `said`: what a like was added to, else zeros
    served: NDArray[np.int32]  # the last `next` list, then the last `discover` list
    links: NDArray[np.int32]
    dirty: NDArray[np.uint8]
    stamp: NDArray[np.int64]  # the batch that touched the slot last
    counters: NDArray[np.int64]


class Trials(NamedTuple):
    """How lists served do against the plays that follow."""

    cell: NDArray[np.int16]  # by slot: the listener's arm and cohort
    scores: NDArray[np.float64]  # since they were drained

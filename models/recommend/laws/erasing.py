"""Laws of erasure: nothing is left, nothing comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from models.recommend.kernels.listener import PASSED_COUNT, PASSED_PLAYS
from models.recommend.laws.driving import (
    Case,
    Event,
    batches,
    feed_rows,
    given_row,
    keep_last,
    learn,
    new_listeners,
    new_rows,
    outcomes,
    restore,
    sent_erased,
    sent_pairs,
    sent_trends,
    tracks,
)
from models.recommend.listeners import ListenerState
from models.recommend.neighbours import NeighbourState, RowColumns
from models.recommend.vocabulary import NO_NAME
from schemas.events import TIME_MS_MAX, PlayEvent, PrivacyRequest
from schemas.frames import ARTIST_MARK

_WHO: Final = "ann"
_OWN: Final = "played by ann alone"
_PLAYS: Final = 12  # of the listener; so many are retained
_ARTISTS: Final = ("abba", "kino", _OWN)


class _Run:
    """Stages A and B, what they wrote to their changelogs, and what they published."""

    def __init__(self, case: Case) -> None:
        self.listeners: ListenerState = new_listeners(case, evicting=False)
        self.rows: NeighbourState = new_rows(case, evicting=False)
        self.kept: dict[bytes, bytes | None] = {}
        self.kept_rows: dict[bytes, bytes | None] = {}
        self.published: dict[str, RowColumns] = {}

    def learn(self, events: Sequence[Event]) -> list[str]:
        """Learn events in order, and hand on what follows; the outcomes."""
        found = outcomes(learn(self.listeners, events))
        feed_rows(self.listeners, self.rows)
        for name in self.rows.drain_withdrawn():
            self.published.pop(name, None)
        self.published.update(self.rows.drain_published(10_000))
        keep_last(self.kept, self.listeners.changes())
        keep_last(self.kept_rows, self.rows.changes())
        return found

    def everything_kept(self) -> str:
        """All names and records, as one text."""
        records = [*self.kept.items(), *self.kept_rows.items()]
        kept = [(key, value) for key, value in records if value is not None]
        return repr(kept) + repr([(name, row.names) for name, row in self.published.items()])


def check_erased_listeners_leave_no_trace(case: Case) -> None:
    """Rows, trends to come and everything kept are as if the listener had never been.

    Of a listener whose plays are all retained, whenever they are erased.
    """
    events = _with_retained_plays(case.events)
    erasure = PrivacyRequest("asked", _WHO, "erase", TIME_MS_MAX)
    erased, never = _Run(case), _Run(case)
    cut = min(case.cut, len(batches(events, case.batch)))
    for at, batch in enumerate([*batches(events, case.batch), ()]):
        if at == cut:
            slot = erased.listeners.slot(_WHO)
            if slot is not None and erased.listeners.arrays.meta[slot, PASSED_COUNT] > PASSED_PLAYS:
                return
            assert erased.learn([erasure]) == ["applied"]
            for run in (erased, never):
                sent_trends(run.listeners)
        erased.learn(batch)
        never.learn([event for event in batch if event.user_id != _WHO])
    assert erased.listeners.snapshot(_WHO) is None
    names = (*tracks(events), *(ARTIST_MARK + artist for artist in _ARTISTS))
    for name in names:
        assert given_row(erased.rows, name) == given_row(never.rows, name)
    assert sent_trends(erased.listeners) == sent_trends(never.listeners)
    assert erased.published.keys() == never.published.keys()
    kept = erased.everything_kept()
    assert _OWN not in kept
    assert f"b'{_WHO}'" not in kept
    erased.listeners.drain_discoveries()  # they leave with the next commit, and name no listener
    for state in (erased.listeners, erased.rows):
        state.vocabulary.collect(state.used_ids())
        assert state.vocabulary.find(_OWN) == NO_NAME
        assert state.vocabulary.find(ARTIST_MARK + _OWN) == NO_NAME


def _with_retained_plays(events: Sequence[Event]) -> list[Event]:
    """The log with few plays of one listener, some of them of a track and an artist of their own.

    Without erasures.
    """
    found: list[Event] = []
    count = 0
    for event in events:
        if isinstance(event, PlayEvent) and event.user_id == _WHO:
            count += 1
            own = {"track_id": _OWN, "artist": _OWN} if count % 3 == 0 else {}
            if count <= _PLAYS:
                found.append(msgspec.structs.replace(event, **own))
        elif not isinstance(event, PrivacyRequest):
            found.append(event)
    return found


def check_erasing_again_changes_nothing(case: Case) -> None:
    """The same request again, or an earlier one, is a duplicate whatever was played since."""
    run = _Run(case)
    run.learn(case.events)
    now_ms = max(_time_ms(event) for event in case.events) + 1
    erasures = [PrivacyRequest("asked", user, "erase", now_ms) for user in ("ann", "bob", "eve")]
    run.learn(erasures)
    later_ms = TIME_MS_MAX - 1
    run.learn([PlayEvent(f"e{i}", "ann", f"t{i}", later_ms, 9, 9, "finished") for i in range(3)])
    known = run.listeners.snapshot(_WHO)
    assert known is not None
    assert known.plays == 3
    earlier = [msgspec.structs.replace(request, at_ms=now_ms - 1) for request in erasures]
    assert {*outcomes(learn(run.listeners, [*erasures, *earlier]))} <= {"duplicate"}
    assert run.listeners.snapshot(_WHO) == known
    assert run.listeners.changes() == []
    assert sent_erased(run.listeners) == sent_pairs(run.listeners)


def check_what_is_older_than_an_erasure_is_refused(case: Case) -> None:
    """The whole log again, in any state that knows of the erasures, brings nothing back."""
    run = _Run(case)
    run.learn(case.events)
    now_ms = max(_time_ms(event) for event in case.events)
    users = sorted({event.user_id for event in case.events})
    run.learn([PrivacyRequest("asked", user, "erase", now_ms) for user in users])
    assert len(run.listeners) == 0
    plays = [event for event in case.events if not isinstance(event, PrivacyRequest)]
    assert {*run.learn(plays)} <= {"erased"}
    assert len(run.listeners) == 0
    restored = new_listeners(case, evicting=False)
    restore(restored, run.kept)
    assert {*outcomes(learn(restored, plays))} <= {"erased"}


def _time_ms(event: Event) -> int:
    return event.started_at_ms if isinstance(event, PlayEvent) else event.at_ms

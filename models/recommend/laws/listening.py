"""Laws of stage A."""

from __future__ import annotations

from models.recommend.laws.driving import (
    Case,
    batches,
    by_listener,
    feed_rows,
    given_row,
    keep_last,
    learn,
    new_listeners,
    new_rows,
    outcomes,
    reference_learn,
    restore,
    sent_erased,
    sent_pairs,
    sent_trends,
    tracks,
)
from models.recommend.listeners import ListenerState
from models.recommend.reference import ReferenceListeners
from models.recommend.reference_catalogue import ReferenceCatalogue
from models.recommend.vocabulary import Vocabulary
from schemas.events import PlayEvent, PrivacyRequest


def check_learning_equals_reference(case: Case) -> None:
    """Outcomes, memory of every listener, pairs, plays, trend counts and evictions are equal."""
    state = new_listeners(case)
    reference = ReferenceListeners(case.limits, catalogue=ReferenceCatalogue(case.entries))
    for batch in batches(case.events, case.batch):
        expected = reference_learn(reference, batch)
        assert outcomes(learn(state, batch)) == expected
        for user in {event.user_id for event in batch}:
            assert state.snapshot(user) == reference.snapshot(user)
    assert state.evictions == reference.evictions
    assert [state.user_id(slot) for slot in state.all_slots()] == [*reference.listeners]
    assert sent_pairs(state) == (reference.plays, reference.pairs)
    assert sent_erased(state) == (reference.erased_plays, reference.erased_pairs)
    assert sent_trends(state) == reference.trends


def check_batches_do_not_matter(case: Case) -> None:
    """Learning one event at a time or all at once gives the same."""
    single, whole = new_listeners(case), new_listeners(case)
    one_by_one = [name for event in case.events for name in outcomes(learn(single, [event]))]
    assert outcomes(learn(whole, case.events)) == one_by_one
    assert single.changes() == whole.changes()
    assert sent_pairs(single) == sent_pairs(whole)
    assert sent_erased(single) == sent_erased(whole)


def check_touched_listeners_are_those_that_changed(case: Case) -> None:
    """`touched` names, once each, the listeners still held for whom something was not a repeat."""
    state = new_listeners(case)
    for batch in batches(case.events, case.batch):
        for event in batch:
            learned = learn(state, [event])[0]
            changed = outcomes([learned]) not in (["duplicate"], ["erased"])
            erasing = isinstance(event, PrivacyRequest)
            expected = [state.slot(event.user_id)] if changed and not erasing else []
            assert learned.touched == expected
    plays = [event for event in case.events if isinstance(event, PlayEvent)]
    together = new_listeners(case).learn(plays).touched
    assert len({*together}) == len(together)


def check_repeated_events_change_nothing(case: Case) -> None:
    """What arrives again within its listener's window is a duplicate and leaves no trace."""
    state = ListenerState(Vocabulary(case.vocabulary_limit))
    plays = [event for event in case.events if isinstance(event, PlayEvent)]
    learn(state, plays)
    histories = by_listener(plays)
    before, order = {user: state.snapshot(user) for user in histories}, state.all_slots()
    state.changes()
    state.drain_pairs(len)
    state.drain_trend_counts()
    # The last plays of each listener, hashes of at most `dedupe_window` ids, all in one batch.
    again = [event for history in histories.values() for event in history[-10:]]
    learned = learn(state, again)
    assert {*outcomes(learned)} <= {"duplicate"}
    assert all(part.touched == [] for part in learned)
    assert {user: state.snapshot(user) for user in histories} == before
    assert state.all_slots() == order
    assert state.changes() == []
    assert state.drain_pairs(len) == {}
    assert state.drain_trend_counts() == []


def check_interleaving_of_listeners_does_not_matter(case: Case) -> None:
    """Any order that keeps each listener's own gives equal counts, rows and memories."""
    as_given, one_by_one = (new_listeners(case, evicting=False) for _ in range(2))
    rows, other_rows = (new_rows(case, evicting=False) for _ in range(2))
    histories = by_listener(case.events)
    for batch in batches(case.events, case.batch):
        learn(as_given, batch)
        feed_rows(as_given, rows)
    for history in reversed(histories.values()):
        learn(one_by_one, history)
        feed_rows(one_by_one, other_rows)
    assert sent_trends(as_given) == sent_trends(one_by_one)
    for user in histories:
        assert as_given.snapshot(user) == one_by_one.snapshot(user)
    assert rows.dropped == other_rows.dropped == 0, "the case has more tracks than a row holds"
    for track in tracks(case.events):
        assert given_row(rows, track) == given_row(other_rows, track)


def check_listeners_continue_after_restore(case: Case) -> None:
    """A state rebuilt from its records at any place goes on as the first would have."""
    original, restored = new_listeners(case), new_listeners(case)
    changelog: dict[bytes, bytes | None] = {}
    for at, batch in enumerate(batches(case.events, case.batch)):
        if at == case.cut:
            sent_pairs(original)
            restore(restored, changelog)
            assert len(restored) == len(original)
        expected = outcomes(learn(original, batch))
        records = original.changes()
        keep_last(changelog, records)
        if at >= case.cut:
            assert outcomes(learn(restored, batch)) == expected
            assert restored.changes() == records
    assert sent_pairs(original) == sent_pairs(restored)
    slots = zip(original.all_slots(), restored.all_slots(), strict=True)
    assert all(original.user_id(left) == restored.user_id(right) for left, right in slots)

"""Laws of stage A."""

from __future__ import annotations




def check_learning_equals_reference(case: Case) -> None:
    """Outcomes, memory of every listener, pairs, plays, trend counts and evictions are equal."""
    state, reference = new_listeners(case), ReferenceListeners(case.limits)
    for batch in batches(case.events, case.batch):
        expected = reference_learn(reference, batch)
        assert outcomes(learn(state, batch)) == expected
        for user in {event.user_id for event in batch}:
            assert state.snapshot(user) == reference.snapshot(user)
    assert state.evictions == reference.evictions
    assert [state.user_id(slot) for slot in state.all_slots()] == [*reference.listeners]
    assert_sent(state, reference)


def check_batches_do_not_matter(case: Case) -> None:
    """Learning one event at a time or all at once gives the same."""
    single, whole = new_listeners(case), new_listeners(case)
    outcomes = [name for event in case.events for name in outcomes(learn(single, [event]))]
    together = [name for run in runs_of_a_kind(case.events) for name in outcomes(learn(whole, run))]
    assert outcomes == together
    assert single.changes() == whole.changes()
    assert sent_pairs(single) == sent_pairs(whole)


def check_repeated_events_change_nothing(case: Case) -> None:
    """What arrives again within the window of its listener is a duplicate and leaves no trace."""
    state = ListenerState(Vocabulary(case.vocabulary_limit))
    plays = [event for event in case.events if isinstance(event, PlayEvent)]
    for batch in batches(plays, min(case.batch, state.limits.dedupe_window)):
        learn(state, batch)
    before = {user: state.snapshot(user) for user in users(plays)}
    order = state.all_slots()
    state.changes(), state.drain_pairs(lambda _: 0), state.drain_trend_counts()
    last = [run[-1] for run in by_listener(plays).values()]
    again = state.learn(last * 2)
    assert {*outcomes(again)} <= {"duplicate"} and again.touched == []
    assert {user: state.snapshot(user) for user in users(plays)} == before
    assert state.all_slots() == order
    assert state.changes() == [] and state.drain_pairs(lambda _: 0) == {}
    assert state.drain_trend_counts() == []


def check_listeners_continue_after_restore(case: Case) -> None:
    """A state rebuilt from its records at any place goes on as the first would have."""
    original, restored = new_listeners(case), new_listeners(case)
    changelog: dict[bytes, bytes | None] = {}
    for batch in batches(case.events[: case.cut], case.batch):
        learn(original, batch)
        keep_last(changelog, original.changes())
    restore(restored, changelog)
    assert restored.all_slots() is not None and len(restored) == len(original)
    original.drain_pairs(lambda _: 0), original.drain_trend_counts()
    for batch in batches(case.events[case.cut :], case.batch):
        assert outcomes(learn(original, batch)) == outcomes(learn(restored, batch))
        assert original.changes() == restored.changes()
    assert sent_pairs(original) == sent_pairs(restored)


def check_interleaving_of_listeners_does_not_matter(case: Case) -> None:
    """Any order that keeps each listener's own gives equal counts, rows and memories."""
    as_given, by_listener = new_listeners(case, evicting=False), new_listeners(case, evicting=False)
    rows, other_rows = new_rows(case, evicting=False), new_rows(case, evicting=False)
    for batch in batches(case.events, case.batch):
        learn(as_given, batch)
        feed_rows(as_given, rows)
    for run in reversed(by_listener(case.events).values()):
        learn(by_listener, run)
        feed_rows(by_listener, other_rows)
    assert as_given.drain_trend_counts() is not None
    for user in users(case.events):
        assert as_given.snapshot(user) == by_listener.snapshot(user)
    if rows.dropped == other_rows.dropped == 0:
        for track in tracks(case.events):
            assert row_of(rows, track) == row_of(other_rows, track)

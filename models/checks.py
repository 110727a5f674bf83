"""Laws: what every run of the recommender must keep, whatever the log.

`yield_checks` lists them. Each takes a `Case`, a log and how it is cut up, and raises
AssertionError where it is broken. Nothing in a law is random: the tests draw cases and apply each
law to each.
"""

from __future__ import annotations

from collections.abc import Iterator

from models.recommend.laws import erasing, exploring, keeping, listening, serving, tasting
from models.recommend.laws.driving import Case, Law

__all__ = ["Case", "Law", "yield_checks"]


def yield_checks() -> Iterator[Law]:
    """Every law, in the order of the stages."""
    yield listening.check_learning_equals_reference
    yield listening.check_batches_do_not_matter
    yield listening.check_touched_listeners_are_those_that_changed
    yield listening.check_repeated_events_change_nothing
    yield listening.check_interleaving_of_listeners_does_not_matter
    yield listening.check_listeners_continue_after_restore
    yield keeping.check_rows_equal_reference
    yield keeping.check_published_rows_are_the_newest
    yield keeping.check_rows_continue_after_restore
    yield keeping.check_trends_equal_reference
    yield keeping.check_trends_continue_after_restore
    yield keeping.check_records_are_as_of_their_call
    yield keeping.check_memory_is_bounded
    yield tasting.check_vectors_equal_reference
    yield tasting.check_vectors_continue_after_restore
    yield tasting.check_tastes_are_those_learned
    yield serving.check_lists_equal_reference
    yield serving.check_artists_are_bounded_and_spread
    yield serving.check_lists_keep_promises
    yield serving.check_rankers_continue_after_restore
    yield serving.check_runs_repeat
    yield exploring.check_explored_lists_equal_reference
    yield exploring.check_exploring_changes_nothing_else
    yield erasing.check_erased_listeners_leave_no_trace
    yield erasing.check_erasing_again_changes_nothing
    yield erasing.check_what_is_older_than_an_erasure_is_refused

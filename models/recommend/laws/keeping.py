"""Laws of stages B and C, and of the bounds of all."""

from __future__ import annotations




def check_rows_equal_reference(case: Case) -> None:
    """Plays and weights of each track, evictions included."""
    state, rows = new_listeners(case, evicting=False), new_rows(case)
    reference = ReferenceRows(case.tracks_max)
    for batch in batches(case.events, case.batch):
        learn(state, batch)
        for frame in state.drain_pairs(lambda name: hash32(name) % 3).values():
            rows.learn(frame)
            feed_reference_rows(reference, frame)
    assert rows.evictions == reference.evictions and len(rows) == len(reference.rows)
    for track in reference.rows:
        expected = (reference.plays[track], reference.top(track, 100))
        assert row_of(rows, track) == expected


def check_rows_continue_after_restore(case: Case) -> None:
    """Rows rebuilt from their records at any place go on as the first would have."""
    state, original, restored = new_listeners(case, evicting=False), new_rows(case), new_rows(case)
    changelog: dict[bytes, bytes | None] = {}
    for at, batch in enumerate(batches(case.events, case.batch)):
        learn(state, batch)
        if at * case.batch == case.cut // case.batch * case.batch:
            restore(restored, changelog)
        late = at * case.batch >= case.cut // case.batch * case.batch
        for frame in state.drain_pairs(lambda _: 0).values():
            original.learn(frame)
            if late:
                restored.learn(frame)
        records = original.changes()
        keep_last(changelog, records)
        if late:
            assert restored.changes() == records


def check_trends_equal_reference(case: Case) -> None:
    """Counts are exact; decayed scores and their order agree."""
    state, trends = new_listeners(case, evicting=False), TrendState(Vocabulary(1))
    references: dict[str, ReferenceTrend] = {}
    for batch in batches(case.events, case.batch):
        learn(state, batch)
        for frame in state.drain_trend_counts():
            trends.learn(frame)
            feed_reference_trend(references.setdefault(frame.market, ReferenceTrend()), frame)
    for market, reference in references.items():
        for track in {track for track, _ in reference.counts}:
            counts = (n for (name, _), n in reference.counts.items() if name == track)
            assert trends.plays(market, track) == sum(counts)
        for window, half_life in (("hour", HOUR_HALF_LIFE), ("day", DAY_HALF_LIFE)):
            names, scores = trends.trending(market, window, 1000)  # type: ignore[arg-type]  # both are
            expected = reference.scores(half_life)
            assert all(abs(expected[n] - s) < 1e-9 * max(1.0, s) for n, s in zip(names, scores))
            assert len(names) == sum(score > 1e-250 for score in expected.values())
            assert all(first >= second for first, second in zip(scores, scores[1:]))


def check_trends_continue_after_restore(case: Case) -> None:
    """Trends rebuilt from their records at any place go on bit by bit as the first would have."""
    state = new_listeners(case, evicting=False)
    original, restored = new_trends(case), new_trends(case)
    changelog: dict[bytes, bytes | None] = {}
    for at, batch in enumerate(batches(case.events, case.batch)):
        learn(state, batch)
        if at == case.cut // case.batch:
            restore(restored, changelog)
        for frame in state.drain_trend_counts():
            original.learn(frame)
            if at >= case.cut // case.batch:
                restored.learn(frame)
        records = original.changes()
        keep_last(changelog, records)
        if at >= case.cut // case.batch:
            assert dict(restored.changes()) == dict(records)
    for market in original.markets:
        first, again = (t.trending(market, "day", 50) for t in (original, restored))
        if at >= case.cut // case.batch:
            assert first[0] == again[0] and first[1].tolist() == again[1].tolist()


def check_memory_is_bounded(case: Case) -> None:
    """No state holds more than its limit, and names nobody uses are forgotten."""
    state, rows, trends = new_listeners(case), new_rows(case), new_trends(case)
    for batch in batches(case.events, case.batch):
        learn(state, batch)
        feed_rows(state, rows)
        for frame in state.drain_trend_counts():
            trends.learn(frame)
    assert len(state) <= case.limits.listeners_max and len(rows) <= case.tracks_max
    assert len(trends) <= len(trends.markets) * case.tracks_max and len(trends.markets) <= 2
    vocabulary = state.vocabulary
    vocabulary.collect(state.used_ids())
    held = {int(i) for array in state.used_ids() for i in array.ravel()}
    assert len(vocabulary) == len(held | {0})

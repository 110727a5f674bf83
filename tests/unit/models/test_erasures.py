"""Who was erased: by hash, bounded, and restored as it was."""

from __future__ import annotations

import pytest

from models.recommend.erasures import ERASURE_MARK, Erasures

DAY = 86_400_000


def erasures(*, limit: int = 100, memory_ms: int = 40 * DAY, key: bytes = b"") -> Erasures:
    return Erasures(limit=limit, memory_ms=memory_ms, key=key)


def test_what_is_refused_reaches_to_the_later_of_request_and_newest_play() -> None:
    known = erasures()
    known.note("ann", 1000, 400)
    known.note("bob", 1000, 1600)
    assert [known.until_ms(user) for user in ("ann", "bob", "cid")] == [1000, 1600, 0]


def test_an_earlier_request_is_done_and_a_later_one_is_new() -> None:
    known = erasures()
    assert known.note("ann", 1000, 5000)
    assert not known.note("ann", 1000, 9000)
    assert not known.note("ann", 999, 9000)
    assert known.note("ann", 1001, 1001)  # though less than what is refused already
    assert known.until_ms("ann") == 5000


def test_the_oldest_gives_way_to_one_too_many() -> None:
    known = erasures(limit=2)
    for at, user in enumerate(("ann", "bob", "cid"), start=1):
        known.note(user, at, at)
    assert len(known) == 2
    assert [known.until_ms(user) for user in ("ann", "bob", "cid")] == [0, 2, 3]
    assert [value is None for _, value in known.changes()] == [True, False, False]


def test_an_erasure_is_forgotten_when_topics_have_forgotten_what_it_refuses() -> None:
    known = erasures(memory_ms=DAY)
    known.note("ann", DAY, DAY)
    known.note("bob", 2 * DAY, 2 * DAY)
    assert known.until_ms("ann") == DAY
    known.note("cid", 2 * DAY + 1, 0)
    assert [known.until_ms(user) for user in ("ann", "bob")] == [0, 2 * DAY]


def test_records_hold_no_name_and_depend_on_the_key() -> None:
    plain, keyed, long = erasures(), erasures(key=b"secret"), erasures(key=b"s" * 100)
    names = set()
    for known in (plain, keyed, long):
        known.note("ann", 1, 1)
        ((key, value),) = known.changes()
        assert key.startswith(ERASURE_MARK)
        assert b"ann" not in key + (value or b"")
        names.add(key)
    assert len(names) == 3


def test_restored_erasures_refuse_the_same_and_go_on_the_same() -> None:
    known, restored = erasures(limit=2), erasures(limit=2)
    known.note("ann", 5, 7)
    known.note("bob", 6, 6)
    for key, value in known.changes():
        restored.restore(key, value)
    for one in (known, restored):
        one.note("cid", 8, 8)
    assert known.changes() == restored.changes()
    assert [restored.until_ms(user) for user in ("ann", "bob", "cid")] == [0, 6, 8]
    with pytest.raises(ValueError, match="not a record of an erasure"):
        restored.restore(ERASURE_MARK + b"x", b"\x09" * 17)

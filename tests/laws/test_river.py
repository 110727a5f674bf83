"""Our recommender is a River estimator: River's own checks, and what they do not ask."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from river.checks import yield_checks

from models.recommend.estimator import SessionRanker
from models.recommend.pipeline import Pipeline
from schemas.events import PlayEvent

ROOT = Path(__file__).resolve().parents[2]

Check = Callable[[SessionRanker], None]


def river_checks() -> Iterator[Check]:
    """The checks that apply: the last ones look for data sets, and River has none for rankers."""
    try:
        yield from yield_checks(SessionRanker())
    except ModuleNotFoundError as error:  # scikit-learn has those data sets
        assert error.name == "sklearn"  # else a check is lost


CHECKS = [*river_checks()]


def taught() -> SessionRanker:
    model = SessionRanker(listeners_max=10, tracks_max=50)
    for user in ("ann", "bob", "cleo"):
        for item in ("a", "b", "c"):
            model.learn_one(user, item, y=True, x={"artist": f"of {item}", "market": "SE"})
    model.learn_one("dan", "a", y=True)
    return model


@pytest.mark.parametrize("params", [*SessionRanker._unit_test_params()], ids=repr)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_check_of_river_holds(check: Check, params: dict[str, object]) -> None:
    check(SessionRanker(**params))  # type: ignore[arg-type]  # values of River's parameters


def test_rivers_checks_are_those_of_a_ranker() -> None:
    names = {check.__name__ for check in CHECKS}
    assert {"check_reco_routine", "check_pickling_supports_roundtrip"} < names


def test_it_ranks_as_the_lists_of_the_same_plays_do() -> None:
    model, pipeline = SessionRanker(), Pipeline(list_length=100, filtered=False)
    plays = [(user, item) for user in ("ann", "bob") for item in ("a", "b", "c", "d")]
    for number, (user, item) in enumerate([*plays, ("dan", "b")], start=1):
        model.learn_one(user, item, y=True, x={"at_ms": number})
        play = PlayEvent(str(number), user, item, number, 200_000, 200_000, "finished")
        (slot,) = pipeline.learn([play]).touched
        pipeline.propagate()
    (served,) = pipeline.recommend([slot])
    names, scores, *_ = served.next
    assert model.rank("dan", {"a", "b", "c", "d"}) == names
    assert [model.predict_one("dan", name) for name in names] == scores.tolist()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_goes_on_as_the_first_would_have(
    again: Callable[[SessionRanker], SessionRanker],
) -> None:
    model = taught()
    other = again(model)
    before = {item: other.predict_one("dan", item) for item in "abc"}
    for one in (model, other):
        one.learn_one("dan", "c", y=True)
        one.learn_one("eve", "b", y=False)
        one.learn_one("eve", "c", y=True)
    after = {item: model.predict_one("dan", item) for item in "abc"}
    assert {item: other.predict_one("dan", item) for item in "abc"} == after != before


def test_asking_changes_no_answer() -> None:
    asked, silent = taught(), taught()
    for _ in range(3):
        asked.predict_one("dan", "b")
        asked.rank("nobody", {"a", "b"})
    for model in (asked, silent):
        model.learn_one("dan", "b", y=True)
    items = {"a", "b", "c"}
    scores = [{item: model.predict_one("dan", item) for item in items} for model in (asked, silent)]
    assert scores[0] == scores[1]


def test_an_early_skip_takes_weight_and_a_newcomer_gets_what_is_popular() -> None:
    model = taught()
    assert model.rank("dan", {"b", "c"}) == ["b", "c"]
    for _ in range(4):
        model.learn_one("dan", "b", y=False)
    assert model.rank("dan", {"b", "c"}) == ["c", "b"]
    assert model.rank("newcomer", {"a", "b", "unknown"}) == ["a", "b", "unknown"]


def test_without_repeats_only_what_is_new_ranks() -> None:
    model = SessionRanker(repeats=False)
    for user in ("ann", "bob", "dan"):
        for item in ("a", "b", "c")[: 1 if user == "dan" else 3]:
            model.learn_one(user, item, y=True)
    assert model.predict_one("dan", "a") == 0
    assert model.predict_one("dan", "b") > 0


def test_a_named_session_and_a_gap_begin_anew() -> None:
    def linked(x: dict[str, object]) -> bool:
        model = SessionRanker(session_gap_ms=1000)
        model.learn_one("ann", "a", y=True, x={"at_ms": 5_000_000})
        model.learn_one("ann", "b", y=True, x={"at_ms": 5_000_000} | x)
        rows = model._pipeline.neighbours.row("a")
        return rows is not None and "b" in rows.names

    assert linked({}) and linked({"at_ms": 5_001_000})
    assert not linked({"at_ms": 5_001_001})


def test_users_and_items_may_be_numbers_that_are_not_their_digits() -> None:
    model = SessionRanker()
    for user in (1, 2):
        for item in (7, "7", 8):
            model.learn_one(user, item, y=True)
    model.learn_one(3, 7, y=True)
    assert model.rank(3, {7, "7", 8, 9})[:3] != model.rank("3", {7, "7", 8, 9})[:3]
    assert model.predict_one(3, "7") > model.predict_one(3, 8) > model.predict_one(3, 9) == 0


def test_the_example_of_the_how_to_holds() -> None:
    page = (ROOT / "docs/how-to/your-own-log.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(example, {})

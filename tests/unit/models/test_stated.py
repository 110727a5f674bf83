"""What newcomers see who stated genres, languages, or artists that the catalogue alone knows."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommend.laws.driving import Case
from models.recommend.laws.serving import check_lists_equal_reference
from models.recommend.pipeline import Pipeline
from models.recommend.recommender import ListColumns, Recommender
from schemas.events import Feedback, PlayEvent
from schemas.tracks import CatalogueEntry, Credit
from segue.testing.stage_a import T0, play, said

numbers = count()


def entry(track: str, artist: str = "Ann", genre: str = "pop", **more: str) -> CatalogueEntry:
    """One that is the older the later its name is in the alphabet."""
    released = f"{2000 - ord(track[0]):04d}"
    return CatalogueEntry(
        track,
        "T",
        (Credit(artist),),
        genres=(genre,),
        released_on=released,
        **more,  # type: ignore[arg-type]  # texts only
    )


def taste(
    user: str = "ann",
    *,
    artists: tuple[str, ...] = (),
    genres: tuple[str, ...] = (),
    languages: tuple[str, ...] = (),
) -> Feedback:
    return said("taste", user=user, artists=artists, genres=genres, languages=languages)


def played(track: str, user: str = "bob", artist: str | None = None) -> PlayEvent:
    number = next(numbers)
    return play(track, T0 + number, user_id=user, artist=artist)


def knowing(*entries: CatalogueEntry, length: int = 5) -> Pipeline:
    pipeline = Pipeline(list_length=length)
    pipeline.catalogue.put(entries)
    return pipeline


def lists(pipeline: Pipeline, user: str = "ann") -> tuple[ListColumns, ListColumns]:
    slot = pipeline.listeners.slot(user)
    assert slot is not None
    (served,) = pipeline.recommend([slot])
    return served.next, served.discover


@pytest.mark.parametrize("stated", [taste(genres=("POP ",)), taste(languages=("pt-PT",))])
def test_a_newcomer_sees_the_newest_of_a_genre_or_language_before_trends(
    stated: Feedback,
) -> None:
    pipeline = knowing(
        entry("b", language="pt-BR"), entry("c", language="PT"), entry("a", genre="jazz")
    )
    pipeline.learn([played("x")])
    pipeline.propagate()
    pipeline.listeners.apply_feedback([stated])
    for tracks, scores, sources, because in lists(pipeline):
        assert tracks == ["b", "c", "x"]
        assert scores.tolist()[:2] == pytest.approx([1.0, 0.8])
        assert sources == ["stated", "stated", "popular"]
        assert because.tolist() == [-1, -1, -1]


def test_of_a_genre_what_is_played_most_comes_before_what_is_new() -> None:
    pipeline = knowing(entry("a"), entry("b"), entry("c"), entry("d", genre="jazz"))
    pipeline.learn([played("d"), played("d"), played("c"), played("c"), played("b")])
    pipeline.propagate()
    pipeline.listeners.apply_feedback([taste(genres=("pop",))])
    assert lists(pipeline)[0][0] == ["c", "b", "a", "d"]


def test_artists_come_first_in_each_round_then_genres_then_languages() -> None:
    pipeline = knowing(
        *(entry(track, "Ann", "rock") for track in ("a1", "b1")),
        *(entry(track, "Bo") for track in ("a2", "b2")),
        entry("a3", "Cy", "rock", language="sv"),
        length=6,
    )
    stated = taste(languages=("sv",), genres=("nothing", "pop"), artists=("ann", "nobody"))
    pipeline.listeners.apply_feedback([stated])
    tracks, scores, _, _ = lists(pipeline)[0]
    assert tracks == ["a1", "a2", "a3", "b1", "b2"]
    assert scores.tolist() == pytest.approx([1, 1, 1, 0.8, 0.8])


def test_what_an_artist_of_the_row_was_played_comes_before_their_new_tracks() -> None:
    pipeline = knowing(entry("a"), entry("b"))
    pipeline.learn([played("z", artist="ann"), played("b")])
    pipeline.propagate()
    pipeline.listeners.apply_feedback([taste(artists=("ann",))])
    tracks, _, sources, _ = lists(pipeline)[0]
    assert sources == ["stated"] * 3
    assert (*sorted(tracks[:2]), *tracks[2:]) == ("b", "z", "a")


def test_what_is_blocked_is_not_in_the_lists_and_a_genre_of_nothing_else_is_as_none() -> None:
    pipeline = knowing(entry("a"), entry("b", "Bo"), entry("c", genre="jazz"))
    pipeline.learn([played("x")])
    pipeline.propagate()
    blocks = [said("block_track", "a"), said("block_artist", artist="bo")]
    pipeline.listeners.apply_feedback([taste(genres=("pop", "jazz")), *blocks])
    assert lists(pipeline)[1][0] == ["c", "x"]
    pipeline.listeners.apply_feedback([said("block_track", "c")])
    assert lists(pipeline)[1][0] == ["x"]


def test_a_list_holds_no_more_of_an_artist_than_it_may() -> None:
    pipeline = knowing(*(entry(t, "Ann") for t in "abcd"), *(entry(t, "Bo") for t in "efg"))
    pipeline.listeners.apply_feedback([taste(genres=("pop",), artists=("ann",))])
    short = Recommender(
        pipeline.vocabulary,
        pipeline.neighbours,
        catalogue=pipeline.catalogue,
        list_length=6,
        artist_tracks_max=2,
    )
    slot = pipeline.listeners.slot("ann")
    assert slot is not None
    (served,) = short.recommend(pipeline.listeners, [slot])
    assert served.next[0] == ["a", "b", "e", "f"]


def test_a_taste_holds_until_the_first_play_and_without_a_catalogue_says_nothing() -> None:
    pipeline = knowing(entry("a"))
    pipeline.listeners.apply_feedback([taste(genres=("pop",)), taste(user="eve", genres=("pop",))])
    assert lists(pipeline)[0][0] == ["a"]
    pipeline.learn([played("x", "ann")])
    assert lists(pipeline)[0][0] == []
    pipeline.catalogue.delete(["a"])
    assert lists(pipeline, "eve")[0][0] == []


tracks = st.integers(0, 9).map("t{}".format)
people = st.sampled_from(["Ann", "Bo", "Cy"])
genres = st.sampled_from(["Pop", "jazz", "rock"])
languages = st.sampled_from(["pt-BR", "pt", "sv"])
known = st.builds(
    CatalogueEntry,
    tracks,
    st.just("T"),
    st.lists(people.map(Credit), max_size=1).map(tuple),
    released_on=st.sampled_from([None, "1999", "2001"]),
    genres=st.lists(genres, max_size=2).map(tuple),
    language=st.none() | languages,
)
tastes = st.builds(
    taste,
    user=st.sampled_from(["ann", "eve"]),
    artists=st.lists(people, max_size=2).map(tuple),
    genres=st.lists(genres, max_size=3).map(tuple),
    languages=st.lists(languages, max_size=2).map(tuple),
)
blocks = st.builds(said, st.sampled_from(["block_track", "hide"]), tracks)
plays = st.builds(played, tracks, artist=st.none() | people)


@settings(max_examples=100, deadline=None, print_blob=True)
@given(
    st.lists(known, max_size=12),
    st.lists(tastes, min_size=1, max_size=3),
    st.lists(blocks | plays, max_size=12),
)
def test_lists_of_newcomers_are_what_the_plain_rules_say(
    entries: list[CatalogueEntry], stated: list[Feedback], others: list[Feedback | PlayEvent]
) -> None:
    check_lists_equal_reference(Case([*others, *stated], entries=entries))

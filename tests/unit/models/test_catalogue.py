"""The catalogue in a worker: equal to its plain rules, bounded, and what lists make of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommend.catalogue import Catalogue, genre_key, group_keys, language_key
from models.recommend.kernels.content import FEW_GROUPS
from models.recommend.pipeline import Pipeline
from models.recommend.reference_catalogue import ReferenceCatalogue
from models.recommend.vocabulary import Vocabulary
from schemas.events import PlayEvent
from schemas.frames import ALBUM_MARK, ARTIST_MARK
from schemas.tracks import CatalogueEntry, Credit

START_MS = 1_700_000_000_000
GROUPS = [
    *(f"{ARTIST_MARK}{name}" for name in ("ann", "bo")),
    *(f"{ALBUM_MARK}{name}" for name in ("ann/tide", "bo/tide")),
    *map(genre_key, ("pop", "jazz", "rock", "folk", "soul")),
    *map(language_key, ("pt", "sv")),
]


def entry(
    number: int, artist: str = "Ann", album: str | None = "Tide", **more: str
) -> CatalogueEntry:
    return CatalogueEntry(f"t{number}", "T", (Credit(artist),), album, **more)  # type: ignore[arg-type]  # texts only


def play(number: int, track: str, user: str = "u", artist: str | None = None) -> PlayEvent:
    at_ms = START_MS + 60_000 * number
    return PlayEvent(f"e{number}", user, track, at_ms, 60_000, 60_000, "finished", artist=artist)


entries = st.builds(
    CatalogueEntry,
    st.integers(0, 12).map("t{}".format),
    st.just("T"),
    st.lists(st.sampled_from(["Ann", "ANN ", "Bo", "\u200b"]).map(Credit), max_size=2).map(tuple),
    st.sampled_from([None, "Tide", " tide", "\u200b"]),
    released_on=st.sampled_from([None, "1999", "1999-06", "1999-06-01", "2001"]),
    genres=st.lists(
        st.sampled_from(["Pop", "pop ", "jazz", "rock", "folk", "soul"]), max_size=6
    ).map(tuple),
    language=st.sampled_from([None, "pt-BR", "PT", "sv"]),
)
steps = st.lists(entries | st.integers(0, 12).map("t{}".format), max_size=60)


@settings(max_examples=100, deadline=None, print_blob=True)
@given(steps, st.sampled_from([1, 3, 8, 100]), st.integers(1, 9), st.sampled_from([1, 1000]))
def test_it_is_what_the_plain_rules_say(
    steps: list[CatalogueEntry | str], tracks_max: int, batch: int, limit: int
) -> None:
    words = Vocabulary(limit)
    catalogue, plain = Catalogue(words, tracks_max), ReferenceCatalogue((), tracks_max)
    waiting: list[CatalogueEntry] = []
    for step in [*steps, "nothing"]:
        if isinstance(step, CatalogueEntry):
            waiting.append(step)
            plain.put(step)
        if waiting and (isinstance(step, str) or len(waiting) == batch):
            catalogue.put(waiting)
            waiting = []
        if isinstance(step, str):
            catalogue.delete([step])
            plain.delete(step)
    assert (len(catalogue), catalogue.evictions) == (len(plain.entries), plain.evictions)
    for group in GROUPS:
        assert [words.names[i] for i in catalogue.newest(group)] == plain.newest(group)
    for number in range(13):
        track = words.intern([f"t{number}"])
        known = (catalogue.artists(track), catalogue.albums(track))
        found = tuple(words.names[int(ids[0])] for ids in known)
        assert found == (plain.artist(f"t{number}"), plain.album(f"t{number}"))


def test_of_a_large_group_the_newest_are_kept() -> None:
    words = Vocabulary()
    catalogue = Catalogue(words)
    numbers = [(7 * i) % 100 for i in range(100)]
    catalogue.put([entry(i, released_on=f"{1900 + i}") for i in numbers])
    newest = [words.names[i] for i in catalogue.newest(f"{ARTIST_MARK}ann")]
    assert newest == [f"t{i}" for i in range(99, 67, -1)]
    catalogue.delete(["t99", "t0"])
    assert [words.names[i] for i in catalogue.newest(f"{ARTIST_MARK}ann")] == newest[1:]


def test_groups_beyond_the_room_are_empty_and_nothing_breaks() -> None:
    words, count = Vocabulary(), 1_000
    catalogue = Catalogue(words, tracks_max=count)
    given = [
        CatalogueEntry(
            f"t{i}",
            "T",
            (Credit(f"a{i}"),),
            "x",
            language="".join(chr(97 + i // part % 26) for part in (1, 26, 676)),
            genres=tuple(f"genre-{4 * i + j}" for j in range(4)),
        )
        for i in range(3 * count)
    ]
    catalogue.put(given)
    assert (len(catalogue), catalogue.evictions) == (count, 2 * count)
    groups = {key for one in given for key in group_keys(one)}
    assert len(groups) == 7 * len(given)
    assert sum(bool(catalogue.newest(group)) for group in groups) == 2 * count + FEW_GROUPS
    assert catalogue.newest(f"{ARTIST_MARK}a0") == []
    catalogue.delete([f"t{i}" for i in range(3 * count)])
    catalogue.put([entry(0)])
    assert [words.names[i] for i in catalogue.newest(f"{ARTIST_MARK}ann")] == ["t0"]


def test_put_tells_the_artists_of_tracks_not_known_before() -> None:
    words = Vocabulary()
    catalogue = Catalogue(words)
    first = catalogue.put([entry(1), entry(2, "Bo"), entry(3, "Bo"), entry(4, "")])
    assert {words.names[i] for i in first.tolist()} == {f"{ARTIST_MARK}ann", f"{ARTIST_MARK}bo"}
    again = catalogue.put([entry(1, "Cy"), entry(5)])
    assert [words.names[i] for i in again.tolist()] == [f"{ARTIST_MARK}ann"]


def test_a_play_without_an_artist_takes_it_from_the_catalogue_and_its_own_goes_before() -> None:
    pipeline = Pipeline()
    pipeline.catalogue.put([entry(1), entry(2, "Bo")])
    pipeline.learn([play(0, "t1"), play(1, "t2", artist="Cy"), play(2, "t3")])
    pipeline.propagate()
    listener = pipeline.listeners.snapshot("u")
    assert listener is not None
    assert listener.artists == ["", f"{ARTIST_MARK}cy", f"{ARTIST_MARK}ann"]
    held = {
        name: pipeline.neighbours.row(name) for name in (f"{ARTIST_MARK}bo", f"{ALBUM_MARK}bo/tide")
    }
    assert held[f"{ARTIST_MARK}bo"] is None
    album = held[f"{ALBUM_MARK}bo/tide"]
    assert album is not None
    assert (album.plays, album.names, album.weights.tolist()) == (1, ["t2"], [2520])


@pytest.mark.parametrize(
    ("fresh", "named"),
    [
        (entry(9, album=None), True),
        (entry(9, "Bo", "Rain"), False),
        (CatalogueEntry("t9", "T"), False),
    ],
)
def test_a_track_never_played_is_named_by_its_artist(fresh: CatalogueEntry, named: bool) -> None:
    pipeline = Pipeline()
    pipeline.catalogue.put([entry(1), entry(2), fresh])
    pipeline.learn([play(0, "t2", "v"), play(1, "t1")])
    pipeline.propagate()
    slot = pipeline.listeners.slot("u")
    assert slot is not None
    (served,) = pipeline.recommend([slot])
    for tracks, _, sources, because in (served.next, served.discover):
        found = dict(zip(tracks, zip(sources, because.tolist(), strict=True), strict=True))
        assert ("t9" in found) is named
        if named:
            assert found["t9"] == ("artist", 0)
            assert tracks.index("t2") < tracks.index("t9")


def test_what_is_deleted_from_the_catalogue_leaves_the_lists() -> None:
    pipeline = Pipeline()
    pipeline.catalogue.put([entry(1), entry(9)])
    pipeline.learn([play(0, "t1")])
    slot = pipeline.listeners.slot("u")
    assert slot is not None
    assert pipeline.recommend([slot])[0].discover[0] == ["t9"]
    pipeline.catalogue.delete(["t9"])
    assert pipeline.recommend([slot])[0].discover[0] == []


def test_a_group_names_no_more_than_eight_tracks_that_nobody_played() -> None:
    pipeline = Pipeline()
    pipeline.catalogue.put([entry(i, released_on=f"{1980 + i}") for i in range(20)])
    pipeline.learn([play(0, "t0")])
    pipeline.propagate()
    slot = pipeline.listeners.slot("u")
    assert slot is not None
    tracks, _, _, _ = pipeline.recommend([slot])[0].discover
    # The artist names the newest eight, the album the eight after them.
    assert {*tracks} == {f"t{i}" for i in range(19, 3, -1)}

"""The name of an artist: one for many spellings, and fit to be a part of keys and frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.artists import ARTIST_CHARACTERS_MAX, artist_name
from schemas.events import ID_BYTES_MAX
from schemas.frames import ARTIST_MARK
from segue.testing.wire import folded

# What makes trouble: marks that combine, letters that fold, blanks of all kinds, what is not seen.
hard = st.text(
    st.sampled_from("aß\u0130\u0131\ufb01\uff21\u1e9e漢🎧\u0301\u0345\xad\u200b\x00")
    | st.sampled_from(" \t\n\x1f\x85\xa0\u2028\u3000")
)
texts = st.text(st.characters(exclude_categories=["Cs"])) | hard


@pytest.mark.parametrize(
    "spelling",
    [
        "Sigur Rós",
        "SIGUR RÓS",
        " sigur\t rós\n",
        "Sigur Ro\u0301s",
        "\uff33igur Rós",
        "Si\u200bgur Rós\x00",
    ],
)
def test_spellings_of_an_artist_have_one_name(spelling: str) -> None:
    assert artist_name(spelling) == "sigur rós"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Straße", "strasse"),
        ("\ufb01fth", "fifth"),
        ("AC/DC", "ac/dc"),
        ("!!!", "!!!"),
        ("漢字", "漢字"),
        ("", ""),
        (" \t\n", ""),
        ("\x00\u200b", ""),
    ],
)
def test_names_are_as_documented(text: str, name: str) -> None:
    assert artist_name(text) == name


def test_other_artists_have_other_names() -> None:
    names = ("Bjork", "Björk", "Bj örk", "Björk!")
    assert len({artist_name(name) for name in names}) == len(names)


@pytest.mark.parametrize("letter", ["x", "漢", "\ufdfa"])
def test_a_long_name_is_cut_and_fits_a_frame(letter: str) -> None:
    name = artist_name(letter * 1024)
    assert 0 < len(name) <= ARTIST_CHARACTERS_MAX
    assert len(ARTIST_MARK + name) <= ID_BYTES_MAX
    assert artist_name(letter * 1023) == name


@given(texts)
def test_a_name_holds_no_control_characters_and_no_blanks_at_its_ends(text: str) -> None:
    name = artist_name(text)
    assert name == name.strip()
    assert name.isprintable()
    assert ARTIST_MARK not in name
    assert "  " not in name


@given(texts)
def test_the_verifier_finds_the_same_name_by_its_own_code(text: str) -> None:
    assert artist_name(text) == folded(text)

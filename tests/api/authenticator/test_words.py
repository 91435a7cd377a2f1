"""Which language the enrolment page speaks."""

import re

import pytest

from api.authenticator.words import ENGLISH, JAPANESE, Words, words


@pytest.mark.parametrize(
    ("accept_language", "spoken"),
    [
        ("", ENGLISH),
        ("ja", JAPANESE),
        ("ja-JP,ja;q=0.9,en;q=0.8", JAPANESE),
        ("JA-jp", JAPANESE),
        ("en-GB, ja;q=0.9", ENGLISH),
        ("en;q=0.3, ja;q=0.7", JAPANESE),
        ("de, fr;q=0.9, ja;q=0.1", JAPANESE),
        ("de, *;q=0.5", ENGLISH),
        ("ja, en", JAPANESE),  # wanted as much: the first
        ("ja;q=0", ENGLISH),
        ("ja;q=nan", ENGLISH),
        ("ja;q=", ENGLISH),
        ("ja;level=1", ENGLISH),
        (";q=1,,;;=", ENGLISH),
        ("\xe9" * 1_000, ENGLISH),
    ],
)
def test_the_language_is_the_one_that_is_wanted_most(accept_language: str, spoken: Words) -> None:
    assert words(accept_language) is spoken


@pytest.mark.parametrize("spoken", [ENGLISH, JAPANESE], ids=["en", "ja"])
def test_every_text_is_said_and_is_no_markup(spoken: Words) -> None:
    assert all(text and not re.search(r"[<>&\"]", text) for text in spoken)
    assert set(re.findall(r"\{\w*\}", "".join(spoken))) == {"{account}", "{name}"}

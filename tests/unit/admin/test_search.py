"""What people type into the search field."""

from __future__ import annotations

import pytest

from taskadmin.admin.search import Search, parse_search


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, Search()),
        (" ", Search()),
        ("two words", Search(words=("two", "words"))),
        ('"two words" more', Search(words=("two words", "more"))),
        ('"never closed', Search(words=("never closed",))),
        ("job:a JOB:b", Search(terms={"job": "b"})),
        ('job:"a b"', Search(terms={"job": "a b"})),
        ("http://shop.example", Search(words=("http://shop.example",))),
        ("nobody:x 10:30 :", Search(words=("nobody:x", "10:30", ":"))),
        ("arg.Limit:-1 arg.url:http://x", Search(arguments={"Limit": "-1", "url": "http://x"})),
        ("arg.:x", Search(words=("arg.:x",))),
        ("\0job:\0x", Search(terms={"job": "x"})),
    ],
)
def test_a_search_is_words_and_qualifiers(text: str | None, expected: Search) -> None:
    """A name that has no meaning is a part of its word."""
    assert parse_search(text, ("job",)) == expected


@pytest.mark.parametrize("text", ["job:", "a job: b", 'job:""', "arg.x:"])
def test_a_qualifier_needs_a_value(text: str) -> None:
    """Else nothing is looked up, and a sentence says so."""
    name = "arg.x" if "arg" in text else "job"

    assert parse_search(text, ("job",)).problem == f"“{name}:” needs a value behind it."

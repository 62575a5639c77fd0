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
        ("job:a arg.job:b", Search(terms={"job": "a"}, arguments={"job": "b"})),
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


@pytest.mark.parametrize("text", ['"', '""', 'dice ""'])
def test_quotation_marks_need_something_between_them(text: str) -> None:
    """Else they would match everything."""
    assert parse_search(text, ()).problem == "There is nothing between the quotation marks."


@pytest.mark.parametrize("text", ["job:a JOB:b", "arg.x:1 arg.x:2"])
def test_nothing_can_be_two_things_at_once(text: str) -> None:
    """Neither of them is left out silently."""
    problem = parse_search(text, ("job",)).problem
    assert problem is not None and problem.endswith("is there twice, and nothing can be both.")


def test_what_only_runs_have_is_said_so() -> None:
    """In the list of tasks it would be a word that matches nothing."""
    problem = parse_search("worker:a", ("job",), of_runs=("worker",)).problem
    assert problem == "“worker:” can be looked for in the list of runs only."

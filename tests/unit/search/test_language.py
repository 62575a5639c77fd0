"""The syntax of searches."""

from __future__ import annotations

import pytest

from taskadmin.search.language import Search, parse_search, searchable


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
        ('"nobody:x" 10:30 :', Search(words=("nobody:x", "10:30", ":"))),
        ("arg.Limit:-1 arg.url:http://x", Search(arguments={"Limit": "-1", "url": "http://x"})),
        ("\0job:\0x", Search(terms={"job": "x"})),
    ],
)
def test_a_search_is_words_and_qualifiers(text: str | None, expected: Search) -> None:
    """Quoted text and addresses are words."""
    assert parse_search(text, ("job",)) == expected


@pytest.mark.parametrize(
    ("text", "name"), [("nobody:x", "nobody"), ("arg.:x", "arg."), ("a KeyError: b", "KeyError")]
)
def test_an_unknown_qualifier_is_named(text: str, name: str) -> None:
    """As a word, it would match nothing, and nobody would see why."""
    assert parse_search(text, ("job", "state")).problem == (
        f"“{name}:” is not known here. These are: job:, state: and arg.NAME:. To search for the"
        " text itself, put it in quotation marks."
    )


@pytest.mark.parametrize("text", ["job:", "a job: b", 'job:""', "arg.x:"])
def test_a_qualifier_needs_a_value(text: str) -> None:
    """Without one, the error is shown and nothing is searched."""
    name = "arg.x" if "arg" in text else "job"

    assert parse_search(text, ("job",)).problem == f"Enter a value after “{name}:”."


@pytest.mark.parametrize("text", ['"', '""', 'dice ""'])
def test_quotation_marks_need_something_between_them(text: str) -> None:
    """Otherwise, they would match everything."""
    assert parse_search(text, ()).problem == "The quotation marks are empty."


@pytest.mark.parametrize("text", ["job:a JOB:b", "arg.x:1 arg.x:2"])
def test_nothing_can_be_two_things_at_once(text: str) -> None:
    """Neither is ignored silently."""
    problem = parse_search(text, ("job",)).problem
    assert problem is not None and problem.endswith("only once.")


def test_qualifiers_of_runs_are_refused_for_tasks() -> None:
    """For tasks, it would be a word that matches nothing."""
    problem = parse_search("worker:a", ("job",), of_runs=("worker",)).problem
    assert problem == "“worker:” works only in the list of runs."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        (" \0 ", None),
        (" a b ", "a b"),
        ("a\0b", "ab"),
        ("a\ud800b", "ab"),
        ("x" * 1000, "x" * 200),
    ],
)
def test_searches_have_no_characters_that_postgresql_refuses(
    text: str | None, expected: str | None
) -> None:
    """They are also trimmed and shortened."""
    assert searchable(text) == expected

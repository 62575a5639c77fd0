"""Filters of lists, from a URL or a form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from taskadmin.jobs import job, registry
from taskadmin.search.list_filter import ListFilter, read_filter
from taskadmin.search.times import BadTerm
from taskadmin.store.reports.matching import ArgumentFilter
from taskadmin.store.reports.matching_tasks import MatchingTasks, TaskState

TaskFilter = ListFilter[MatchingTasks, TaskState]


def read(**values: str) -> TaskFilter | None:
    """Parse the values with two qualifiers, one of which takes numbers only."""

    def read_term(name: str, value: str) -> Mapping[str, Any]:
        if name == "author":
            return {"author": value}
        raise BadTerm(f"{value} isn't a job.")

    return read_filter(
        values,
        MatchingTasks(),
        TaskState,
        read_term,
        qualifiers=("author", "job"),
        of_runs=("run",),
    )


@pytest.mark.parametrize(
    ("values", "which", "given"),
    [
        ({}, MatchingTasks(), {}),
        ({"state": "", "search": " ", "page": "3"}, MatchingTasks(), {}),
        ({"state": "paused"}, MatchingTasks(states={TaskState.PAUSED}), {"state": "paused"}),
        (
            {"search": "two words author:ana"},
            MatchingTasks(words=("two", "words"), author="ana"),
            {"search": "two words author:ana"},
        ),
        (
            {"search": "arg.url:x"},
            MatchingTasks(arguments=(ArgumentFilter("url", "x"),)),
            {"search": "arg.url:x"},
        ),
    ],
)
def test_a_filter_is_a_tab_and_a_search(
    values: dict[str, str], which: MatchingTasks, given: dict[str, str]
) -> None:
    """It returns the arguments for links that keep it."""
    found = read(**values)

    assert found is not None
    assert (found.which, found.given, found.problem) == (which, given, None)


@pytest.mark.parametrize(
    ("search", "problem"),
    [
        ("job:x", "x isn't a job."),
        ("job:x author:", "Enter a value after “author:”."),
        ("run:5", "“run:” works only in the list of runs."),
    ],
)
def test_a_search_with_an_error_matches_nothing(search: str, problem: str) -> None:
    """The first error is shown, and the input stays."""
    found = read(search=search)

    assert found is not None
    assert (found.which.nothing, found.problem, found.search) == (True, problem, search)


def test_a_state_that_no_tab_has_is_no_filter() -> None:
    """No page links to it."""
    assert read(state="nonsense") is None


def test_jobs_that_mask_an_argument_are_excluded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches can't be used to guess secrets."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))

    @job(name="secretive")
    def secretive(token: SecretStr) -> None: ...

    found = read(search="arg.token:x")

    assert found is not None
    assert found.which.arguments == (ArgumentFilter("token", "x", frozenset({"secretive"})),)

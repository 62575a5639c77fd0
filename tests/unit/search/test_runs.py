"""Filters of runs from an address and a search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from taskadmin.jobs import job
from taskadmin.jobs.registry import _jobs
from taskadmin.models import RunState, TaskResult
from taskadmin.search.runs import run_filter
from taskadmin.search.times import Viewer
from taskadmin.store.reports.matching import ArgumentFilter
from taskadmin.store.reports.matching_runs import MatchingRuns

VIEWER = Viewer(UTC, lambda: datetime(2026, 11, 30, 9, 0, tzinfo=UTC))


@pytest.fixture
def secretive_job() -> Iterator[None]:
    """A job named probe with a secret token."""

    @job(name="probe")
    def probe(url: str, token: SecretStr) -> float:
        """Ask an address."""
        return 0.0

    yield
    del _jobs["probe"]


def which(**values: str) -> MatchingRuns:
    """Return the filter for these values of an address."""
    found = run_filter(values, VIEWER)
    assert found is not None
    assert found.problem is None
    return found.which


def test_plain_values_are_filters() -> None:
    """As in links of other pages."""
    assert which(task="3", launch="9", job="probe", error="a.Boom", state="failed") == MatchingRuns(
        task_id=3, launch_id=9, job="probe", error_type="a.Boom", states=[RunState.FAILED]
    )
    assert which(job="", error=" ", search="") == MatchingRuns()


@pytest.mark.parametrize(
    "values",
    [{"task": "x"}, {"task": ""}, {"launch": "0"}, {"state": "nonsense"}],
)
def test_invalid_values_are_not_found(values: dict[str, str]) -> None:
    """The page responds with 404."""
    assert run_filter(values, VIEWER) is None


def test_a_search_has_words_and_qualifiers() -> None:
    """An exception needs no module."""
    assert which(
        search='nightly "big totals" job:probe STATE:Failed author:ana queue:slow'
        " error:Boom worker:one task:3 launch:4"
    ) == MatchingRuns(
        words=("nightly", "big totals"),
        job="probe",
        states=[RunState.FAILED],
        author="ana",
        queue="slow",
        error_name="Boom",
        worker="one",
        task_id=3,
        launch_id=4,
    )


def test_times_are_arguments_and_qualifiers() -> None:
    """A run counts by the time when it finished; both are narrowed by each other."""
    day = MatchingRuns(
        since=datetime(2026, 11, 30, tzinfo=UTC), until=datetime(2026, 12, 1, tzinfo=UTC)
    )
    assert which(at="today") == day
    assert which(search="at:today") == day
    assert which(at="today", search="since:1h job:probe") == replace(
        day, since=datetime(2026, 11, 30, 8, 0, tzinfo=UTC), job="probe"
    )
    found = run_filter({"since": "noon"}, VIEWER)
    assert found is not None
    assert found.which.nothing
    assert found.given == {"since": "noon"}


@pytest.mark.usefixtures("secretive_job")
def test_arguments_know_where_they_are_secrets() -> None:
    """By the currently registered jobs."""
    assert which(search="arg.token:x arg.url:y").arguments == (
        ArgumentFilter("token", "x", frozenset({"probe"})),
        ArgumentFilter("url", "y"),
    )


def test_a_search_narrows_the_urls_filter() -> None:
    """Contradictions match nothing."""
    assert which(task="3", search="task:3") == MatchingRuns(task_id=3)
    assert which(task="3", search="task:4").nothing
    assert which(state="failed", search="state:queued").nothing
    assert not which(state="failed", search="state:failed").nothing


@pytest.mark.parametrize(
    ("search", "problem"),
    [
        ("state:nonsense", "“nonsense” is not a run state. The states are queued, running, "),
        ("task:dice", "Enter a number after “task:”; “dice” is not a number."),
        ("launch:-1 state:x", "Enter a number after “launch:”; “-1” is not a number."),
        ('job:""', "Enter a value after “job:”."),
        ("since:noon", "“noon” is not a time."),
    ],
)
def test_errors_in_a_search_are_shown(search: str, problem: str) -> None:
    """Nothing matches then."""
    found = run_filter({"search": search}, VIEWER)
    assert found is not None
    assert (found.problem or "").startswith(problem)
    assert found.which.nothing


def test_a_problem_is_on_the_page_and_stops_actions(
    superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """No run is listed, retried or cancelled."""
    page = superuser.get("/taskadmin/runs/?search=state:nonsense").text
    assert "“nonsense” is not a run state" in page
    assert "/taskadmin/runs/details/" not in page
    data = {"action": "cancel", "all": "yes", "search": "state:nonsense"}
    answer = superuser.post("/taskadmin/runs/action/", data=data)
    assert "Nothing was done: “nonsense” is not a run state" in superuser.get(answer.location).text


def test_a_search_keeps_to_its_links(superuser: FlaskClient, runs: list[TaskResult]) -> None:
    """Tabs, exports and actions on all matching runs keep it."""
    page = superuser.get("/taskadmin/runs/?search=first&launch=1&state=queued").text
    assert page.count('href="/taskadmin/runs/details/') == 3
    assert "/taskadmin/runs/export/csv/?launch=1&amp;state=queued&amp;search=first" in page
    assert 'href="/taskadmin/runs/?state=failed&amp;launch=1&amp;search=first"' in page
    assert '<input type="hidden" name="search" value="first">' in page
    assert 'href="/taskadmin/runs/?state=queued&amp;search=first">Launch 1' in page
    data = {"action": "cancel", "all": "yes", "search": "first", "launch": "1"}
    question = superuser.post("/taskadmin/runs/action/", data=data).text
    assert "Cancel 3 runs?" in question

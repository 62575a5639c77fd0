"""What an address and a search ask for of the runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from taskadmin.admin.run_filter import run_filter
from taskadmin.jobs import job
from taskadmin.jobs.registry import _jobs
from taskadmin.models import RunState, TaskResult
from taskadmin.store.matching_runs import Matching
from taskadmin.store.run_arguments import WantedArgument


@pytest.fixture
def secretive_job() -> Iterator[None]:
    """A job called probe whose token nobody may see."""

    @job(name="probe")
    def probe(url: str, token: SecretStr) -> float:
        """Ask an address."""
        return 0.0

    yield
    del _jobs["probe"]


def which(**values: str) -> Matching:
    """The runs that these values of an address mean."""
    found = run_filter(values)
    assert found is not None
    assert found.problem is None
    return found.which


def test_plain_values_are_filters() -> None:
    """As links of other pages have them."""
    assert which(task="3", launch="9", job="probe", error="a.Boom", state="failed") == Matching(
        task_id=3, launch_id=9, job="probe", error_type="a.Boom", states=[RunState.FAILED]
    )
    assert which(job="", error=" ", search="") == Matching()


@pytest.mark.parametrize(
    "values",
    [{"task": "x"}, {"task": ""}, {"launch": "0"}, {"state": "nonsense"}, {"state": ""}],
)
def test_values_that_no_page_links_to_mean_nothing(values: dict[str, str]) -> None:
    """Not found, says the page then."""
    assert run_filter(values) is None


def test_a_search_has_words_and_qualifiers() -> None:
    """An exception needs no module."""
    assert which(
        search='nightly "big totals" job:probe STATE:Failed author:ana queue:slow'
        " error:Boom worker:one task:3 launch:4"
    ) == Matching(
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


@pytest.mark.usefixtures("secretive_job")
def test_arguments_know_where_they_are_secrets() -> None:
    """By the jobs that are registered now."""
    assert which(search="arg.token:x arg.url:y").arguments == (
        WantedArgument("token", "x", frozenset({"probe"})),
        WantedArgument("url", "y"),
    )


def test_a_search_narrows_what_the_address_says() -> None:
    """Nothing is two things at once."""
    assert which(task="3", search="task:3") == Matching(task_id=3)
    assert which(task="3", search="task:4").nothing
    assert which(state="failed", search="state:queued").nothing
    assert not which(state="failed", search="state:failed").nothing


@pytest.mark.parametrize(
    ("search", "problem"),
    [
        ("state:nonsense", "“nonsense” is no state of a run: they are queued, running, "),
        ("task:dice", "“task:” needs a number, and “dice” is none."),
        ("launch:-1 state:x", "“launch:” needs a number, and “-1” is none."),
        ('job:""', "“job:” needs a value behind it."),
    ],
)
def test_what_is_wrong_with_a_search_is_said(search: str, problem: str) -> None:
    """And nothing matches."""
    found = run_filter({"search": search})
    assert found is not None
    assert (found.problem or "").startswith(problem)
    assert found.which.nothing


def test_a_problem_is_on_the_page_and_stops_actions(
    superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """No run is listed, retried or cancelled."""
    page = superuser.get("/taskadmin/runs/?search=state:nonsense").text
    assert "“nonsense” is no state of a run" in page
    assert "/taskadmin/runs/details/" not in page
    data = {"action": "cancel", "all": "yes", "search": "state:nonsense"}
    answer = superuser.post("/taskadmin/runs/action/", data=data)
    assert "Nothing was done: “nonsense” is no state" in superuser.get(answer.location).text


def test_a_search_keeps_to_its_links(superuser: FlaskClient, runs: list[TaskResult]) -> None:
    """Tabs, exports and the form for all that match have it, too."""
    page = superuser.get("/taskadmin/runs/?search=first&launch=1&state=queued").text
    assert page.count('href="/taskadmin/runs/details/') == 3
    assert "/taskadmin/runs/export/csv/?launch=1&amp;state=queued&amp;search=first" in page
    assert 'href="/taskadmin/runs/?state=failed&amp;launch=1&amp;search=first"' in page
    assert '<input type="hidden" name="search" value="first">' in page
    assert 'href="/taskadmin/runs/?state=queued&amp;search=first">Launch 1' in page
    data = {"action": "cancel", "all": "yes", "search": "first", "launch": "1"}
    question = superuser.post("/taskadmin/runs/action/", data=data).text
    assert "Cancel 3 runs?" in question

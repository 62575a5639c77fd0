"""Filters of tasks from an address and a search."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from fixture_types import MakeTask, MakeUser
from taskadmin.jobs import all_jobs, job
from taskadmin.jobs.registry import _jobs
from taskadmin.models import User
from taskadmin.search.tasks import TaskFilter, task_filter
from taskadmin.store.reports.matching import ArgumentFilter
from taskadmin.store.reports.matching_tasks import TaskState

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def probe() -> Iterator[None]:
    """A job named probe with its own queue and a secret token."""

    @job(name="probe", queue="slow")
    def probe(url: str, token: SecretStr) -> float:
        """Ask an address."""
        return 0.0

    yield
    del _jobs["probe"]


def wanted(**values: str) -> TaskFilter:
    """Return the filter for these values of an address."""
    found = task_filter(values, moment=NOW)
    assert found is not None
    return found


@pytest.mark.usefixtures("probe")
def test_a_search_has_words_and_qualifiers() -> None:
    """States depend on this process's jobs and the database's time."""
    found = wanted(
        search='nightly job:probe AUTHOR:ana queue:slow state:Failed arg.token:x "a b"',
        state="paused",
    )

    which = found.which
    assert found.problem is None
    assert which.words == ("nightly", "a b")
    assert (which.job, which.author, which.jobs) == ("probe", "ana", ["probe"])
    assert which.states == {TaskState.PAUSED, TaskState.FAILING}
    assert which.arguments == (ArgumentFilter("token", "x", frozenset({"probe"})),)
    assert set(which.known_jobs) == set(all_jobs())
    assert which.moment == NOW
    assert set(found.of_any_state.states) == {TaskState.FAILING}


@pytest.mark.parametrize("name", [*TaskState, "failed"])
def test_tabs_can_be_searched_for(name: str) -> None:
    """By their names; failed means failing."""
    expected = TaskState.FAILING if name == "failed" else TaskState(name)

    assert wanted(search=f"state:{name}").which.states == [expected]


def test_invalid_parameters_are_not_found() -> None:
    """The page responds with 404."""
    assert task_filter({"state": "failed"}, moment=NOW) is None
    assert wanted(state="", search=" ").given == {}


@pytest.mark.parametrize(
    ("search", "problem"),
    [
        ("queue:", "Enter a value after “queue:”."),
        (
            "state:x",
            "“x” is not a task state. The states are active, paused, failing, late and orphaned.",
        ),
    ],
)
def test_a_problem_means_that_nothing_matches(search: str, problem: str) -> None:
    """It is a sentence."""
    found = wanted(search=search)

    assert found.problem == problem
    assert found.which.nothing is True


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("dice", ["Dice"]),
        ("job:probe", ["Shop"]),
        ("queue:slow", ["Shop"]),
        ("author:boris", ["Dice"]),
        ("state:paused", ["Dice"]),
        ("state:orphaned", ["Gone"]),
        ("arg.lower_limit:10", ["Dice"]),
        ("arg.url:https://shop.example", ["Shop"]),
        ("arg.token:hush", []),
        ("arg.note:hush", ["Gone"]),
        ("job:probe state:paused", []),
    ],
)
def test_the_list_shows_the_search(
    superuser: FlaskClient,
    chief: User,
    make_user: MakeUser,
    make_task: MakeTask,
    search: str,
    names: list[str],
) -> None:
    """So does the confirmation of an action on all matching tasks."""
    make_task(make_user("boris"), 10, 20, name="Dice", enabled=False)
    make_task(
        chief, name="Shop", job="probe", params={"url": "https://shop.example", "token": "hush"}
    )
    make_task(chief, name="Gone", job="gone", params={"note": "hush"})

    page = superuser.get("/taskadmin/tasks/", query_string={"search": search}).text
    question = superuser.post(
        "/taskadmin/tasks/action/", data={"action": "pause", "all": "yes", "search": search}
    )

    shown = [name for name in ("Dice", "Shop", "Gone") if f">{name}</a>" in page]
    assert shown == names
    if names:
        assert "Pause 1 task?" in question.text
    else:
        assert question.status_code == 302

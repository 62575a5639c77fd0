"""The list of tasks: search, tabs and pages."""

from __future__ import annotations

import html
import re
from functools import partial

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.pages import messages
from services.rows.listed_runs import put_runs
from taskadmin.admin.tasks import views as tasks_page
from taskadmin.models import User
from taskadmin.store.reports import matching_tasks

LOOKED = "failed runs were checked; more tasks may be failing."


@pytest.fixture
def two_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search only the two newest failures."""
    for module in (matching_tasks, tasks_page):
        monkeypatch.setattr(module, "SEARCHED_FAILURES", 2)


def test_search_finds_names(superuser: FlaskClient, make_task: MakeTask) -> None:
    """Parts of names, case-insensitively; an empty result says so."""
    make_task(name="Freezing")
    make_task(name="Boiling")

    found = superuser.get("/taskadmin/tasks/?search=freez").text

    assert "Freezing" in found and "Boiling" not in found
    assert "No task matches “x”" in superuser.get("/taskadmin/tasks/?search=x").text


def test_tabs_say_how_many_tasks_they_have(
    superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """Of the search's tasks, independent of the current tab."""
    make_task(name="Dice", enabled=False)
    make_task(name="More dice")
    make_task(name="Coin", job="gone")

    def tabs(query: str) -> dict[str, str]:
        page = superuser.get(f"/taskadmin/tasks/?{query}").text
        return dict(re.findall(r">(\w+) <span class=\"count\">([\d,+]+)</span>", page))

    numbers = ("All", "Active", "Paused", "Failing", "Late", "Orphaned")
    assert tabs("") == dict(zip(numbers, "321001", strict=True))
    assert tabs("search=dice") == tabs("search=dice&state=paused")
    assert tabs("search=dice") == dict(zip(numbers, "211000", strict=True))


@pytest.mark.databases("sqlite")
def test_numbers_of_tabs_end_somewhere(
    monkeypatch: pytest.MonkeyPatch, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Large numbers have a plus, and counting stops."""
    for _ in range(4):
        make_task()
    monkeypatch.setattr(
        tasks_page, "count_tasks_by_state", partial(matching_tasks.count_tasks_by_state, most=2)
    )
    monkeypatch.setattr(tasks_page, "MAX_MATCHING", 2)

    page = superuser.get("/taskadmin/tasks/").text

    assert 'All <span class="count">2+</span>' in page
    assert 'Paused <span class="count">0</span>' in page
    assert "All matching: more than 2" in page
    assert "more than 2 tasks" in page


@pytest.mark.databases("sqlite")
def test_pages_go_on_behind_the_last_one_that_is_counted(
    monkeypatch: pytest.MonkeyPatch, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """A page has a number, but there is no total."""
    for _ in range(4):
        make_task()
    monkeypatch.setattr(tasks_page, "MAX_MATCHING", 2)
    monkeypatch.setattr(tasks_page.TasksView, "page_size", 1)

    third = superuser.get("/taskadmin/tasks/?page=2").text

    assert "Page 3 ·" in third
    assert 'href="/taskadmin/tasks/?page=3' in third
    assert superuser.get("/taskadmin/tasks/?page=3").status_code == 200
    assert superuser.get("/taskadmin/tasks/?page=4").location == "/taskadmin/tasks/"


def test_failing_tasks_are_shown_page_by_page_in_either_order(
    session: Session,
    superuser: FlaskClient,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    count_queries: CountQueries,
) -> None:
    """Newest first or by name, with their number; they are searched once."""
    for name in ("Bela", "Anna", "Cara", "Dora"):
        task = make_task(name=name)
        put_runs(session, task, ["succeeded" if name == "Dora" else "failed"])
    monkeypatch.setattr(tasks_page.TasksView, "page_size", 2)

    def names(**more: int) -> list[str]:
        page = superuser.get("/taskadmin/tasks/", query_string={"state": "failing", **more})
        return re.findall(r'<a class="name" href="[^"]+">(\w+)</a>', page.text)

    with count_queries() as statements:
        assert names() == ["Cara", "Anna"]
    assert sum("error_type IS NOT NULL" in one and "due_at >" in one for one in statements) == 1
    assert names(page=1) == ["Bela"]
    assert names(sort=0) == ["Anna", "Bela"]
    assert names(sort=0, page=1) == ["Cara"]
    page = superuser.get("/taskadmin/tasks/?state=failing")
    assert 'Failing <span class="count">3</span>' in page.text
    assert "Page 1 of 2" in page.text
    assert LOOKED not in page.text
    beyond = superuser.get("/taskadmin/tasks/?state=failing&page=2")
    assert beyond.location == "/taskadmin/tasks/?state=failing"


@pytest.mark.usefixtures("two_failures")
@pytest.mark.databases("sqlite")
def test_incomplete_counts_of_failing_tasks_are_marked(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Every tab's number has a plus, and the tab of failing tasks explains it."""
    for _ in range(3):
        put_runs(session, make_task(), ["failed"])

    def numbers(query: str) -> list[str]:
        page = superuser.get(f"/taskadmin/tasks/?{query}").text
        assert (LOOKED in page) == ("failing" in query)
        return re.findall(r'<span class="count">([\d+]+)</span>', page)

    assert numbers("") == ["3", "3", "0", "2+", "0", "0"]
    assert numbers("state=failing") == ["3", "3", "0", "2+", "0", "0"]
    assert numbers("search=state:failing") == ["2+", "2+", "0+", "2+", "0+", "0+"]


@pytest.mark.usefixtures("two_failures")
@pytest.mark.databases("sqlite")
def test_that_nothing_fails_is_not_said_where_not_all_failures_were_looked_through(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Tasks of the newest failures have recovered; older failures are unknown."""
    put_runs(session, make_task(), ["failed"])
    for _ in range(2):
        put_runs(session, make_task(), ["failed", "succeeded"])

    tab, search = (
        superuser.get(f"/taskadmin/tasks/?{query}").text
        for query in ("state=failing", "search=state:failing")
    )

    assert "No failing tasks found" in tab and LOOKED in tab
    assert "No failing tasks</h2>" not in tab
    assert "No task matches" in search and LOOKED in search


def test_the_last_sixty_runs_are_a_picture_with_words(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The last run has a link and its duration."""
    run_ids = put_runs(session, make_task(), [*["succeeded"] * 60, "failed", "succeeded"])

    page = superuser.get("/taskadmin/tasks/").text

    assert "<title>the last 60 runs, 1 failed</title>" in page
    assert f'href="/taskadmin/runs/details/?id={run_ids[-1]}"' in page
    assert '<span class="sub">2 sec</span>' in page


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("search", "problem"),
    [
        ("author:", "Enter a value after “author:”."),
        ("state:asleep", "“asleep” is not a task state. The states are active, paused, failing,"),
    ],
)
def test_a_search_that_makes_no_sense_finds_nothing(
    session: Session, superuser: FlaskClient, make_task: MakeTask, search: str, problem: str
) -> None:
    """The error is above the list, and actions on all matching tasks do nothing."""
    task = make_task(name="Dice")

    page = html.unescape(superuser.get(f"/taskadmin/tasks/?search={search}").text)
    answer = superuser.post(
        "/taskadmin/tasks/action/", data={"action": "pause", "all": "yes", "search": search}
    )

    assert problem in page and "Search failed" in page and "Dice" not in page
    (told,) = messages(superuser.get(answer.location).text)
    assert html.unescape(told).startswith(f"Nothing was done: {problem}")
    exported = superuser.get(f"/taskadmin/tasks/export/json/?search={search}")
    assert exported.status_code == 422
    assert problem in html.unescape(exported.text) and "Nothing was exported" in exported.text
    session.expire_all()
    assert task.enabled is True


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("state=paused", "No paused tasks"),
        ("state=failing", "No failing tasks"),
        ("state=late", "No late tasks"),
        ("state=orphaned", "No orphaned tasks"),
        ("state=late&search=x", "No late task matches “x”"),
        ("search=job:x", "No task matches “job:x”"),
    ],
)
def test_an_empty_list_says_why(
    superuser: FlaskClient, make_task: MakeTask, query: str, title: str
) -> None:
    """With a link to all tasks."""
    make_task()

    page = superuser.get(f"/taskadmin/tasks/?{query}").text

    assert f"<h2>{title}</h2>" in page
    assert ">Show all tasks</a>" in page

"""The list of tasks: search and export."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask, MakeUser
from services.listed_runs import put_runs
from services.pages import messages
from taskadmin.admin import tasks as tasks_page
from taskadmin.models import MASKED, User
from taskadmin.schedules import ScheduleKind
from taskadmin.store import clock, matching_tasks
from taskadmin.store.schedules import ScheduleInput, put_schedule

LOOKED = "failed runs were looked through; more tasks may be failing."


@pytest.fixture
def two_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more of the newest failures are looked through."""
    for module in (matching_tasks, tasks_page):
        monkeypatch.setattr(module, "FAILURES", 2)


def act(client: FlaskClient, action: str, *ids: object, path: str = "", **more: str) -> Any:
    """Do *action* on tasks."""
    data = {"action": action, "rowid": [str(id_) for id_ in ids], **more}
    return client.post(f"/taskadmin/tasks/action/{path}", data=data)


def test_exports_are_safe_for_spreadsheets(
    superuser: FlaskClient, make_task: MakeTask, chief: User
) -> None:
    """A name that looks like a formula is text; arguments are JSON."""
    make_task(chief, -1.5, 2, name="=cmd|'/c calc'!A1")

    answer = superuser.get("/taskadmin/tasks/export/csv/")

    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert list(row) == [
        *("id", "name", "job", "arguments", "schedule", "zone", "enabled", "author"),
        *("created_at", "updated_at"),
    ]
    assert row["name"] == "'=cmd|'/c calc'!A1"
    assert json.loads(row["arguments"]) == {"lower_limit": -1.5, "upper_limit": 2.0}
    assert row["schedule"] == "in the common slot, every 5 minutes"
    assert (row["author"], row["enabled"], row["zone"]) == ("chief", "True", "")


def test_exports_hold_no_secrets(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """As JSON, too: what was a secret when it was stored is dots, also when its job is gone."""
    arguments = {"url": "https://shop.example", "token": "hush-hush", MASKED: ["token"]}
    task_id = make_task(chief, job="gone", params=arguments, enabled=False).id
    daily = ScheduleInput(kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin")
    put_schedule(session, task_id, daily, moment=clock.now(session), slot_interval_s=300)
    session.commit()

    as_csv = superuser.get("/taskadmin/tasks/export/csv/")
    as_json = superuser.get("/taskadmin/tasks/export/json/")

    assert "hush" not in as_csv.text + as_json.text
    (row,) = as_json.get_json()
    assert row | {"created_at": "", "updated_at": ""} == {
        "id": task_id,
        "name": None,
        "job": "gone",
        "arguments": {"url": "https://shop.example", "token": "••••••"},
        "schedule": "at 02:30 every day, in Europe/Berlin",
        "zone": "Europe/Berlin",
        "enabled": False,
        "author": "chief",
        "created_at": "",
        "updated_at": "",
    }
    assert as_json.headers["Content-Disposition"] == "attachment; filename=tasks.json"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\uff1d1+1", "\uff20a"])
def test_names_of_tasks_and_authors_are_text_in_exports(
    superuser: FlaskClient, make_task: MakeTask, make_user: MakeUser, text: str
) -> None:
    """Whatever a spreadsheet takes for the beginning of a formula, wide characters too."""
    author = make_user(text)
    make_task(author, name=text)

    answer = superuser.get("/taskadmin/tasks/export/csv/")

    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["name"], row["author"]) == (f"'{text}", f"'{author.username}")


@pytest.mark.databases("sqlite")
def test_an_export_holds_what_was_searched_for(superuser: FlaskClient, make_task: MakeTask) -> None:
    """All of it, not a page; and no other."""
    for number in range(60):
        make_task(name=f"Freezing {number}")
    make_task(name="Boiling")

    answer = superuser.get("/taskadmin/tasks/export/csv/?search=freez")

    _, *rows = csv.reader(io.StringIO(answer.text))
    assert len(rows) == 60
    assert answer.content_type == "text/csv; charset=utf-8"
    assert superuser.get("/taskadmin/tasks/export/json/?state=paused").get_json() == []
    assert superuser.get("/taskadmin/tasks/export/json/?state=nonsense").status_code == 404


def test_the_list_asks_as_often_for_many_tasks_as_for_few(
    app: Flask, superuser: FlaskClient, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """Authors and last runs come in one query each."""

    def queries() -> int:
        with count_queries() as statements:
            assert superuser.get("/taskadmin/tasks/").status_code == 200
        return len(statements)

    few = [make_task().id for _ in range(2)]
    act(superuser, "run_now", *few)
    with_few = queries()
    act(superuser, "run_now", *[make_task().id for _ in range(50)])

    assert queries() == with_few <= 15


def test_search_finds_names(superuser: FlaskClient, make_task: MakeTask) -> None:
    """Part of a name, in any case; what isn't there is said."""
    make_task(name="Freezing")
    make_task(name="Boiling")

    found = superuser.get("/taskadmin/tasks/?search=freez").text

    assert "Freezing" in found and "Boiling" not in found
    assert "No task matches “x”" in superuser.get("/taskadmin/tasks/?search=x").text


def test_tabs_say_how_many_tasks_they_have(
    superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """Of those that the search finds; the tab that is open changes no number."""
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
    """Behind a large number there is a plus, and nothing is counted any further."""
    for _ in range(4):
        make_task()
    monkeypatch.setattr(
        tasks_page, "count_by_state", partial(matching_tasks.count_by_state, most=2)
    )
    monkeypatch.setattr(tasks_page, "MOST", 2)

    page = superuser.get("/taskadmin/tasks/").text

    assert 'All <span class="count">2+</span>' in page
    assert 'Paused <span class="count">0</span>' in page
    assert "All that match: more than 2" in page
    assert "more than 2 tasks" in page


@pytest.mark.databases("sqlite")
def test_pages_go_on_behind_the_last_one_that_is_counted(
    monkeypatch: pytest.MonkeyPatch, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """A page has a number, and nobody says how many there are."""
    for _ in range(4):
        make_task()
    monkeypatch.setattr(tasks_page, "MOST", 2)
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
    """The newest first or by name, with their number; they are looked for once."""
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
def test_it_is_said_where_not_all_failures_were_looked_through(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The number has a plus on every tab, and the tab of failing tasks says why."""
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
    """The newest failures were made up for; what is behind them nobody knows."""
    put_runs(session, make_task(), ["failed"])
    for _ in range(2):
        put_runs(session, make_task(), ["failed", "succeeded"])

    tab, search = (
        superuser.get(f"/taskadmin/tasks/?{query}").text
        for query in ("state=failing", "search=state:failing")
    )

    assert "No failing task was found" in tab and LOOKED in tab
    assert "No task is failing" not in tab
    assert "No task matches" in search and LOOKED in search


def test_the_last_sixty_runs_are_a_picture_with_words(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The last run leads to its page, with how long it took."""
    run_ids = put_runs(session, make_task(), [*["succeeded"] * 60, "failed", "succeeded"])

    page = superuser.get("/taskadmin/tasks/").text

    assert "<title>the last 60 runs, 1 failed</title>" in page
    assert f'href="/taskadmin/runs/details/?id={run_ids[-1]}"' in page
    assert '<span class="sub">2 sec</span>' in page


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("search", "problem"),
    [
        ("author:", "“author:” needs a value behind it."),
        ("state:asleep", "“asleep” is no state of a task: they are active, paused, failing,"),
    ],
)
def test_a_search_that_makes_no_sense_finds_nothing(
    session: Session, superuser: FlaskClient, make_task: MakeTask, search: str, problem: str
) -> None:
    """What is wrong is said above the list; "all that match" does nothing."""
    task = make_task(name="Dice")

    page = html.unescape(superuser.get(f"/taskadmin/tasks/?search={search}").text)
    answer = superuser.post(
        "/taskadmin/tasks/action/", data={"action": "pause", "all": "yes", "search": search}
    )

    assert problem in page and "Nothing was looked up" in page and "Dice" not in page
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
        ("state=paused", "No task is paused"),
        ("state=failing", "No task is failing"),
        ("state=late", "No task is late"),
        ("state=orphaned", "No task is orphaned"),
        ("state=late&search=x", "No late task matches “x”"),
        ("search=job:x", "No task matches “job:x”"),
    ],
)
def test_an_empty_list_says_why(
    superuser: FlaskClient, make_task: MakeTask, query: str, title: str
) -> None:
    """And leads back to all tasks."""
    make_task()

    page = superuser.get(f"/taskadmin/tasks/?{query}").text

    assert f"<h2>{title}</h2>" in page
    assert ">Show all tasks</a>" in page

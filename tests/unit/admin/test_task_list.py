"""The list of tasks: search and export."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from fixture_types import CountQueries, MakeTask, MakeUser
from taskadmin.models import User


def act(client: FlaskClient, action: str, *ids: object, path: str = "", **more: str) -> Any:
    """Do *action* on tasks."""
    data = {"action": action, "rowid": [str(id_) for id_ in ids], **more}
    return client.post(f"/taskadmin/tasks/action/{path}", data=data)


def test_exports_are_safe_for_spreadsheets(
    superuser: FlaskClient, make_task: MakeTask, chief: User
) -> None:
    """A name that looks like a formula is text; numbers stay numbers."""
    make_task(chief, -1.5, 2, name="=cmd|'/c calc'!A1")

    answer = superuser.get("/taskadmin/tasks/export/csv/")

    head, row = csv.reader(io.StringIO(answer.text))
    assert head[:5] == ["Id", "Name", "Job", "Lower Limit", "Upper Limit"]
    assert row[1] == "'=cmd|'/c calc'!A1"
    assert float(row[3]) == -1.5
    assert row[6] == "chief"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\uff1d1+1", "\uff20a"])
def test_names_of_tasks_and_authors_are_text_in_exports(
    superuser: FlaskClient, make_task: MakeTask, make_user: MakeUser, text: str
) -> None:
    """Whatever a spreadsheet takes for the beginning of a formula, wide characters too."""
    author = make_user(text)
    make_task(author, name=text)

    answer = superuser.get("/taskadmin/tasks/export/csv/")

    _, row = csv.reader(io.StringIO(answer.text))
    assert (row[1], row[6]) == (f"'{text}", f"'{author.username}")


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
    act(superuser, "run_now", *[make_task().id for _ in range(30)])

    assert queries() == with_few <= 15


def test_search_finds_names(superuser: FlaskClient, make_task: MakeTask) -> None:
    """Part of a name, in any case; what isn't there is said."""
    make_task(name="Freezing")
    make_task(name="Boiling")

    found = superuser.get("/taskadmin/tasks/?search=freez").text

    assert "Freezing" in found and "Boiling" not in found
    assert "No task is called “x”" in superuser.get("/taskadmin/tasks/?search=x").text

"""Ids and queries that no page of ours makes."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask, MakeUser
from taskadmin.models import Task, TaskResult

BAD_IDS = ("-1", "0", "abc", "1" * 30, "2147483648", "%00", "", "1.5", "٣", "1%27--")


@pytest.mark.parametrize("bad", BAD_IDS)
def test_ids_that_are_none_are_not_found(superuser: FlaskClient, bad: str) -> None:
    """404 in our words, on every page that takes an id."""
    for path in ("tasks/details/", "tasks/edit/", "runs/details/", "users/edit/"):
        answer = superuser.get(f"/taskadmin/{path}?id={bad}")
        assert answer.status_code == 404, path
        assert "There is nothing at this address." in answer.text
    assert superuser.get(f"/taskadmin/runs/?task={bad}").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        *("page=-1", "page=1000000000000", "page=abc", "page_size=1000000", "sort=999"),
        *("sort=-1", "desc=7", "sort=abc", "search=%00", "search=%ED%A0%80", "search=%25_%5C"),
        *("flt0_0=x", "flt9_99=1", "flt=", "state=nonsense", "before=-5", "before=" + "9" * 40),
        "search=" + "x" * 5000,
    ],
)
def test_hand_made_queries_are_no_error_of_the_server(superuser: FlaskClient, query: str) -> None:
    """A page, a redirect, or not found."""
    for path in ("tasks/", "runs/", "users/", "review/", "tasks/export/csv/", "tasks/export/x/"):
        answer = superuser.get(f"/taskadmin/{path}?{query}")
        assert answer.status_code in (200, 302, 404), (path, answer.status_code)


@pytest.mark.parametrize("bad", BAD_IDS)
def test_actions_on_ids_that_are_none_change_nothing(
    session: Session, superuser: FlaskClient, make_task: MakeTask, bad: str
) -> None:
    """PostgreSQL compares ids as numbers, so they must be numbers before."""
    make_task()
    for action in ("run_now", "resume", "pause", "delete", "nonsense"):
        answer = superuser.post(
            "/taskadmin/tasks/action/",
            data={"action": action, "rowid": [bad], "confirmed": "yes"},
        )
        assert answer.status_code == (404 if action == "nonsense" else 302)

    assert len(session.scalars(select(Task.id)).all()) == 1
    assert session.scalars(select(TaskResult.id)).all() == []


@pytest.mark.parametrize("path", ["users/", "runs/", "review/", "tasks/export/csv/"])
@pytest.mark.databases("sqlite")
def test_lists_ask_as_often_for_many_rows_as_for_few(
    superuser: FlaskClient,
    make_user: MakeUser,
    make_task: MakeTask,
    count_queries: CountQueries,
    path: str,
) -> None:
    """Two rows or thirty; authors and tasks come with them."""

    def queries(rows: int) -> int:
        ids = [make_task(make_user(f"author-{rows}-{number}")).id for number in range(rows)]
        superuser.post(
            "/taskadmin/tasks/action/",
            data={"action": "run_now", "rowid": [str(id_) for id_ in ids]},
        )
        superuser.get(f"/taskadmin/{path}")  # shows the message of the runs
        with count_queries() as statements:
            page = superuser.get(f"/taskadmin/{path}")
        assert page.status_code == 200
        assert page.text.count(f"author-{rows}-") >= rows or path == "runs/"
        return len(statements)

    assert queries(2) == queries(30) <= 15


@pytest.mark.parametrize("path", ["tasks/?state=paused&search=a+b", "users/?search=%26x%3D1"])
def test_a_page_past_the_end_keeps_the_filter(superuser: FlaskClient, path: str) -> None:
    """Otherwise what is done next to all that match would be done to everything."""
    answer = superuser.get(f"/taskadmin/{path}&page=99")

    assert answer.status_code == 302
    assert answer.location == f"/taskadmin/{path}"

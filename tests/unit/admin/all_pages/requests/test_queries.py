"""Ids and queries that taskadmin's pages don't create."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.models import Task, TaskResult

BAD_IDS = ("-1", "0", "abc", "1" * 30, "2147483648", "%00", "", "1.5", "٣", "1%27--")


@pytest.mark.parametrize("bad", BAD_IDS)
def test_ids_that_are_none_are_not_found(superuser: FlaskClient, bad: str) -> None:
    """All pages with an id respond with taskadmin's 404."""
    for path in ("tasks/details/", "tasks/edit/", "runs/details/", "users/edit/"):
        answer = superuser.get(f"/taskadmin/{path}?id={bad}")
        assert answer.status_code == 404, path
        assert "There is no page at this address." in answer.text
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
    """A page, a redirect or 404."""
    for path in ("tasks/", "runs/", "users/", "review/", "tasks/export/csv/", "tasks/export/x/"):
        answer = superuser.get(f"/taskadmin/{path}?{query}")
        assert answer.status_code in (200, 302, 404), (path, answer.status_code)


@pytest.mark.parametrize("bad", BAD_IDS)
def test_actions_on_invalid_ids_change_nothing(
    session: Session, superuser: FlaskClient, make_task: MakeTask, bad: str
) -> None:
    """PostgreSQL compares ids as numbers, so they are checked before."""
    make_task()
    for action in ("run_now", "resume", "pause", "delete", "nonsense"):
        answer = superuser.post(
            "/taskadmin/tasks/action/",
            data={"action": action, "rowid": [bad], "confirmed": "yes"},
        )
        assert answer.status_code == (404 if action == "nonsense" else 302)

    assert len(session.scalars(select(Task.id)).all()) == 1
    assert session.scalars(select(TaskResult.id)).all() == []


@pytest.mark.parametrize("path", ["tasks/?state=paused&search=a+b", "users/?search=%26x%3D1"])
def test_a_page_past_the_end_keeps_the_filter(superuser: FlaskClient, path: str) -> None:
    """Otherwise, the next action on all matching rows would apply to all rows."""
    answer = superuser.get(f"/taskadmin/{path}&page=99")

    assert answer.status_code == 302
    assert answer.location == f"/taskadmin/{path}"

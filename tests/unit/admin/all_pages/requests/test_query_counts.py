"""Numbers of queries per page, which don't grow with the number of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import CountQueries
from services.rows.many_rows import Site, fill
from taskadmin.accounts import login
from taskadmin.models import User

#: All queries of a page, including those for the current user and the state of beat.
MOST = 15
#: Pages that need more queries when there are rows.
_SLACK = 2
#: All pages, with tabs and searches. In braces: ids of rows that many others refer to.
PAGES = (
    "dashboard/",
    "dashboard/?span=7d",
    "tasks/",
    *(f"tasks/?state={name}" for name in ("active", "paused", "failing", "late", "orphaned")),
    *(
        f"tasks/?search={search}"
        for search in (
            "number",
            "nothing",
            "job:generate_random_number",
            "author:person0",
            "state:failed",
            "arg.lower_limit:0",
        )
    ),
    "tasks/new/",
    "tasks/edit/?id={task}",
    "tasks/run/?id={task}",
    "tasks/details/?id={task}",
    *(
        f"tasks/details/?id={{task}}&tab={tab}"
        for tab in ("runs", "chart", "changes", "definition")
    ),
    "runs/",
    "runs/?before={run}",
    *(
        f"runs/?state={name}"
        for name in ("queued", "running", "succeeded", "failed", "skipped", "cancelled")
    ),
    "runs/?task={task}",
    "runs/?launch={launch}",
    "runs/details/?id={run}",
    "runs/details/?id={failed_run}",
    "runs/again/?id={run}",
    "launches/",
    *(f"launches/?show={name}" for name in ("open", "slot", "due", "manual", "missed")),
    "launches/details/?id={launch}",
    "failures/",
    "workers/",
    "review/",
    "review/?search=person",
    "review/tasks/?user={user}&failed=1",
    "review/runs/?task={task}",
    "users/",
    "users/?search=person",
    "users/edit/?id={user}",
    "audit/",
    "audit/?kind=task&id={task}",
    "audit/?text=number",
    "profile",
)
#: Pages of long lists only.
LATER_PAGES = ("tasks/?page=2", "tasks/?page=30", "review/?page=2", "users/?page=2")


def test_pages_ask_as_often_for_two_thousand_rows_as_for_ten(
    session: Session,
    superuser: FlaskClient,
    chief: User,
    count_queries: CountQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With tasks, runs, launches, failures and entries; a tenth as many users."""
    monkeypatch.setattr(login, "SEEN_EVERY", timedelta(hours=1))
    of_few = dict(_queries(superuser, fill(session, 20), count_queries, PAGES))
    site = fill(session, 2_000)
    of_many = dict(_queries(superuser, site, count_queries, (*PAGES, *LATER_PAGES)))

    assert {path: asked for path, asked in (of_few | of_many).items() if asked > MOST} == {}
    asked = {path: (of_few[path], of_many[path]) for path in PAGES}
    assert {path: both for path, both in asked.items() if both[1] > both[0] + _SLACK} == {}


def _queries(
    browser: FlaskClient, site: Site, count_queries: CountQueries, paths: Iterable[str]
) -> Iterator[tuple[str, int]]:
    for path in paths:
        with count_queries() as statements:
            answer = browser.get(f"/taskadmin/{path.format(**site._asdict())}")
        assert answer.status_code == 200, path
        yield path, len(statements)

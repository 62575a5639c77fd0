"""The page of failures, and actions on groups."""

from __future__ import annotations

import html

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import CountQueries
from services.pages import cells, messages
from taskadmin.models import Launch, TaskResult
from taskadmin.store.database import clock
from taskadmin.store.people import audit
from taskadmin.store.people.audit import Filter

TRACE = 'Traceback (most recent call last):\n  File "/a/b.py", line 1, in f\nBoom: too <b>hot</b>'


@pytest.fixture
def failed(session: Session, runs: list[TaskResult]) -> list[int]:
    """Two of six runs, failed with Boom."""
    ids = [runs[0].id, runs[3].id]
    session.execute(
        update(TaskResult)
        .where(TaskResult.id.in_(ids))
        .values(state="failed", error_type="Boom", error=TRACE, finished_at=TaskResult.queued_at)
    )
    session.commit()
    return ids


def test_failures_are_grouped_by_job_and_exception(
    superuser: FlaskClient, failed: list[int], count_queries: CountQueries
) -> None:
    """With counts, an example as text, and links to the runs."""
    superuser.get("/taskadmin/failures/")
    with count_queries() as statements:
        page = superuser.get("/taskadmin/failures/").text
    [row] = cells(page)
    assert row[0] == "Boomgenerate_random_number"
    assert row[1] == f"too <b>hot</b>run {failed[1]} of Second"
    assert row[2:7] == ["2"] * 5
    link = "/taskadmin/runs/?job=generate_random_number&amp;error=Boom&amp;state=failed"
    assert f'href="{link}"' in page
    listed = superuser.get(html.unescape(link)).text
    assert listed.count('href="/taskadmin/runs/details/') == 2
    assert "Retry 2 runs …" in page and "Delete 2 failed runs …" in page
    assert "2 failed runs." in page
    assert len(statements) <= 10


@pytest.mark.usefixtures("runs")
def test_the_page_explains_itself_without_failures(superuser: FlaskClient) -> None:
    """It says what it would show."""
    page = superuser.get("/taskadmin/failures/").text
    assert "No failures" in page
    assert "Failed runs are grouped here" in page


@pytest.mark.parametrize(
    ("action", "question", "button"),
    [
        ("retry", "Retry 2 runs?", "Retry 2 runs"),
        ("delete", "Delete 2 failed runs?", "Delete 2 failed runs"),
    ],
)
def test_a_group_is_asked_for_with_its_number(
    session: Session,
    superuser: FlaskClient,
    failed: list[int],
    action: str,
    question: str,
    button: str,
) -> None:
    """Nothing is done before the confirmation, which lists the runs."""
    group = {"job": "generate_random_number", "error": "Boom", "state": "failed"}
    data = {**group, "all": "yes", "newest": "yes", "action": action, "url": "/taskadmin/failures/"}
    asked = superuser.post("/taskadmin/runs/action/", data=data).text
    assert f"<h1>{question}</h1>" in asked
    assert f'type="submit">{button}</button>' in asked
    assert f'name="ids" value="{failed[0]}.{failed[1]}"' in asked
    assert 'name="url" value="/taskadmin/failures/"' in asked
    assert len(session.scalars(select(TaskResult.id)).all()) == 6


def test_a_group_is_deleted_after_the_answer(
    session: Session, superuser: FlaskClient, runs: list[TaskResult], failed: list[int]
) -> None:
    """Other runs stay, and the audit trail has the user and the number."""
    chosen = ".".join(str(run.id) for run in runs)
    data = {"action": "delete", "ids": chosen, "url": "/taskadmin/failures/"}
    asked = superuser.post("/taskadmin/runs/action/", data=data).text
    assert "4 runs haven't failed and are kept." in html.unescape(asked)
    answer = superuser.post("/taskadmin/runs/action/", data={**data, "confirmed": "yes"})
    page = superuser.get(answer.location).text
    assert messages(page) == ["2 failed runs deleted."]
    assert "No failures" in page
    session.rollback()
    assert set(session.scalars(select(TaskResult.state))) == {"queued"}
    [entry] = audit.page(session, Filter(action="deleted"), limit=9)
    assert (entry.actor, entry.subject) == (
        "chief",
        "2 failed runs of generate_random_number: Boom",
    )
    shown = superuser.get("/taskadmin/audit/?action=deleted").text
    assert "2 failed runs of generate_random_number: Boom" in shown


def test_deleting_runs_that_have_not_failed_changes_nothing(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Before and after the confirmation."""
    data = {"action": "delete", "rowid": [str(runs[0].id)]}
    asked = superuser.post("/taskadmin/runs/action/", data=data).text
    assert "None of these runs has failed. Nothing was changed." in asked
    answer = superuser.post("/taskadmin/runs/action/", data={**data, "confirmed": "yes"})
    page = superuser.get(answer.location).text
    assert messages(page) == ["Nothing was deleted: none of these runs has failed."]
    assert len(session.scalars(select(TaskResult.id)).all()) == 6


def test_runs_of_open_launches_are_not_deleted_yet(
    session: Session, superuser: FlaskClient, failed: list[int]
) -> None:
    """The message says so, with the number."""
    moment = clock.now(session)
    session.add(
        Launch(id=1, kind="slot", slot=moment, state="opening", opened_at=moment, published_id=99)
    )
    session.execute(update(TaskResult).where(TaskResult.id == failed[0]).values(launch_id=2))
    session.commit()
    data = {"action": "delete", "confirmed": "yes", "url": "/taskadmin/failures/"}

    def said(*ids: int) -> list[str]:
        chosen = ".".join(map(str, ids))
        answer = superuser.post("/taskadmin/runs/action/", data={**data, "ids": chosen})
        return messages(superuser.get(answer.location).text)

    assert said(*failed) == [
        "1 failed run deleted; 1 can be deleted only after its launch has closed."
    ]
    assert said(failed[1]) == [
        "Nothing was deleted: 1 can be deleted only after its launch has closed."
    ]

"""The page of failures, and what is done to a group of them."""

from __future__ import annotations

import html

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import CountQueries
from services.pages import cells, messages
from taskadmin.models import Launch, TaskResult
from taskadmin.store import audit, clock
from taskadmin.store.audit import Filter

TRACE = 'Traceback (most recent call last):\n  File "/a/b.py", line 1, in f\nBoom: too <b>hot</b>'


@pytest.fixture
def failed(session: Session, runs: list[TaskResult]) -> list[int]:
    """Two of the six runs, failed with Boom."""
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
    """With the counts, an example as text, and links to the runs."""
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
    assert "2 failed runs are on record." in page
    assert len(statements) <= 10


@pytest.mark.usefixtures("runs")
def test_where_nothing_failed_the_page_says_so(superuser: FlaskClient) -> None:
    """And what would be there."""
    page = superuser.get("/taskadmin/failures/").text
    assert "Nothing failed" in page
    assert "Runs that fail are grouped here" in page


def test_only_superusers_see_them(reviewer: FlaskClient, plain: FlaskClient) -> None:
    """They show what jobs said."""
    assert reviewer.get("/taskadmin/failures/").status_code == 403
    assert plain.get("/taskadmin/failures/").status_code == 403


@pytest.mark.parametrize(
    ("action", "question", "button"),
    [
        ("retry", "Retry 2 runs?", "Retry 2 runs"),
        ("discard", "Delete 2 failed runs?", "Delete 2 failed runs"),
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
    """Nothing is done before the answer, which names the very runs."""
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
    """What isn't failed stays, and the trail says who deleted how many."""
    chosen = ".".join(str(run.id) for run in runs)
    data = {"action": "discard", "ids": chosen, "url": "/taskadmin/failures/"}
    asked = superuser.post("/taskadmin/runs/action/", data=data).text
    assert "4 runs aren't failed and stay." in html.unescape(asked)
    answer = superuser.post("/taskadmin/runs/action/", data={**data, "confirmed": "yes"})
    page = superuser.get(answer.location).text
    assert messages(page) == ["2 failed runs are deleted."]
    assert "Nothing failed" in page
    session.rollback()
    assert set(session.scalars(select(TaskResult.state))) == {"queued"}
    [entry] = audit.page(session, Filter(action="discarded"), limit=9)
    assert (entry.actor, entry.subject) == (
        "chief",
        "2 failed runs of generate_random_number: Boom",
    )
    shown = superuser.get("/taskadmin/audit/?action=discarded").text
    assert "2 failed runs of generate_random_number: Boom" in shown


def test_deleting_what_is_not_failed_changes_nothing(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Asked or answered."""
    data = {"action": "discard", "rowid": [str(runs[0].id)]}
    asked = superuser.post("/taskadmin/runs/action/", data=data).text
    assert "None of these runs is failed. Nothing was changed." in asked
    answer = superuser.post("/taskadmin/runs/action/", data={**data, "confirmed": "yes"})
    page = superuser.get(answer.location).text
    assert messages(page) == ["Nothing was deleted: none of these runs is failed."]
    assert len(session.scalars(select(TaskResult.id)).all()) == 6


def test_what_a_launcher_may_come_back_to_has_to_wait(
    session: Session, superuser: FlaskClient, failed: list[int]
) -> None:
    """The sentence says so, and how many."""
    moment = clock.now(session)
    session.add(
        Launch(id=1, kind="slot", slot=moment, state="opening", opened_at=moment, published_id=99)
    )
    session.execute(update(TaskResult).where(TaskResult.id == failed[0]).values(launch_id=2))
    session.commit()
    data = {"action": "discard", "confirmed": "yes", "url": "/taskadmin/failures/"}

    def said(*ids: int) -> list[str]:
        chosen = ".".join(map(str, ids))
        answer = superuser.post("/taskadmin/runs/action/", data={**data, "ids": chosen})
        return messages(superuser.get(answer.location).text)

    assert said(*failed) == ["1 failed run is deleted; 1 has to wait until its launch is closed."]
    assert said(failed[1]) == ["Nothing was deleted: 1 has to wait until its launch is closed."]

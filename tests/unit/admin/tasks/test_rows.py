"""Rows of the list of tasks."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.tasks import make
from taskadmin.models import TaskSchedule, User
from taskadmin.store.database import clock


def test_schedules_are_shown_in_words(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """With time zone and next due time; the task's page has the next five."""
    task_id = make(session, chief)
    make_task(name="Plain")

    listed = superuser.get("/taskadmin/tasks/").text
    page = superuser.get(f"/taskadmin/tasks/details/?id={task_id}&tab=definition").text

    assert 'at 02:30 every day<span class="sub">Europe/Berlin</span>' in listed
    assert 'common slot<span class="sub">every 5 minutes</span>' in listed
    assert listed.count('data-label="Next run"><time') == 2
    assert "at 02:30 every day · Europe/Berlin" in page
    assert page.count(" 02:30\n") + page.count(" 02:30<") >= 5
    assert "<dt>Pause after failures</dt><dd>3</dd>" in page


def test_problems_are_shown_with_their_reasons(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """An unknown job or an invalid schedule doesn't affect other rows."""
    orphan = make_task(job="gone.job", params={"x": "<b>"}).id
    broken = make(session, chief)
    session.execute(update(TaskSchedule).values(cron="nonsense"))
    session.commit()

    listed = superuser.get("/taskadmin/tasks/").text
    pages = [superuser.get(f"/taskadmin/tasks/details/?id={id_}").text for id_ in (orphan, broken)]

    assert "<strong>orphaned</strong>: No job named gone.job is registered." in listed
    assert "<strong>invalid</strong>: Its schedule can&#39;t be read:" in listed
    assert "x=&lt;b&gt;" in listed
    assert "<strong>Orphaned.</strong> No job named" in pages[0]
    assert "Run with other arguments" not in pages[0]
    assert "<strong>Invalid.</strong> Its schedule can&#39;t be read:" in pages[1]


def test_a_schedule_that_is_over_has_no_next_run(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """The row says why."""
    make(session, chief)
    session.execute(update(TaskSchedule).values(next_due=None))
    session.commit()

    listed = superuser.get("/taskadmin/tasks/").text

    assert '<span class="muted">ended</span>' in listed


def test_a_task_that_nothing_launches_is_late(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """In the list, its tab and on its page."""
    task_id = make(session, chief)
    due = clock.now(session) - timedelta(minutes=2)
    session.execute(update(TaskSchedule).values(next_due=due))
    session.commit()

    for path in ("", "?state=late", f"details/?id={task_id}"):
        page = superuser.get(f"/taskadmin/tasks/{path}").text
        assert "<strong>late</strong>" in page, path
        assert "2 minutes ago" in page

"""What the list of tasks and a task's page tell of schedules, troubles and changes."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from taskadmin.models import TaskSchedule, User
from taskadmin.schedules import ScheduleKind
from taskadmin.store import tasks
from taskadmin.store.audit import Actor
from taskadmin.store.schedules import ScheduleInput

DAILY = ScheduleInput(
    kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin", pause_after=3
)


def make(session: Session, author: User, schedule: ScheduleInput = DAILY) -> int:
    """A task with a schedule of its own."""
    task = tasks.create_task(
        session,
        author_id=author.id,
        name="Daily",
        arguments={"lower_limit": 0, "upper_limit": 1},
        schedule=schedule,
        actor=Actor(author.id, author.username, "192.0.2.1"),
    )
    return task.id


def test_schedules_are_shown_in_words(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """With the zone, and when it is due next; on its page the next five with their times."""
    task_id = make(session, chief)
    make_task(name="Plain")

    listed = superuser.get("/taskadmin/tasks/").text
    page = superuser.get(f"/taskadmin/tasks/details/?id={task_id}").text

    assert "at 02:30 every day, in Europe/Berlin" in listed
    assert "in the common slot, every 5 minutes" in listed
    assert listed.count("next: <time") == 2
    assert page.count(" 02:30\n") + page.count(" 02:30<") >= 5
    assert "<dt>Pause after failures</dt><dd>3</dd>" in page


def test_troubles_are_told_with_their_reasons(
    session: Session, superuser: FlaskClient, chief: User, make_task: MakeTask
) -> None:
    """A job that is gone, a schedule that can't be kept; each disturbs no other row."""
    orphan = make_task(job="gone.job", params={"x": "<b>"}).id
    broken = make(session, chief)
    session.execute(update(TaskSchedule).values(cron="nonsense"))
    session.commit()

    listed = superuser.get("/taskadmin/tasks/").text
    pages = [superuser.get(f"/taskadmin/tasks/details/?id={id_}").text for id_ in (orphan, broken)]

    assert "<strong>orphaned</strong>: No job is registered under the name gone.job." in listed
    assert "<strong>invalid</strong>: Its schedule can&#39;t be read:" in listed
    assert "x=&lt;b&gt;" in listed
    assert "<strong>Orphaned.</strong> No job is registered" in pages[0]
    assert "Run with other arguments" not in pages[0]
    assert "<strong>Invalid.</strong> Its schedule can&#39;t be read:" in pages[1]


def test_a_schedule_that_is_over_has_no_next_run(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """A word says why."""
    make(session, chief)
    session.execute(update(TaskSchedule).values(next_due=None))
    session.commit()

    listed = superuser.get("/taskadmin/tasks/").text

    assert '<span class="muted">over</span>' in listed


def test_a_tasks_page_lists_its_changes(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """Who, when, from what to what."""
    task_id = make(session, chief)
    task = tasks.find_task(session, task_id)
    assert task is not None
    tasks.update_task(
        session,
        task,
        version=1,
        name="Nightly <b>",
        enabled=True,
        arguments=task.arguments,
        schedule=DAILY,
        actor=Actor(chief.id, "chief", "192.0.2.1"),
    )

    page = superuser.get(f"/taskadmin/tasks/details/?id={task_id}").text

    assert '<span class="mono">name</span> Daily → Nightly &lt;b&gt;' in page


@pytest.mark.parametrize(
    "path", ["tasks/", "tasks/details/?id=1", "runs/", "runs/details/?id=1", "tasks/run/?id=1"]
)
@pytest.mark.databases("sqlite")
def test_pages_ask_little_however_many_rows_there_are(
    superuser: FlaskClient,
    make_task: MakeTask,
    count_queries: CountQueries,
    path: str,
) -> None:
    """At most fifteen queries, for two tasks or forty."""

    def queries(rows: int) -> int:
        ids = ".".join(str(make_task(enabled=bool(number % 2)).id) for number in range(rows))
        superuser.post("/taskadmin/tasks/action/", data={"action": "run_now", "ids": ids})
        superuser.get("/taskadmin/tasks/")
        with count_queries() as statements:
            assert superuser.get(f"/taskadmin/{path}").status_code == 200
        return len(statements)

    assert queries(2) == queries(40) <= 15

"""What the list of tasks and a task's page tell of schedules, troubles and changes."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.listed_runs import put_runs
from services.pages import cells
from taskadmin.models import TaskResult, TaskSchedule, User
from taskadmin.schedules import ScheduleKind
from taskadmin.store import clock, tasks
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
    page = superuser.get(f"/taskadmin/tasks/details/?id={task_id}&tab=definition").text

    assert 'at 02:30 every day<span class="sub">Europe/Berlin</span>' in listed
    assert 'common slot<span class="sub">every 5 minutes</span>' in listed
    assert listed.count('data-label="Next run"><time') == 2
    assert "at 02:30 every day · Europe/Berlin" in page
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


def test_a_task_that_nothing_launches_is_late(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """In the list, in its tab and on its page."""
    task_id = make(session, chief)
    due = clock.now(session) - timedelta(minutes=2)
    session.execute(update(TaskSchedule).values(next_due=due))
    session.commit()

    for path in ("", "?state=late", f"details/?id={task_id}"):
        page = superuser.get(f"/taskadmin/tasks/{path}").text
        assert "<strong>late</strong>" in page, path
        assert "2 minutes ago" in page


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

    page = superuser.get(f"/taskadmin/tasks/details/?id={task_id}&tab=changes").text

    assert '<span class="mono">name</span> Daily → Nightly &lt;b&gt;' in page


def test_a_tasks_page_begins_with_its_next_and_its_last_run(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Live, with the last runs in a picture; each part has an address."""
    task = make_task(name="Dice")
    run_ids = put_runs(session, task, ["failed", "succeeded", "succeeded"])

    page = superuser.get(f"/taskadmin/tasks/details/?id={task.id}").text

    for region in ("title", "facts", "runs"):
        assert f'data-live="{region}"' in page
    assert "the last 3 runs, 1 failed" in page
    assert f"of run {run_ids[-1]}" in page
    assert [f"Run {id_}</a>" in page for id_ in run_ids] == [True] * 3
    for tab in ("chart", "changes", "definition"):
        assert f'href="/taskadmin/tasks/details/?id={task.id}&amp;tab={tab}"' in page
    assert superuser.get(f"/taskadmin/tasks/details/?id={task.id}&tab=x").status_code == 404


def test_a_tasks_chart_shows_results_and_durations(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Two pictures with words, the least and the most, and the same as a table."""
    task = make_task()
    put_runs(session, task, [*["succeeded"] * 230, "skipped", "failed", "running"])
    address = f"/taskadmin/tasks/details/?id={task.id}&tab=chart"

    page = superuser.get(address).text
    table = superuser.get(f"{address}&as=table").text

    assert 'aria-label="Results of the last runs"' in page
    assert 'aria-label="Durations of the last runs"' in page
    assert "Times in UTC." in page
    assert re.findall(r'series (\w+)"', page)[:3] == ["least", "most", "value"]
    assert '<dt>Least</dt><dd><span title="31">31</span></dd>' in page
    assert '<dt>Most</dt><dd><span title="229">229</span></dd>' in page
    assert "<dt>Longest</dt><dd>2 sec</dd>" in page
    assert f'href="{address.replace("&", "&amp;")}&amp;as=table"' in page
    assert "The last 200 finished runs" in table
    rows = cells(table)
    assert len(rows) == 200
    assert [rows[0][3], rows[1][3], rows[-1][3]] == ["–", "229", "31"]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        ([], "There is nothing to draw yet"),
        ([None, None], "No result of the last runs is a number"),
        ([1.7e308, -1.7e308], "These results are too large, too small or too close together"),
        ([5e-324, 0.0], "These results are too large, too small or too close together"),
        ([1e16, 1e16 + 2], "These results are too large, too small or too close together"),
    ],
)
def test_results_that_no_line_goes_through_are_said_to_be_so(
    session: Session,
    superuser: FlaskClient,
    make_task: MakeTask,
    results: list[float | None],
    sentence: str,
) -> None:
    """No numbers, or numbers that a scale can't hold."""
    task = make_task()
    ids = put_runs(session, task, ["succeeded"] * len(results)) if results else []
    for id_, result in zip(ids, results, strict=True):
        session.get_one(TaskResult, id_).result = result
    session.commit()

    page = superuser.get(f"/taskadmin/tasks/details/?id={task.id}&tab=chart").text

    assert sentence in page
    assert 'aria-label="Results of the last runs"' not in page
    assert ('aria-label="Durations of the last runs"' in page) is bool(results)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "results", [[0.0], [5, 5], [-1e99, 1e99], [1e-99, 2e-99], [0.1, 0.1 + 1e-12], [1e16, 1e16]]
)
def test_other_results_are_drawn(
    session: Session, superuser: FlaskClient, make_task: MakeTask, results: list[float]
) -> None:
    """One, always the same, very large, very small."""
    task = make_task()
    for id_, result in zip(
        put_runs(session, task, ["succeeded"] * len(results)), results, strict=True
    ):
        session.get_one(TaskResult, id_).result = result
    session.commit()

    page = superuser.get(f"/taskadmin/tasks/details/?id={task.id}&tab=chart").text

    assert 'aria-label="Results of the last runs"' in page


@pytest.mark.parametrize(
    "path",
    [
        *("tasks/", "tasks/details/?id=1", "tasks/details/?id=1&tab=chart"),
        *("tasks/details/?id=1&tab=changes", "tasks/details/?id=1&tab=definition"),
        *(
            "tasks/?search=job:x",
            "tasks/?state=failing",
            "runs/",
            "runs/details/?id=1",
            "tasks/run/?id=1",
        ),
    ],
)
@pytest.mark.databases("sqlite")
def test_pages_ask_little_however_many_rows_there_are(
    superuser: FlaskClient,
    make_task: MakeTask,
    count_queries: CountQueries,
    path: str,
) -> None:
    """At most fifteen queries, for two tasks or fifty."""

    def queries(rows: int) -> int:
        ids = ".".join(str(make_task(enabled=bool(number % 2)).id) for number in range(rows))
        superuser.post("/taskadmin/tasks/action/", data={"action": "run_now", "ids": ids})
        superuser.get("/taskadmin/tasks/")
        with count_queries() as statements:
            assert superuser.get(f"/taskadmin/{path}").status_code == 200
        return len(statements)

    assert queries(2) == queries(50) <= 15

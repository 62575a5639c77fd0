"""A run's page."""

from __future__ import annotations

from html import unescape
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import live_parts
from services.rows.launches import add_launch
from services.rows.states import put
from taskadmin import service
from taskadmin.models import AuditEntry, Process, ProcessKind, RunProgress, RunState, TaskResult
from taskadmin.store.database import clock


def test_a_running_runs_page_shows_progress_and_messages(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Progress, messages and earlier attempts are escaped, and refreshed until the run ends."""
    moment = clock.now(session).isoformat()
    log = {
        "attempt": 1,
        "started_at": moment,
        "ended_at": moment,
        "worker": "w@one",
        "error_type": "Boom",
        "error": "Traceback <b>",
    }
    run_id = put(session, runs[0], RunState.RUNNING, attempts=2, max_attempts=3, attempt_log=[log])
    lines = [[moment, 2, "Half <i>way"]]
    session.add(
        RunProgress(run_id=run_id, progress=0.5, lines=lines, updated_at=clock.now(session))
    )
    session.commit()

    page = superuser.get(f"/taskadmin/runs/details/?id={run_id}").text

    assert '<progress id="progress" max="100" value="50.0">' in page
    assert "Half &lt;i&gt;way" in page
    assert "Traceback &lt;b&gt;" in page
    assert live_parts(page) == {"head": True, "actions": True, "run": True}
    put(session, runs[0], RunState.SUCCEEDED)
    over = superuser.get(f"/taskadmin/runs/details/?id={run_id}").text
    assert live_parts(over) == {"head": False, "actions": False, "run": False}


@pytest.mark.databases("sqlite")
def test_a_run_that_was_skipped_when_due_was_never_queued(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Its page shows no time in a queue; one that was skipped later does."""
    queued_at = runs[0].queued_at
    at_once, later = (put(session, run, RunState.SKIPPED, reason="Because.") for run in runs[:2])
    session.get_one(TaskResult, at_once).finished_at = queued_at
    session.commit()

    pages = [superuser.get(f"/taskadmin/runs/details/?id={id_}").text for id_ in (at_once, later)]

    assert [">waited " in page for page in pages] == [False, True]


@pytest.mark.databases("sqlite")
def test_runs_without_a_user_were_started_by_a_program(
    app: Flask, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Such as one that the host's code starts, and its retry."""
    task_id = make_task().id
    with app.app_context():
        launch_id = service.start_task(task_id).launch_ids[0]
        run_id = service.find_runs(launch_id=launch_id)[0].id
        service.cancel_runs([run_id])
        [retry] = service.find_runs(launch_id=service.retry_runs([run_id]).launch_ids[0])
        retry_id = retry.id

    page = superuser.get(f"/taskadmin/runs/details/?id={run_id}").text
    page_of_retry = superuser.get(f"/taskadmin/runs/details/?id={retry_id}").text
    launches = superuser.get("/taskadmin/launches/").text

    assert "Started by the application or a command" in page
    assert "Started by the application or a command as a retry of" in page_of_retry
    assert "by the application or a command" in launches


@pytest.mark.databases("sqlite")
def test_a_gap_is_shown_with_its_ends(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """One run stands for many due times."""
    missed = {"first": "2026-01-01T00:00:00+00:00", "last": "2026-01-02T00:00:00+00:00"}
    output = {"missed": {**missed, "count": 1441}}
    run_id = put(session, runs[0], RunState.SKIPPED, reason="Missed.", output=output)

    page = superuser.get(f"/taskadmin/runs/details/?id={run_id}").text

    assert "1,441 due times passed without a launch" in page
    assert "2026-01-01 00:00:00 UTC" in page and "2026-01-02 00:00:00 UTC" in page


@pytest.mark.databases("sqlite")
@pytest.mark.databases("sqlite")
@pytest.mark.settings(TASKADMIN_TRACE_URL="https://traces.example/{trace_id}?full")
def test_the_trace_of_the_launch_is_linked(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """If there is one, and it looks like one."""
    launch = add_launch(session, runs[0].task_id)
    runs[0].launch_id = launch.id
    pages = []
    for traceparent in (None, "javascript:alert(1)", f"00-{'ab' * 16}-{'1' * 16}-01"):
        launch.traceparent = traceparent
        session.commit()
        pages.append(superuser.get(f"/taskadmin/runs/details/?id={runs[0].id}").text)

    without, odd, linked = pages
    assert f'<a href="https://traces.example/{"ab" * 16}?full"' in linked
    assert "traces.example" not in without + odd
    assert "javascript:alert" not in odd


def test_lists_show_no_secret(superuser: FlaskClient, secretive: TaskResult) -> None:
    """Lists of tasks and of runs."""
    for path in ("runs/", "tasks/", f"tasks/details/?id={secretive.task_id}"):
        page = superuser.get(f"/taskadmin/{path}").text
        assert "https://a.example" in page, path
        assert "hunter2secret" not in page, path


@pytest.mark.databases("sqlite")
def test_a_long_output_is_cut_at_a_line(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """The whole is downloaded, which is traced; a short one is shown whole."""
    long, short = (
        put(session, run, RunState.SUCCEEDED, output=["x" * 98] * number)
        for run, number in zip(runs, (2_000, 3), strict=False)
    )

    page, whole = (
        superuser.get(f"/taskadmin/runs/{part}/?id={long}") for part in ("details", "output")
    )

    shown = unescape(page.text.partition('aria-label="Output">')[2].partition("</pre>")[0])
    assert 99_000 < len(shown) <= 100_000 and shown.endswith('x",')
    assert f"The first {len(shown):,} of {len(whole.text):,} characters." in page.text
    assert whole.json == ["x" * 98] * 2_000
    assert whole.headers["Content-Disposition"] == f"attachment; filename=run-{long}.json"
    newest = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert newest is not None and (newest.action, newest.subject) == (
        "exported",
        f"run-{long}.json",
    )
    assert "The first" not in superuser.get(f"/taskadmin/runs/details/?id={short}").text


@pytest.mark.databases("sqlite")
def test_a_queued_run_names_the_queue_that_nobody_reads(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Until a worker consumes it."""
    path, said = f"/taskadmin/runs/details/?id={runs[0].id}", "No worker listens on queue"
    assert f"{said} “taskadmin.runs”" in superuser.get(path).text
    moment = clock.now(session)
    columns = {"name": "w@one", "host": "one", "pid": 1, "queues": "other,taskadmin.runs"}
    session.add(
        Process(id=uuid4(), kind=ProcessKind.WORKER, started_at=moment, seen_at=moment, **columns)
    )
    session.commit()
    assert said not in superuser.get(path).text

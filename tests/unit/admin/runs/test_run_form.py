"""Start runs with other arguments."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.pages import told
from services.rows.states import put
from taskadmin.models import RunState, TaskResult


def test_a_run_with_other_arguments_begins_as_the_run_and_keeps_its_secrets(
    session: Session, superuser: FlaskClient, secretive: TaskResult
) -> None:
    """The form has the run's arguments; an empty secret stays."""
    page = f"/taskadmin/runs/again/?id={secretive.id}"
    form = superuser.get(page).text
    assert 'value="https://a.example"' in form and 'value="2.5"' in form
    assert "hunter2secret" not in form

    wrong = superuser.post(page, data={"arg-url": "https://b.example", "arg-timeout": "61"})

    assert wrong.status_code == 422
    assert "Nothing was started" in wrong.text
    done = superuser.post(page, data={"arg-url": "https://b.example", "arg-timeout": "7"})
    assert told(superuser, done) == "1 run queued and sent to the workers."
    new = session.scalars(select(TaskResult).order_by(TaskResult.id.desc()).limit(1)).one()
    assert {name: new.task_params[name] for name in ("url", "token", "timeout", "_masked")} == {
        "url": "https://b.example",
        "token": "hunter2secret",
        "timeout": 7.0,
        "_masked": ["token"],
    }


@pytest.mark.databases("sqlite")
def test_other_arguments_are_asked_for_the_tasks_own_job_only(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """A run of another or an unknown job has no such form."""
    run_id = put(session, runs[0], RunState.FAILED, job="other")

    assert superuser.get(f"/taskadmin/runs/again/?id={run_id}").status_code == 404
    assert (
        "Run with other arguments"
        not in superuser.get(f"/taskadmin/runs/details/?id={run_id}").text
    )

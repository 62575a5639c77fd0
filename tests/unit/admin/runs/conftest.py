"""Jobs for tests of runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest
from pydantic import Field, SecretStr
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.jobs import job
from taskadmin.jobs.registry import _jobs
from taskadmin.models import RunState, TaskResult
from taskadmin.store.database import clock
from taskadmin.store.people import users
from taskadmin.store.tasks import tasks


@pytest.fixture
def secretive(session: Session, make_task: MakeTask) -> Iterator[TaskResult]:
    """A run of a job with a secret, from before its task was edited."""

    @job(name="probe")
    def probe(
        url: str, token: SecretStr, timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    ) -> float:
        """Ask an address."""
        return timeout

    author = users.create_user(session, "vera", password_hash=None)
    task = tasks.create_task(
        session,
        author_id=author.id,
        job="probe",
        name="Probe",
        arguments={"url": "https://a.example", "token": "hunter2secret", "timeout": 2.5},
        masked=["token"],
    )
    moment = clock.now(session)
    run = TaskResult(
        task_id=task.id,
        launch_id=99,
        due_at=moment,
        job="probe",
        queue="taskadmin.runs",
        task_params={**task.arguments, "_masked": ["token"], "author_id": author.id},
        state=RunState.FAILED,
        error_type="Boom",
        queued_at=moment,
        finished_at=moment,
    )
    session.add(run)
    session.commit()
    yield run
    del _jobs["probe"]

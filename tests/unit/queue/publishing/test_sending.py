"""Send runs of "Run now", and of jobs that only workers know."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

from celery import Celery
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from services.ledger.messages import sent
from services.ledger.turns import DAY, launch_states, run_ids
from taskadmin.jobs import all_jobs
from taskadmin.models import LaunchState, Task, TaskResult, User
from taskadmin.queue.launcher.turns import run_turn
from taskadmin.state import State
from taskadmin.store.launches import launches, slots
from taskadmin.store.launches.manual import launch_manually


def manual(session: Session, task_id: int, user_id: int, owner: UUID) -> int:
    """Queue a run of one task with "Run now", and return the launch's id."""
    return launch_manually(
        session,
        [task_id],
        requested_by=user_id,
        request_key=uuid4(),
        owner=owner,
        jobs=all_jobs(),
    ).launch_id


def test_runs_started_by_users_are_sent_at_once(
    app: Flask,
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    make_user: Callable[..., User],
) -> None:
    """The application's ``publish`` sends the launch and finishes it."""
    state: State = app.extensions["taskadmin"]
    owner = uuid4()
    launch_id = manual(session, make_task().id, make_user("ana").id, owner)
    assert state.publish is not None

    with app.app_context():
        count = state.publish(launch_id, owner)

    assert count == 1
    assert sent(celery) == run_ids(session)
    assert launch_states(session) == [LaunchState.PUBLISHED]


def test_runs_started_without_a_broker_are_sent_by_the_launcher(
    session: Session,
    celery: Celery,
    make_task: Callable[..., Task],
    make_user: Callable[..., User],
) -> None:
    """The next turn takes the released launch, even of a paused task."""
    task, owner = make_task(enabled=False), uuid4()
    launch_id = manual(session, task.id, make_user("ana").id, owner)
    launches.release(session, launch_id, owner)

    run_turn(session, celery, DAY)

    assert sent(celery) == run_ids(session)
    assert launch_states(session)[0] == LaunchState.PUBLISHED


def test_a_run_of_a_job_that_only_workers_know_is_sent(
    session: Session, celery: Celery, make_task: Callable[..., Task]
) -> None:
    """The launcher may be older or newer than the workers, so it doesn't check queued runs."""
    make_task()
    launch_id = slots.open_slot(session, DAY.launch_interval_seconds)
    assert launch_id is not None
    owner = uuid4()
    assert launches.take(session, launch_id, owner)
    launches.queue_page(session, launch_id, owner, page_size=5, jobs=all_jobs())
    session.execute(update(TaskResult).values(job="elsewhere"))
    session.commit()
    launches.release(session, launch_id, owner)

    turn = run_turn(session, celery, DAY)

    assert turn.finished == 1
    assert sent(celery) == run_ids(session)

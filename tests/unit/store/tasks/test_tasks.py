"""Create, edit and delete tasks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask, MakeUser
from taskadmin.errors import EditConflict
from taskadmin.jobs import all_jobs
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.store.people.audit import TASKADMIN
from taskadmin.store.runs.results import insert_runs, page_of_runs
from taskadmin.store.tasks import pauses, tasks

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def age(session: Session, task: Task) -> None:
    """Move *task*'s times back."""
    session.execute(
        update(Task).where(Task.id == task.id).values(created_at=LONG_AGO, updated_at=LONG_AGO)
    )
    session.commit()
    session.expire_all()


def test_a_new_task_has_its_author_and_its_times(session: Session, make_user: MakeUser) -> None:
    """Times are aware, in UTC, and equal."""
    author = make_user("ada")
    before = datetime.now(UTC)
    task = tasks.create_task(
        session, author_id=author.id, arguments={"lower_limit": 1.5, "upper_limit": 2.5}
    )
    session.expire_all()
    assert before <= task.created_at <= datetime.now(UTC)
    assert task.created_at.tzinfo is UTC
    assert task.updated_at == task.created_at
    assert (task.created_by, task.version, task.enabled) == (author.id, 1, True)
    assert task.arguments == {"lower_limit": 1.5, "upper_limit": 2.5}
    assert (task.job, task.params) == ("generate_random_number", {})


def test_arguments_of_another_job_are_kept_as_they_are(
    session: Session, make_task: MakeTask
) -> None:
    """Only the built-in job has its own columns."""
    task = make_task(job="send_report", params={"to": "ada", "pages": [1, 2]})
    session.expire_all()
    assert task.arguments == {"to": "ada", "pages": [1, 2]}
    assert (task.lower_limit, task.upper_limit) == (None, None)


def test_an_edit_changes_what_people_change_and_nothing_else(
    session: Session, make_task: MakeTask
) -> None:
    """updated_at and version change; author and created_at stay."""
    task = make_task()
    age(session, task)
    author = task.created_by
    tasks.update_task(
        session,
        task,
        version=1,
        arguments={"lower_limit": 5.0, "upper_limit": 6.0},
        name="Dice",
        enabled=False,
    )
    session.expire_all()
    assert (task.name, task.enabled, task.lower_limit, task.upper_limit) == ("Dice", False, 5, 6)
    assert (task.created_by, task.created_at, task.version) == (author, LONG_AGO, 2)
    assert datetime.now(UTC) - task.updated_at < timedelta(minutes=1)


def edit(session: Session, task: Task, *, version: int, name: str) -> Task:
    return tasks.update_task(
        session, task, version=version, arguments=task.arguments, name=name, enabled=True
    )


def test_an_edit_of_an_older_version_is_refused(session: Session, make_task: MakeTask) -> None:
    """The page showed the task before another edit."""
    task = make_task()
    edit(session, task, version=1, name="first")
    with pytest.raises(EditConflict) as caught:
        edit(session, task, version=1, name="second")
    assert str(caught.value) == (
        "Someone else changed this task in the meantime: reload it and try again."
    )
    session.expire_all()
    assert (task.name, task.version) == ("first", 2)


def test_of_two_edits_at_once_one_is_refused(
    engine: Engine, make_task: MakeTask, at_once: AtOnce
) -> None:
    """Both have read the same version; the database decides."""
    task_id = make_task().id

    def change(name: str) -> str:
        with Session(engine) as own:
            task = own.get_one(Task, task_id)
            own.commit()
            task.version  # noqa: B018 - read again, as the form's page did
            edit(own, task, version=1, name=name)
            return name

    results = at_once(lambda: change("one"), lambda: change("two"))
    assert sum(isinstance(result, EditConflict) for result in results) == 1
    with Session(engine) as own:
        task = own.get_one(Task, task_id)
        assert task.version == 2
        assert task.name in results


def test_an_edit_of_a_deleted_task_is_refused(
    engine: Engine, session: Session, make_task: MakeTask
) -> None:
    """It was deleted between reading and saving."""
    task = make_task()
    with Session(engine) as other:
        session.refresh(task)
        session.expunge(task)
        tasks.delete_tasks(other, [task.id])
    session.add(task)
    with pytest.raises(EditConflict):
        edit(session, task, version=1, name="late")
    assert tasks.find_task(session, task.id) is None


def test_a_pause_conflicts_with_an_edit(session: Session, make_task: MakeTask) -> None:
    """An edit doesn't resume a task that was paused meanwhile."""
    task = make_task()
    pauses.pause_tasks(session, [task.id], actor=TASKADMIN)
    session.expire_all()
    with pytest.raises(EditConflict):
        edit(session, task, version=1, name="mine")


def test_deleting_a_task_takes_its_results(session: Session, make_task: MakeTask) -> None:
    """At once for readers; a second deletion finds nothing."""
    gone, stays = make_task(), make_task()
    for due_at in (LONG_AGO, LONG_AGO + timedelta(hours=1)):
        insert_runs(session, [gone, stays], launch_id=1, due_at=due_at, jobs=all_jobs())
    session.commit()
    ids = [gone.id, 999]
    assert tasks.delete_tasks(session, ids) == (1, 2)
    assert {run.task_id for run in page_of_runs(session, limit=9)} == {stays.id}
    assert tasks.find_task(session, gone.id) is None
    assert tasks.count_tasks(session, ids) == (0, 0)
    assert tasks.delete_tasks(session, ids) == (0, 0)


def test_open_runs_of_a_deleted_task_are_cancelled(session: Session, make_task: MakeTask) -> None:
    """Later results of workers aren't recorded."""
    task = make_task()
    insert_runs(session, [task], launch_id=1, due_at=LONG_AGO, jobs=all_jobs())
    session.commit()
    tasks.delete_tasks(session, [task.id])
    run = session.scalars(select(TaskResult)).one()
    assert (run.state, run.reason) == (RunState.CANCELLED, "Its task was deleted.")
    assert run.finished_at is not None


def test_ids_of_deleted_tasks_are_not_given_again(session: Session, make_task: MakeTask) -> None:
    """A message or page with an old id must not mean another task."""
    first = make_task().id
    tasks.delete_tasks(session, [first])
    session.expunge_all()
    assert make_task().id > first

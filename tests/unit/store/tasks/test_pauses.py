"""Pauses of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask, MakeUser
from taskadmin.models import RunState, Task, TaskPause, TaskResult, TaskSchedule
from taskadmin.store.database import clock
from taskadmin.store.people import audit
from taskadmin.store.people.audit import Actor, Filter
from taskadmin.store.tasks import pauses, tasks

ADA = Actor(None, "ada", "192.0.2.1")
LATER = datetime(2999, 1, 1, tzinfo=UTC)
AGO = datetime(2020, 1, 1, tzinfo=UTC)


def pause_of(session: Session, task: Task) -> TaskPause | None:
    return session.get(TaskPause, task.id, populate_existing=True)


def trail(session: Session) -> list[tuple[object, ...]]:
    found = audit.page(session, Filter(), limit=100)
    return [
        (entry.actor, entry.action, entry.subject_id, entry.before, entry.after) for entry in found
    ]


def finish_runs(
    session: Session, task: Task, states: Sequence[RunState], begin: datetime | None = None
) -> None:
    """Add finished runs of *task*, due one after the other from *begin* or now."""
    begin = begin or clock.now(session)
    for number, state in enumerate(states):
        session.add(
            TaskResult(
                task_id=task.id,
                launch_id=1,
                due_at=begin + timedelta(microseconds=number),
                job=task.job,
                queue="taskadmin.runs",
                task_params={},
                state=state,
                reason="Because" if state == RunState.SKIPPED else None,
                queued_at=begin,
                finished_at=begin,
                error_type="ValueError" if state == RunState.FAILED else None,
            )
        )
    session.commit()


@pytest.fixture
def watched(session: Session, make_task: MakeTask) -> Task:
    """A task that is paused after two failures in a row."""
    task = make_task(name="Fragile")
    session.add(TaskSchedule(task_id=task.id, kind="slot", pause_after=2))
    session.commit()
    return task


def test_a_pause_has_its_user_reason_and_end(
    session: Session, make_task: MakeTask, make_user: MakeUser
) -> None:
    """It is an edit with an audit entry; unknown ids are ignored."""
    ada = make_user("ada")
    task, other = make_task(), make_task()
    version, changed = task.version, task.updated_at
    actor = Actor(ada.id, "ada", "192.0.2.1")

    paused = pauses.pause_tasks(
        session, [task.id, 999], actor=actor, note=" Too loud\0 ", resume_at=LATER
    )

    assert paused == 1
    session.expire_all()
    assert (task.enabled, other.enabled, task.version) == (False, True, version + 1)
    assert task.updated_at > changed
    pause = pause_of(session, task)
    assert pause is not None
    assert (pause.paused_by, pause.note, pause.resume_at) == (ada.id, r"Too loud\x00", LATER)
    assert pause.paused_at == task.updated_at
    assert trail(session) == [
        (
            *("ada", "paused", task.id),
            {"enabled": True, "note": None, "resume_at": None},
            {"enabled": False, "note": r"Too loud\x00", "resume_at": LATER.isoformat()},
        )
    ]


def test_a_paused_task_gets_the_new_note(session: Session, make_task: MakeTask) -> None:
    """The audit entry has the changes."""
    task = make_task()
    pauses.pause_tasks(session, [task.id], actor=ADA, note="One", resume_at=LATER)
    assert pauses.pause_tasks(session, [task.id], actor=ADA, note="x" * 600) == 1
    pause = pause_of(session, task)
    assert pause is not None
    assert (pause.note, pause.resume_at) == ("x" * 500, None)
    assert trail(session)[0][3] == {"note": "One", "resume_at": LATER.isoformat()}


def test_resuming_removes_the_pause(session: Session, make_task: MakeTask) -> None:
    """Only paused tasks are counted."""
    paused, running = make_task(), make_task()
    pauses.pause_tasks(session, [paused.id], actor=ADA, note="One")
    assert pauses.resume_tasks(session, [paused.id, running.id], actor=ADA) == 1
    session.expire_all()
    assert (paused.enabled, paused.version) == (True, 3)
    assert (running.enabled, running.version) == (True, 1)
    assert pause_of(session, paused) is None
    assert trail(session)[0] == (
        *("ada", "resumed", paused.id),
        {"enabled": False, "note": "One"},
        {"enabled": True, "note": None},
    )


def test_deleted_tasks_are_neither_paused_nor_resumed(
    session: Session, make_task: MakeTask
) -> None:
    """They aren't shown anywhere."""
    task = make_task()
    task.deleted_at = AGO
    session.commit()
    assert pauses.pause_tasks(session, [task.id], actor=ADA) == 0
    assert pauses.resume_tasks(session, [task.id], actor=ADA) == 0
    assert trail(session) == []


def test_people_who_pause_and_resume_at_once_leave_no_half_pause(
    engine: Engine, make_task: MakeTask, at_once: AtOnce
) -> None:
    """In any order of ids, without a deadlock."""
    ids = [make_task().id for _ in range(5)]

    def pause() -> int:
        with Session(engine) as own:
            return pauses.pause_tasks(own, ids, actor=ADA, note="One")

    def resume() -> int:
        with Session(engine) as own:
            return pauses.resume_tasks(own, ids[::-1], actor=ADA)

    for _ in range(5):
        done = at_once(pause, resume, pause, resume)
        assert all(isinstance(count, int) for count in done), done
        with Session(engine) as own:
            off = set(own.scalars(select(Task.id).where(Task.enabled.is_(False))))
            assert set(own.scalars(select(TaskPause.task_id))) == off


def test_pauses_that_are_over_end(session: Session, make_task: MakeTask) -> None:
    """By the database's clock, with an audit entry by taskadmin."""
    over, later, open_end = make_task(), make_task(), make_task()
    pauses.pause_tasks(session, [over.id], actor=ADA, resume_at=AGO)
    pauses.pause_tasks(session, [later.id], actor=ADA, resume_at=LATER)
    pauses.pause_tasks(session, [open_end.id], actor=ADA)
    assert pauses.resume_due(session) == 1
    assert pauses.resume_due(session) == 0
    session.expire_all()
    assert (over.enabled, later.enabled, open_end.enabled) == (True, False, False)
    assert trail(session)[0][:3] == ("taskadmin", "resumed", over.id)


def test_failures_in_a_row_pause_a_task(session: Session, watched: Task) -> None:
    """Once, with a note."""
    finish_runs(session, watched, [RunState.SUCCEEDED, RunState.FAILED])
    assert not pauses.pause_after_failures(session, watched.id)
    finish_runs(session, watched, [RunState.FAILED])
    assert pauses.pause_after_failures(session, watched.id)
    assert not pauses.pause_after_failures(session, watched.id)
    pause = pause_of(session, watched)
    assert pause is not None
    assert (pause.note, pause.paused_by) == ("Paused after 2 failures in a row: ValueError", None)
    assert trail(session)[0][:3] == ("taskadmin", "paused", watched.id)


@pytest.mark.parametrize(
    ("states", "paused"),
    [
        ("FSF", False),
        ("FFS", False),
        ("SFF", True),
        ("FKF", True),
        ("FCKKF", True),
        ("F", False),
        ("", False),
    ],
)
def test_only_runs_that_ran_count(
    session: Session, watched: Task, states: str, paused: bool
) -> None:
    """F failed, S succeeded; skipped (K) and cancelled (C) runs are ignored."""
    names = {
        "F": RunState.FAILED,
        "S": RunState.SUCCEEDED,
        "K": RunState.SKIPPED,
        "C": RunState.CANCELLED,
    }
    finish_runs(session, watched, [names[letter] for letter in states])
    assert pauses.pause_after_failures(session, watched.id) is paused


def test_failures_before_a_resume_or_an_edit_are_forgiven(session: Session, watched: Task) -> None:
    """Only new failures count afterwards."""
    session.execute(update(Task).values(updated_at=AGO))
    session.commit()
    finish_runs(session, watched, [RunState.FAILED] * 2, begin=AGO)
    assert pauses.pause_after_failures(session, watched.id)
    pauses.resume_tasks(session, [watched.id], actor=ADA)
    finish_runs(session, watched, [RunState.FAILED])
    assert not pauses.pause_after_failures(session, watched.id)
    finish_runs(session, watched, [RunState.FAILED])
    assert pauses.pause_after_failures(session, watched.id)


def test_without_a_rule_nothing_is_paused(session: Session, make_task: MakeTask) -> None:
    """Nor without a row of a schedule or a task."""
    task = make_task()
    finish_runs(session, task, [RunState.FAILED] * 3)
    assert not pauses.pause_after_failures(session, task.id)
    assert not pauses.pause_after_failures(session, 999)


def test_a_deleted_task_is_not_paused_by_failures(session: Session, watched: Task) -> None:
    """Its last runs may end after the deletion."""
    finish_runs(session, watched, [RunState.FAILED] * 2)
    tasks.delete_tasks(session, [watched.id])
    assert not pauses.pause_after_failures(session, watched.id)

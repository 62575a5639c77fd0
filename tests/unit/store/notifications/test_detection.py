"""Each event is noted once, and no other."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.notifying.notices import AddRun, Notify, TellRule, keys, messages
from taskadmin.models import (
    NOTIFY_JOB,
    Launch,
    LaunchKind,
    LaunchState,
    NotifiedEvent,
    RunState,
    Task,
    TaskResult,
)
from taskadmin.schedules import ScheduleKind
from taskadmin.store.database.clock import now
from taskadmin.store.people.audit import Actor
from taskadmin.store.tasks import pauses
from taskadmin.store.tasks.schedules import ScheduleInput, put_schedule

FAILED, SUCCEEDED = RunState.FAILED, RunState.SUCCEEDED
ADA = Actor(None, "ada", "192.0.2.1")


@pytest.fixture
def task(make_task: MakeTask) -> Task:
    """A task."""
    return make_task(name="Import")


def schedule(session: Session, task: Task, given: ScheduleInput) -> None:
    """Give a task a schedule of its own."""
    put_schedule(session, task.id, given, moment=now(session), slot_interval_seconds=300)


def test_a_failure_is_noted_once(
    session: Session, task: Task, tell: TellRule, add_run: AddRun, notify: Notify
) -> None:
    """However often it is searched, and if it was committed after a later search."""
    tell(NotifiedEvent.FAILED)
    notify()
    run_id = add_run(task, finished_at=now(session) - timedelta(minutes=2))
    add_run(task, SUCCEEDED)

    for _ in range(3):
        notify()

    assert keys(session) == [f"failed:{run_id}"]
    assert len(messages(session)) == 1


def test_runs_from_before_the_channel_are_not_noted(
    session: Session, task: Task, tell: TellRule, add_run: AddRun, notify: Notify
) -> None:
    """Nobody wants to hear of last week's failures."""
    tell(NotifiedEvent.FAILED)
    add_run(task, finished_at=now(session) - timedelta(hours=1))

    assert notify() is None


def test_rules_are_for_a_task_for_a_job_or_for_all(
    session: Session, make_task: MakeTask, tell: TellRule, add_run: AddRun, notify: Notify
) -> None:
    """And several rules for one event note it once."""
    tasks = [make_task(), make_task(job="other", params={}), make_task()]
    tell(NotifiedEvent.FAILED, task_id=tasks[0].id)
    tell(NotifiedEvent.FAILED, job="other")
    run_ids = [add_run(one) for one in tasks]

    notify()
    assert keys(session) == sorted(f"failed:{one}" for one in run_ids[:2])

    tell(NotifiedEvent.FAILED)
    notify()
    assert keys(session) == sorted(f"failed:{one}" for one in run_ids)


def test_failed_deliveries_are_not_told(
    session: Session, make_task: MakeTask, tell: TellRule, add_run: AddRun, notify: Notify
) -> None:
    """Each message about one would fail, too."""
    delivery = make_task(job=NOTIFY_JOB, params={"channel": 1, "title": "t", "text": "t"})
    tell(NotifiedEvent.FAILED)
    tell(NotifiedEvent.FAILED, job=NOTIFY_JOB)
    tell(NotifiedEvent.FAILED, task_id=delivery.id)
    add_run(delivery)

    assert notify() is None


def states(task: Task, add_run: AddRun, text: str) -> None:
    """Insert a run for each letter: Failed, Succeeded, Cancelled."""
    kinds = {"F": FAILED, "S": SUCCEEDED, "C": RunState.CANCELLED}
    for one in text:
        add_run(task, kinds[one])


@pytest.mark.parametrize(
    ("number", "text", "noted"),
    [
        *[(1, "F", 1), (1, "FF", 1), (1, "SF", 1), (1, "SFFSF", 2), (1, "SFCF", 1)],
        *[(2, "F", 0), (2, "FF", 1), (2, "FFF", 1), (2, "FSF", 0), (2, "FCF", 1)],
        *[(3, "SFFF", 1), (3, "SFFFFSFFF", 2)],
    ],
)
def test_a_row_of_failures_is_noted_when_it_is_complete(
    session: Session,
    task: Task,
    tell: TellRule,
    add_run: AddRun,
    notify: Notify,
    number: int,
    text: str,
    noted: int,
) -> None:
    """Once per row, whether its runs are searched together or one by one."""
    tell(NotifiedEvent.FAILED_IN_A_ROW, number)
    states(task, add_run, text)

    notify()
    notify()

    told = [one["details"]["errors"] for one in messages(session)]
    assert len(keys(session)) == noted
    assert [one[0]["count"] for one in told] == ([noted] if noted else [])


@pytest.mark.parametrize(
    ("event", "text", "number"),
    [(NotifiedEvent.FIRST_FAILURE, "FFSF", 2), (NotifiedEvent.RECOVERED, "SFCSSFS", 2)],
)
def test_the_first_failure_and_the_first_success_are_noted(
    session: Session,
    task: Task,
    tell: TellRule,
    add_run: AddRun,
    notify: Notify,
    event: NotifiedEvent,
    text: str,
    number: int,
) -> None:
    """Not the second one."""
    tell(event)
    for one in text:
        states(task, add_run, one)
        notify()

    assert len(keys(session)) == len(messages(session)) == number


def test_runs_that_overlap_complete_a_row_once(
    session: Session, task: Task, tell: TellRule, add_run: AddRun, notify: Notify
) -> None:
    """The third run fails before the second one: the row of two begins with the first."""
    tell(NotifiedEvent.FAILED_IN_A_ROW, 2)
    due = now(session) - timedelta(minutes=5)
    minute = timedelta(seconds=10)
    add_run(task, SUCCEEDED, due_at=due)
    add_run(task, FAILED, due_at=due + minute)
    add_run(task, FAILED, due_at=due + 3 * minute)
    notify()
    add_run(task, FAILED, due_at=due + 2 * minute)
    notify()

    assert len(keys(session)) == 1


def test_runs_that_start_late_are_noted_before_and_after(
    session: Session, task: Task, tell: TellRule, add_run: AddRun, notify: Notify
) -> None:
    """Waiting runs, and runs that have begun meanwhile: once."""
    tell(NotifiedEvent.LATE, 120)
    moment = now(session)
    early, late = moment - timedelta(seconds=60), moment - timedelta(seconds=180)
    add_run(task, RunState.QUEUED, due_at=early, attempts=0)
    add_run(task, RunState.QUEUED, due_at=late, attempts=0, not_before=moment + timedelta(hours=1))
    later = timedelta(seconds=1)
    waiting = add_run(task, RunState.QUEUED, due_at=late + later, attempts=0)
    begun = add_run(task, SUCCEEDED, due_at=late + 2 * later, started_at=moment)
    add_run(task, SUCCEEDED, due_at=early + later, started_at=moment)
    add_run(task, SUCCEEDED, due_at=late + 3 * later, started_at=moment, attempts=2)
    notify()
    done = {"state": SUCCEEDED, "finished_at": moment, "started_at": moment, "attempts": 1}
    session.execute(update(TaskResult).where(TaskResult.id == waiting).values(**done))
    session.commit()
    notify()

    assert keys(session) == sorted([f"late:{waiting}", f"late:{begun}"])


def test_missed_due_times_are_noted(
    session: Session, task: Task, tell: TellRule, add_run: AddRun, notify: Notify
) -> None:
    """Those of a task's own schedule; other skipped runs aren't missed."""
    tell(NotifiedEvent.LATE)
    missed = {"missed": {"count": 3}}
    run_id = add_run(task, RunState.SKIPPED, reason="Missed", output=missed, attempts=0)
    add_run(task, RunState.SKIPPED, reason="Overlap", attempts=0)

    notify()

    assert keys(session) == [f"late:{run_id}"]


def test_missed_slots_are_noted(
    session: Session, task: Task, make_task: MakeTask, tell: TellRule, notify: Notify
) -> None:
    """Once for all tasks, or for each task of a rule that runs at the common slot."""
    other = make_task()
    schedule(session, other, ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=60))
    session.add(
        Launch(
            kind=LaunchKind.SLOT,
            slot=now(session),
            state=LaunchState.MISSED,
            reason="No launcher ran during its slot.",
            opened_at=now(session) - timedelta(seconds=1),
        )
    )
    session.commit()
    tell(NotifiedEvent.LATE, task_id=task.id)
    tell(NotifiedEvent.LATE, task_id=other.id)

    notify()
    assert keys(session) == [f"late:slot:1:{task.id}"]

    tell(NotifiedEvent.LATE)
    notify()
    assert keys(session) == ["late:slot:1", f"late:slot:1:{task.id}"]
    assert "No launcher ran" in messages(session)[-1]["text"]


def test_runs_over_a_limit_are_noted_while_they_run(
    session: Session, task: Task, tell: TellRule, add_run: AddRun, notify: Notify
) -> None:
    """And when they have finished: once."""
    tell(NotifiedEvent.SLOW, 30)
    moment = now(session)

    own = {"token": UUID(int=1), "process_id": UUID(int=2)}
    begun = moment - timedelta(seconds=40)
    running = add_run(task, RunState.RUNNING, started_at=begun, **own)
    add_run(task, RunState.RUNNING, started_at=moment - timedelta(seconds=20), **own)
    done = add_run(task, SUCCEEDED, started_at=begun)
    add_run(task, SUCCEEDED, started_at=moment - timedelta(seconds=20))
    notify()
    done_now = {"state": FAILED, "finished_at": moment}
    session.execute(update(TaskResult).where(TaskResult.id == running).values(**done_now))
    session.commit()
    notify()

    assert keys(session) == sorted([f"slow:{running}", f"slow:{done}"])


def test_runs_of_three_times_the_usual_duration_are_noted(
    session: Session,
    task: Task,
    make_task: MakeTask,
    tell: TellRule,
    add_run: AddRun,
    notify: Notify,
) -> None:
    """The usual duration is that of the task's last successful runs; short runs are never slow."""
    tell(NotifiedEvent.SLOW)
    moment = now(session)

    def run(of: Task, seconds: float, state: RunState = SUCCEEDED) -> int:
        begun = moment - timedelta(seconds=seconds)
        return add_run(of, state, started_at=begun, finished_at=moment)

    other = make_task()
    for _ in range(3):
        run(task, 2)
        run(other, 0.1)
    run(task, 5.9)
    run(task, 50, FAILED)
    slow = run(task, 12)
    run(other, 0.9)
    notify()

    assert [one for one in keys(session) if one.endswith(f":{slow}")]
    assert len(keys(session)) == 2  # and the failed one


def test_pauses_by_failures_and_ends_of_pauses_are_noted(
    session: Session,
    task: Task,
    make_task: MakeTask,
    tell: TellRule,
    add_run: AddRun,
    notify: Notify,
) -> None:
    """A person's pause isn't, nor a person's end of one."""
    tell(NotifiedEvent.PAUSED)
    tell(NotifiedEvent.RESUMED)
    failing = make_task(name="Failing")
    schedule(session, failing, ScheduleInput(pause_after=1))
    later = now(session) + timedelta(seconds=1)
    add_run(failing, due_at=later, finished_at=later)
    assert pauses.pause_after_failures(session, failing.id)
    person = make_task(name="Person's")
    pauses.pause_tasks(session, [person.id], actor=ADA)
    pauses.resume_tasks(session, [person.id], actor=ADA)
    pauses.pause_tasks(session, [task.id], actor=ADA, resume_at=now(session) - timedelta(seconds=1))
    assert pauses.resume_due(session) == 1

    notify()
    notify()

    (message,) = messages(session)
    assert [
        (one["event"], [subject["name"] for subject in one["subjects"]])
        for one in message["details"]["events"]
    ] == [("paused", ["Failing"]), ("resumed", ["Import"])]


def test_a_queue_without_consumers_is_noted_once(
    session: Session, task: Task, tell: TellRule, add_run: AddRun, notify: Notify
) -> None:
    """As long as the same run waits longest."""
    tell(NotifiedEvent.NO_CONSUMER, 60)
    moment = now(session)
    add_run(task, RunState.QUEUED, queue="soon", queued_at=moment - timedelta(seconds=30))
    first = add_run(task, RunState.QUEUED, queue="far", queued_at=moment - timedelta(seconds=90))
    for _ in range(2):
        notify()
    assert ["far" in one for one in keys(session)] == [True]

    session.execute(delete(TaskResult).where(TaskResult.id == first))
    add_run(task, RunState.QUEUED, queue="far", queued_at=moment - timedelta(seconds=80))
    notify()
    assert len(keys(session)) == 2
    assert messages(session)[0]["details"]["events"][0]["subjects"][0]["name"] == "far"

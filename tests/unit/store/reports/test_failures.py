"""Failures by job and exception."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.rows.retries import finish, retry
from services.rows.runs import DUE, queue
from taskadmin.models import Task, TaskResult
from taskadmin.store.database import clock
from taskadmin.store.reports.failures import recent_failures
from taskadmin.store.tasks import tasks


@pytest.fixture
def task(make_task: MakeTask) -> Task:
    """A task named Dice."""
    return make_task(name="Dice")


def fail(
    session: Session, task_id: int, number: int, ago: timedelta, error_type: str = "Boom"
) -> int:
    """Add a failed run; *number* makes its due time unique."""
    run_id = queue(session, task_id, DUE + timedelta(minutes=number))
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == run_id)
        .values(
            state="failed",
            finished_at=clock.now(session) - ago,
            error_type=error_type,
            error=f"{error_type}: number {number}",
        )
    )
    session.commit()
    return run_id


def test_failures_are_grouped_with_counts_of_each_span(
    session: Session, task: Task, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """By job and exception, latest first, with the newest run as an example."""
    ages = (timedelta(minutes=5), timedelta(hours=2), timedelta(hours=5), timedelta(days=2))
    for number, ago in enumerate((*ages, timedelta(days=6), timedelta(days=30)), start=1):
        fail(session, task.id, 10 - number, ago)
    newest = fail(session, task.id, 20, timedelta(days=8))
    other = fail(session, task.id, 21, timedelta(seconds=1), "httpx.ReadTimeout")
    gone = make_task()
    fail(session, gone.id, 1, timedelta(seconds=1))
    tasks.delete_tasks(session, [gone.id])
    queue(session, task.id, DUE + timedelta(minutes=30))

    with count_queries() as statements:
        failures = recent_failures(session)

    timeout, boom = failures.groups
    assert (timeout.error_type, timeout.run_id, timeout.task) == (
        "httpx.ReadTimeout",
        other,
        "Dice",
    )
    assert timeout.counts == (1, 1, 1, 1, 1)
    assert (boom.job, boom.number) == ("generate_random_number", 7)
    assert boom.counts == (1, 2, 3, 4, 5)
    assert (boom.run_id, boom.error) == (newest, "Boom: number 20")
    assert (failures.number, failures.more, failures.capped) == (8, 0, False)
    assert len(statements) == 3


def test_retried_failures_are_not_offered_again(session: Session, task: Task) -> None:
    """They are counted, and a retry that failed is offered."""
    runs = [fail(session, task.id, number, timedelta(hours=1)) for number in range(3)]
    retry(session, *runs[:2])
    [group] = recent_failures(session).groups
    assert (group.number, group.not_retried) == (3, 1)

    finish(session, session.scalars(select(func.max(TaskResult.id))).one())

    [group] = recent_failures(session).groups
    assert (group.number, group.not_retried) == (4, 2)


def test_only_the_newest_are_counted(session: Session, task: Task) -> None:
    """The result says how far back they go, and how many groups are left out."""
    for number in range(4):
        fail(session, task.id, number, timedelta(hours=9 - number), f"Error{number}")
    failures = recent_failures(session, most=3, most_groups=2)
    assert [group.error_type for group in failures.groups] == ["Error3", "Error2"]
    assert (failures.number, failures.more, failures.capped) == (3, 1, True)
    assert failures.oldest is not None
    age = clock.now(session) - failures.oldest
    assert timedelta(hours=8) <= age < timedelta(hours=9)


def test_a_count_above_the_maximum_is_cached(
    session: Session, task: Task, count_queries: CountQueries
) -> None:
    """A smaller count isn't cached."""
    for number in range(2):
        fail(session, task.id, number, timedelta(hours=1))
    capped = recent_failures(session, most=2)
    fail(session, task.id, 2, timedelta(hours=1))

    with count_queries() as statements:
        assert recent_failures(session, most=2) == capped
    assert statements == []
    assert recent_failures(session, most=9).number == 3
    fail(session, task.id, 3, timedelta(hours=1))
    assert recent_failures(session, most=9).number == 4


def test_without_failures_there_are_no_groups(session: Session) -> None:
    """There are no groups and no oldest failure."""
    assert recent_failures(session) == ([], 0, 0, False, None)

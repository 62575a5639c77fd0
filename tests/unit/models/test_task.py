"""Constraints of the table of tasks."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from taskadmin.models import Task, User

ORDERED = "taskadmin_task_limits_ordered_check"
OF_JOB = "taskadmin_task_limits_of_job_check"


def insert_task(
    session: Session, author: User, lower: str, upper: str, job: str = "generate_random_number"
) -> None:
    """Insert a task with plain SQL, with limits as SQL text."""
    session.execute(
        text(
            "INSERT INTO taskadmin_task"
            " (job, lower_limit, upper_limit, created_at, updated_at, created_by)"
            f" VALUES (:job, {lower}, {upper}, :moment, :moment, :author)"
        ),
        {"job": job, "moment": "2026-01-01 00:00:00", "author": author.id},
    )


@pytest.mark.parametrize(
    ("lower", "upper", "constraint"),
    [
        ("2", "1", ORDERED),
        ("NULL", "1", OF_JOB),
        ("1", "NULL", OF_JOB),
        ("NULL", "NULL", OF_JOB),
    ],
)
def test_limits_are_complete_and_ordered(
    session: Session, make_user: MakeUser, lower: str, upper: str, constraint: str
) -> None:
    """The error names the constraint."""
    author = make_user()
    with pytest.raises(IntegrityError, match=constraint):
        insert_task(session, author, lower, upper)


#: On SQLite, a number that is too large is infinity, and there is no NaN.
INFINITE = {
    "postgresql": ("'-Infinity'", "'Infinity'", "'NaN'"),
    "sqlite": ("-9e999", "9e999"),
}


@pytest.mark.parametrize("other", [None, "1"])
def test_limits_are_finite(
    session: Session, make_user: MakeUser, database: str, other: str | None
) -> None:
    """Neither limit can be NaN or infinity."""
    author = make_user()
    for value in INFINITE[database]:
        for lower, upper in ((value, other or value), (other or value, value)):
            with pytest.raises(IntegrityError, match=ORDERED):
                insert_task(session, author, lower, upper)
            session.rollback()


@pytest.mark.parametrize("text_", ["'abc'", "''", "'1,5'"])
def test_limits_are_numbers(session: Session, make_user: MakeUser, text_: str) -> None:
    """SQLite would store any text in a numeric column, but for the constraint."""
    author = make_user()
    with pytest.raises(DBAPIError):
        insert_task(session, author, "0", text_)


@pytest.mark.parametrize("values", [{"lower_limit": float("nan")}, {"upper_limit": float("inf")}])
def test_limits_of_python_are_finite(
    session: Session, make_user: MakeUser, values: dict[str, float]
) -> None:
    """SQLite stores Python's NaN as NULL, which the built-in job refuses."""
    limits = {"lower_limit": 0.0, "upper_limit": 1.0} | values
    with pytest.raises(IntegrityError, match="taskadmin_task_limits"):
        session.execute(insert(Task), [{"created_by": make_user().id, **limits}])


@pytest.mark.parametrize(
    ("lower", "upper"), [(-1.7976931348623157e308, 1.7976931348623157e308), (0.1, 0.1)]
)
def test_the_widest_and_the_narrowest_range_fit(
    session: Session, make_task: MakeTask, lower: float, upper: float
) -> None:
    """The largest doubles are stored exactly, and a range can be one number."""
    task = make_task(None, lower, upper)
    session.expire_all()
    assert (task.lower_limit, task.upper_limit) == (lower, upper)


def test_other_jobs_have_no_limits(session: Session, make_user: MakeUser) -> None:
    """The two columns belong to the built-in job."""
    author = make_user()
    with pytest.raises(IntegrityError, match=OF_JOB):
        insert_task(session, author, "0", "1", "another")


@pytest.mark.databases("postgresql")
def test_an_author_can_not_be_deleted(session: Session, make_task: MakeTask) -> None:
    """Users are deactivated instead; tasks keep their author."""
    author_id = make_task().created_by
    with pytest.raises(IntegrityError, match="taskadmin_task_created_by_fkey"):
        session.execute(delete(User).where(User.id == author_id))

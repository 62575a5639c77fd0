"""What the tables themselves refuse, whoever writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from taskadmin.models import Launch, Task, TaskResult, User

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
ORDERED = "taskadmin_task_limits_ordered_check"
OF_JOB = "taskadmin_task_limits_of_job_check"


def insert_task(session: Session, author: User, lower: str, upper: str, job: str) -> None:
    """By SQL of a stranger: the limits are SQL text."""
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
    """The constraint that is violated is named."""
    author = make_user()
    with pytest.raises(IntegrityError, match=constraint):
        insert_task(session, author, lower, upper, "generate_random_number")


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ("'NaN'", "1"),
        ("1", "'NaN'"),
        ("'NaN'", "'NaN'"),
        ("'-Infinity'", "1"),
        ("1", "'Infinity'"),
        ("'Infinity'", "'Infinity'"),
        ("'-Infinity'", "'-Infinity'"),
    ],
)
def test_limits_are_finite_on_postgresql(
    session: Session, make_user: MakeUser, lower: str, upper: str
) -> None:
    """Neither NaN nor an infinity gets in, on either side."""
    author = make_user()
    with pytest.raises(IntegrityError, match=ORDERED):
        insert_task(session, author, lower, upper, "generate_random_number")


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("lower", "upper"),
    [("-9e999", "1"), ("1", "9e999"), ("9e999", "9e999"), ("-9e999", "-9e999")],
)
def test_limits_are_finite_on_sqlite(
    session: Session, make_user: MakeUser, lower: str, upper: str
) -> None:
    """SQLite writes an infinity as a number that is too large."""
    author = make_user()
    with pytest.raises(IntegrityError, match=ORDERED):
        insert_task(session, author, lower, upper, "generate_random_number")


@pytest.mark.parametrize("text_", ["'abc'", "''", "'1,5'"])
def test_limits_are_numbers(session: Session, make_user: MakeUser, text_: str) -> None:
    """SQLite would keep any text in a column of numbers; the constraint refuses it too."""
    author = make_user()
    with pytest.raises(DBAPIError):
        insert_task(session, author, "0", text_, "generate_random_number")


@pytest.mark.parametrize("values", [{"lower_limit": float("nan")}, {"upper_limit": float("inf")}])
def test_limits_of_python_are_finite(
    session: Session, make_user: MakeUser, values: dict[str, float]
) -> None:
    """SQLite takes Python's NaN for NULL, which the built-in job may not have."""
    limits = {"lower_limit": 0.0, "upper_limit": 1.0} | values
    with pytest.raises(IntegrityError, match="taskadmin_task_limits"):
        session.execute(insert(Task), [{"created_by": make_user().id, **limits}])


def test_the_widest_range_fits(session: Session, make_task: MakeTask) -> None:
    """The largest doubles are finite, and stored to the last bit."""
    largest = 1.7976931348623157e308
    task = make_task(None, -largest, largest)
    session.expire_all()
    assert (task.lower_limit, task.upper_limit) == (-largest, largest)


def test_equal_limits_fit(session: Session, make_task: MakeTask) -> None:
    """A range of one number is a range."""
    task = make_task(None, 0.1, 0.1)
    session.expire_all()
    assert (task.lower_limit, task.upper_limit) == (0.1, 0.1)


def test_other_jobs_have_no_limits(session: Session, make_user: MakeUser) -> None:
    """The two columns belong to the built-in job."""
    author = make_user()
    with pytest.raises(IntegrityError, match=OF_JOB):
        insert_task(session, author, "0", "1", "another")


@pytest.mark.databases("postgresql")
def test_an_author_can_not_be_deleted(session: Session, make_task: MakeTask) -> None:
    """Users are deactivated; their tasks keep their author."""
    author_id = make_task().created_by
    with pytest.raises(IntegrityError, match="taskadmin_task_created_by_fkey"):
        session.execute(delete(User).where(User.id == author_id))


def run(task: Task, **values: Any) -> dict[str, Any]:
    """A queued run's columns, changed by *values*."""
    return {
        "task_id": task.id,
        "launch_id": 1,
        "due_at": MOMENT,
        "job": task.job,
        "queue": "taskadmin.runs",
        "task_params": {},
        "state": "queued",
        "queued_at": MOMENT,
        **values,
    }


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"state": "lost"}, "taskadmin_task_result_state_check"),
        ({"state": "succeeded"}, "taskadmin_task_result_finished_at_check"),
        ({"state": "queued", "finished_at": MOMENT}, "taskadmin_task_result_finished_at_check"),
        ({"state": "running"}, "taskadmin_task_result_running_owner_check"),
        (
            {"state": "running", "token": uuid4()},
            "taskadmin_task_result_running_owner_check",
        ),
        (
            {"state": "skipped", "finished_at": MOMENT},
            "taskadmin_task_result_skipped_reason_check",
        ),
    ],
)
def test_a_run_is_in_a_state_that_makes_sense(
    session: Session, make_task: MakeTask, values: dict[str, Any], constraint: str
) -> None:
    """Final states have their time, running ones their owner, skipped ones their reason."""
    task = make_task()
    with pytest.raises(IntegrityError, match=constraint):
        session.execute(insert(TaskResult), [run(task, **values)])


def test_a_task_has_one_run_for_a_due_time(session: Session, make_task: MakeTask) -> None:
    """This is what makes a repeated launch harmless."""
    task = make_task()
    session.execute(insert(TaskResult), [run(task)])
    with pytest.raises(IntegrityError, match=r"task_id.*due_at"):
        session.execute(insert(TaskResult), [run(task, launch_id=2)])


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"kind": "slot"}, "taskadmin_launch_slot_of_kind_check"),
        ({"kind": "manual", "slot": MOMENT}, "taskadmin_launch_slot_of_kind_check"),
        ({"kind": "whim"}, "taskadmin_launch_kind_check"),
        ({"state": "lost"}, "taskadmin_launch_state_check"),
        ({"state": "closed"}, "taskadmin_launch_closed_at_check"),
        ({"closed_at": MOMENT}, "taskadmin_launch_closed_at_check"),
    ],
)
def test_a_launch_is_in_a_state_that_makes_sense(
    session: Session, values: dict[str, Any], constraint: str
) -> None:
    """Slots have their time, closed ones their end."""
    launch = {"kind": "manual", "state": "opening", "opened_at": MOMENT} | values
    with pytest.raises(IntegrityError, match=constraint):
        session.execute(insert(Launch), [launch])


def test_a_slot_is_launched_once(session: Session) -> None:
    """Two launches of people may begin at the same time, two of a slot may not."""
    manual = {"kind": "manual", "state": "opening", "opened_at": MOMENT}
    session.execute(insert(Launch), [manual, manual])
    slot = {"kind": "slot", "slot": MOMENT, "state": "opening", "opened_at": MOMENT}
    session.execute(insert(Launch), [slot])
    with pytest.raises(IntegrityError, match="slot"):
        session.execute(insert(Launch), [slot])


def test_a_click_is_launched_once(session: Session) -> None:
    """The key that the page with the button was given."""
    click = {
        "kind": "manual",
        "state": "opening",
        "opened_at": MOMENT,
        "request_key": uuid4(),
    }
    session.execute(insert(Launch), [click])
    with pytest.raises(IntegrityError, match="request_key"):
        session.execute(insert(Launch), [click])


def test_times_need_a_zone(session: Session) -> None:
    """A naive time is a mistake, not a time in some zone."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the mistake
    launch = {"kind": "manual", "state": "opening", "opened_at": naive}
    with pytest.raises(Exception, match="has no time zone; times in taskadmin are aware"):
        session.execute(insert(Launch), [launch])

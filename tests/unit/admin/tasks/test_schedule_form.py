"""Enter, validate and preview a task's schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import field_errors, form_values
from services.rows.tasks import give
from taskadmin import service
from taskadmin.errors import InvalidArguments
from taskadmin.models import MissedRuns, Overlap, Task, TaskSchedule, User
from taskadmin.schedules import ScheduleKind
from taskadmin.store.people.users import set_preferences
from taskadmin.store.tasks.schedules import ScheduleInput, find_schedule, input_of

NEW = "/taskadmin/tasks/new/"

LIMITS = {"lower_limit": "0", "upper_limit": "1"}

ONCE = ScheduleKind.ONCE

NO_NUMBER = "Enter a number such as 5 or 1.5."

NO_WHOLE = "Enter a whole number of 1 or more, or leave this empty."

NO_MOMENT = "Enter a date and a time such as 2026-01-31 14:30."

FAR = datetime(2090, 7, 1, 12, tzinfo=UTC)


def stored(session: Session) -> ScheduleInput:
    """Return the only task's schedule."""
    session.expire_all()
    return input_of(find_schedule(session, session.scalars(select(Task.id)).one()))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"kind": "slot"}, ScheduleInput()),
        ({}, ScheduleInput()),
        (
            {"kind": "interval", "every": "1.5", "every_unit": "60", "cron": "not of this kind"},
            ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=90),
        ),
        (
            {"kind": "cron", "cron": " 30  2 * * * ", "zone": "Europe/Berlin"},
            ScheduleInput(kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin"),
        ),
        (
            {"kind": "once", "once_at": "2090-07-01T14:00", "zone": "Europe/Berlin", "every": "x"},
            ScheduleInput(kind=ONCE, once_at=FAR, zone="Europe/Berlin"),
        ),
        (
            {"starts_at": "2090-07-01 12:00", "ends_at": "2090-07-02T12:00:30", "max_runs": "7"},
            ScheduleInput(starts_at=FAR, ends_at=FAR + timedelta(days=1, seconds=30), max_runs=7),
        ),
        (
            {
                "missed_runs": "all",
                "grace": "2",
                "grace_unit": "3600",
                "overlap": "queue_one",
                "jitter": "30",
                "jitter_unit": "1",
                "pause_after": "3",
            },
            ScheduleInput(
                missed_runs=MissedRuns.ALL,
                grace_seconds=7200,
                overlap=Overlap.QUEUE_ONE,
                jitter_seconds=30,
                pause_after=3,
            ),
        ),
    ],
)
def test_a_schedule_is_stored_and_shown_again(
    session: Session, superuser: FlaskClient, typed: dict[str, str], expected: ScheduleInput
) -> None:
    """Only fields of its kind count; saving the form again changes nothing."""
    answer = superuser.post(NEW, data={**LIMITS, **typed, "enabled": "y"})

    assert field_errors(answer.text) == []
    assert stored(session) == expected
    task = session.scalars(select(Task)).one()
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    superuser.post(path, data={**form_values(superuser.get(path).text), "name": "Renamed"})
    assert stored(session) == expected
    session.expire_all()
    assert task.name == "Renamed"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"kind": "interval"}, [("every", "An interval needs a length.")]),
        ({"kind": "interval", "every": "1,5"}, [("every", NO_NUMBER)]),
        ({"kind": "interval", "every": "-5"}, [("every", NO_NUMBER)]),
        (
            {"kind": "interval", "every": "0.5", "every_unit": "1"},
            [("every", "This must be a whole number of seconds.")],
        ),
        (
            {"kind": "interval", "every": "99999999", "every_unit": "86400"},
            [("every", "The interval must be between 1 second and 366 days.")],
        ),
        (
            {"kind": "cron", "cron": "0 0 31 2 *"},
            [("cron", "There is no such date: day 31 never occurs in February.")],
        ),
        (
            {"kind": "cron"},
            [("cron", "A cron schedule needs an expression, such as “30 2 * * *”.")],
        ),
        (
            {"kind": "cron", "cron": "0 0 * * *", "zone": "Berlin"},
            [("zone", "Unknown time zone “Berlin”; did you mean Europe/Berlin?")],
        ),
        ({"kind": "once"}, [("once_at", "A single run needs a date and time.")]),
        ({"kind": "once", "once_at": "soon"}, [("once_at", NO_MOMENT)]),
        (
            {"kind": "once", "once_at": "2020-01-01T00:00"},
            [("once_at", "The date and time has already passed.")],
        ),
        (
            {"kind": "once", "once_at": "2090-02-30T12:00"},
            [("once_at", "2090-02-30 12:00 does not exist. Check the day and the time.")],
        ),
        (
            {"kind": "once", "once_at": "0001-01-01T00:00", "zone": "Asia/Tokyo"},
            [("once_at", "The date must be in the years 1970 to 2999.")],
        ),
        (
            {"kind": "once", "zone": "Europe/Berlin", "once_at": "2037-03-29T02:30"},
            [
                (
                    "once_at",
                    (
                        "Clocks in Europe/Berlin skip this time: they go forward by 1 hour. "
                        "Choose an earlier or a later one."
                    ),
                )
            ],
        ),
        (
            {"starts_at": "2090-01-02T00:00", "ends_at": "2090-01-01T00:00"},
            [("ends_at", "The end is before the start.")],
        ),
        ({"max_runs": "0"}, [("max_runs", "The maximum must be a whole number of at least 1.")]),
        ({"max_runs": "٣"}, [("max_runs", NO_WHOLE)]),
        ({"pause_after": "-1"}, [("pause_after", NO_WHOLE)]),
        ({"grace": "x", "jitter": "y"}, [("grace", NO_NUMBER), ("jitter", NO_NUMBER)]),
        (
            {"jitter": "2", "jitter_unit": "86400"},
            [("jitter", "The jitter must be 0 to 86,400 seconds (at most a day).")],
        ),
        ({"kind": "nonsense"}, [("kind", "Choose one of these.")]),
        ({"overlap": "nonsense"}, [("overlap", "Choose one of these.")]),
        ({"every_unit": "7"}, [("every_unit", "Choose one of these.")]),
    ],
)
def test_invalid_schedules_are_refused_at_the_field(
    session: Session,
    superuser: FlaskClient,
    typed: dict[str, str],
    expected: list[tuple[str, str]],
) -> None:
    """422 with the message and the inputs, also in the preview; nothing is saved."""
    answer = superuser.post(NEW, data={**LIMITS, **typed})

    assert answer.status_code == 422
    assert field_errors(answer.text) == expected
    assert session.scalar(select(func.count()).select_from(Task)) == 0
    shown = form_values(answer.text)
    for name in typed.keys() - {"kind", "overlap", "every_unit"}:
        assert shown[name] == typed[name].strip()
    fragment = superuser.get("/taskadmin/tasks/preview/", query_string=typed)
    assert fragment.status_code == 200
    assert "<time" not in fragment.text


def test_of_a_time_that_clocks_show_twice_the_first_is_meant(
    session: Session, superuser: FlaskClient
) -> None:
    """The preview says so; an unchanged stored second one stays."""
    typed = {"kind": "once", "zone": "Europe/Berlin", "once_at": "2037-10-25T02:30"}
    first = datetime(2037, 10, 25, 0, 30, tzinfo=UTC)

    fragment = superuser.get("/taskadmin/tasks/preview/", query_string=typed).text
    superuser.post(NEW, data={**LIMITS, **typed, "enabled": "y"})

    assert "02:30 occurs twice on this day; this is the first" in fragment
    assert stored(session).once_at == first
    task = session.scalars(select(Task)).one()
    second = first + timedelta(hours=1)
    give(session, task, ScheduleInput(kind=ONCE, once_at=second, zone="Europe/Berlin"), first)
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    values = form_values(superuser.get(path).text)
    superuser.post(path, data={**values, "name": "Renamed"})
    assert values["once_at"] == "2037-10-25T02:30"
    assert stored(session).once_at == second


@pytest.mark.databases("sqlite")
def test_a_schedule_that_is_over_does_not_keep_a_task_from_being_renamed(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Only a changed schedule must be in the future."""
    task = make_task()
    past = datetime(2020, 1, 1, tzinfo=UTC)
    give(session, task, ScheduleInput(kind=ONCE, once_at=past), past - timedelta(days=1))
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    page = superuser.get(path).text
    values = form_values(page)

    saved = superuser.post(path, data={**values, "name": "Done"})
    refused = superuser.post(path, data={**values, "version": "2", "once_at": "2021-01-01T00:00"})

    assert "The schedule has ended: there are no more runs." in page
    assert saved.status_code == 302
    assert field_errors(refused.text) == [("once_at", "The date and time has already passed.")]


@pytest.mark.databases("sqlite")
def test_a_form_without_a_schedule_leaves_it_alone(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """A script that sends only the limits changes nothing else."""
    task = make_task()
    wanted = ScheduleInput(kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Asia/Tokyo")
    give(session, task, wanted, FAR)

    superuser.post(f"/taskadmin/tasks/edit/?id={task.id}", data={**LIMITS, "version": "1"})

    assert stored(session) == wanted


@pytest.mark.parametrize(
    ("zone", "offered"),
    [(None, "UTC"), ("Asia/Tokyo", "Asia/Tokyo"), ("No/Such_Place", "UTC")],
)
def test_a_new_schedule_is_in_the_readers_zone(
    session: Session, superuser: FlaskClient, chief: User, zone: str | None, offered: str
) -> None:
    """Without a choice, it is the common slot, which has no row."""
    set_preferences(session, chief, language=None, zone=zone)

    assert form_values(superuser.get(NEW).text)["zone"] == offered
    superuser.post(NEW, data={**LIMITS, "kind": "slot", "zone": offered})

    task_id = session.scalars(select(Task.id)).one()
    assert find_schedule(session, task_id) is None
    assert (
        form_values(superuser.get(f"/taskadmin/tasks/edit/?id={task_id}").text)["zone"] == offered
    )


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.databases("sqlite")
def test_a_time_may_pass_while_a_task_is_saved(
    session: Session,
    superuser: FlaskClient,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    is_new: bool,
) -> None:
    """The form is shown again with the message at the field."""
    path = NEW if is_new else f"/taskadmin/tasks/edit/?id={make_task().id}"
    values = {**form_values(superuser.get(path).text), **LIMITS}
    later = SimpleNamespace(now=lambda _: FAR + timedelta(days=1))
    monkeypatch.setattr(service.tasks, "clock", later)

    answer = superuser.post(path, data={**values, "kind": "once", "once_at": "2090-07-01T12:00"})

    assert answer.status_code == 422
    assert field_errors(answer.text) == [("once_at", "The date and time has already passed.")]
    assert session.scalars(select(TaskSchedule)).all() == []


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.databases("sqlite")
def test_arguments_may_become_wrong_while_a_task_is_saved(
    superuser: FlaskClient, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    """A job may compare them with the time: the form shows the message above them."""

    def refuse(job: str, arguments: object) -> None:
        raise InvalidArguments("day: This day is over.")

    monkeypatch.setattr(service.tasks, "validated_arguments", refuse)
    path = NEW if is_new else f"/taskadmin/tasks/edit/?id={make_task().id}"
    values = {**form_values(superuser.get(path).text), "lower_limit": "0.5", "upper_limit": "9"}

    answer = superuser.post(path, data=values)

    assert answer.status_code == 422
    assert "day: This day is over." in answer.text

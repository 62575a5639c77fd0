"""When a task is due: entered, checked, shown before it is saved."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import field_errors, form_values
from taskadmin.models import MissedRuns, Overlap, Task, TaskSchedule, User
from taskadmin.schedules import ScheduleKind
from taskadmin.store.schedules import ScheduleInput, find_schedule, input_of, put_schedule
from taskadmin.store.users import set_preferences

NEW = "/taskadmin/tasks/new/"
LIMITS = {"lower_limit": "0", "upper_limit": "1"}
ONCE = ScheduleKind.ONCE
NO_NUMBER = "Enter a number such as 5 or 1.5, with a point."
NO_WHOLE = "Enter a whole number from 1, or nothing."
NO_MOMENT = "Enter a date and a time such as 2026-01-31 14:30."
FAR = datetime(2090, 7, 1, 12, tzinfo=UTC)


def stored(session: Session) -> ScheduleInput:
    """The schedule of the only task."""
    session.expire_all()
    return input_of(find_schedule(session, session.scalars(select(Task.id)).one()))


def give(session: Session, task: Task, wanted: ScheduleInput, moment: datetime) -> TaskSchedule:
    """Store a schedule for *task*."""
    put_schedule(session, task.id, wanted, moment=moment, slot_interval_s=300)
    session.commit()
    row = find_schedule(session, task.id)
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"kind": "slot"}, ScheduleInput()),
        ({}, ScheduleInput()),
        (
            {"kind": "interval", "every": "1.5", "every_unit": "60", "cron": "not of this kind"},
            ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=90),
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
                grace_s=7200,
                overlap=Overlap.QUEUE_ONE,
                jitter_s=30,
                pause_after=3,
            ),
        ),
    ],
)
def test_a_schedule_is_stored_and_shown_again(
    session: Session, superuser: FlaskClient, typed: dict[str, str], expected: ScheduleInput
) -> None:
    """Only what belongs to the kind counts; an edit that changes nothing changes nothing."""
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
        ({"kind": "interval"}, [("every", "An interval needs its length.")]),
        ({"kind": "interval", "every": "1,5"}, [("every", NO_NUMBER)]),
        ({"kind": "interval", "every": "-5"}, [("every", NO_NUMBER)]),
        (
            {"kind": "interval", "every": "0.5", "every_unit": "1"},
            [("every", "This must come to whole seconds.")],
        ),
        (
            {"kind": "interval", "every": "99999999", "every_unit": "86400"},
            [("every", "The interval must be 1 second to 366 days long.")],
        ),
        (
            {"kind": "cron", "cron": "0 0 31 2 *"},
            [("cron", "There is no such date: day 31 never comes in February.")],
        ),
        (
            {"kind": "cron"},
            [("cron", "A cron schedule needs its expression, like “30 2 * * *”.")],
        ),
        (
            {"kind": "cron", "cron": "0 0 * * *", "zone": "Berlin"},
            [("zone", "There is no time zone “Berlin”; the nearest known one is Europe/Berlin.")],
        ),
        ({"kind": "once"}, [("once_at", "A single run needs its date and time.")]),
        ({"kind": "once", "once_at": "soon"}, [("once_at", NO_MOMENT)]),
        (
            {"kind": "once", "once_at": "2020-01-01T00:00"},
            [("once_at", "The date and time has passed already.")],
        ),
        (
            {"kind": "once", "once_at": "2090-02-30T12:00"},
            [("once_at", "There is no 2090-02-30 12:00: check the day and the time.")],
        ),
        (
            {"kind": "once", "once_at": "0001-01-01T00:00", "zone": "Asia/Tokyo"},
            [("once_at", "The date must lie in the years 1970 to 2999.")],
        ),
        (
            {"starts_at": "2090-01-02T00:00", "ends_at": "2090-01-01T00:00"},
            [("ends_at", "The end lies before the start.")],
        ),
        ({"max_runs": "0"}, [("max_runs", "A maximum is a whole number from 1.")]),
        ({"max_runs": "٣"}, [("max_runs", NO_WHOLE)]),
        ({"pause_after": "-1"}, [("pause_after", NO_WHOLE)]),
        ({"grace": "x", "jitter": "y"}, [("grace", NO_NUMBER), ("jitter", NO_NUMBER)]),
        (
            {"jitter": "2", "jitter_unit": "86400"},
            [("jitter", "The jitter is 0 to 86,400 seconds: at most a day.")],
        ),
        ({"kind": "nonsense"}, [("kind", "Choose one of these.")]),
        ({"overlap": "nonsense"}, [("overlap", "Choose one of these.")]),
        ({"every_unit": "7"}, [("every_unit", "Choose one of these.")]),
    ],
)
def test_what_cannot_be_kept_is_refused_at_its_field(
    session: Session,
    superuser: FlaskClient,
    typed: dict[str, str],
    expected: list[tuple[str, str]],
) -> None:
    """422, the sentence, what was typed still there; also in the preview, and nothing saved."""
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


@pytest.mark.databases("sqlite")
def test_a_time_that_clocks_skip_is_refused(superuser: FlaskClient) -> None:
    """Any other moment would be a guess."""
    answer = superuser.post(
        NEW,
        data={**LIMITS, "kind": "once", "zone": "Europe/Berlin", "once_at": "2037-03-29T02:30"},
    )

    message = (
        "Clocks in Europe/Berlin skip this time: they go forward by 1 hour. "
        "Choose an earlier or a later one."
    )
    assert field_errors(answer.text) == [("once_at", message)]


def test_of_a_time_that_clocks_show_twice_the_first_is_meant(
    session: Session, superuser: FlaskClient
) -> None:
    """The preview says so; a stored second one stays the second when it is left alone."""
    typed = {"kind": "once", "zone": "Europe/Berlin", "once_at": "2037-10-25T02:30"}
    first = datetime(2037, 10, 25, 0, 30, tzinfo=UTC)

    fragment = superuser.get("/taskadmin/tasks/preview/", query_string=typed).text
    superuser.post(NEW, data={**LIMITS, **typed, "enabled": "y"})

    assert "02:30 comes twice on this day, this is the first" in fragment
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
    """Only a changed one has to lie ahead."""
    task = make_task()
    past = datetime(2020, 1, 1, tzinfo=UTC)
    give(session, task, ScheduleInput(kind=ONCE, once_at=past), past - timedelta(days=1))
    path = f"/taskadmin/tasks/edit/?id={task.id}"
    page = superuser.get(path).text
    values = form_values(page)

    saved = superuser.post(path, data={**values, "name": "Done"})
    refused = superuser.post(path, data={**values, "version": "2", "once_at": "2021-01-01T00:00"})

    assert "It is over: there is no further run." in page
    assert saved.status_code == 302
    assert field_errors(refused.text) == [("once_at", "The date and time has passed already.")]


@pytest.mark.databases("sqlite")
def test_a_form_without_a_schedule_leaves_it_alone(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """A script that sends the limits only changes the limits only."""
    task = make_task()
    wanted = ScheduleInput(kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Asia/Tokyo")
    give(session, task, wanted, FAR)

    superuser.post(f"/taskadmin/tasks/edit/?id={task.id}", data={**LIMITS, "version": "1"})

    assert stored(session) == wanted


@pytest.mark.databases("sqlite")
def test_the_preview_shows_five_runs_in_the_zone_of_the_task(superuser: FlaskClient) -> None:
    """In words, local with the zone's sign, UTC in the tooltip, a mark where clocks change."""
    typed = {
        "kind": "cron",
        "cron": "30 2 * * *",
        "zone": "Europe/Berlin",
        "starts_at": "2037-03-28T00:00",
        "jitter": "30",
        "jitter_unit": "1",
    }

    page = superuser.get("/taskadmin/tasks/preview/", query_string=typed).text

    assert "Runs at 02:30 every day, in Europe/Berlin" in page
    assert page.count("<time") == 5
    assert "Sat 2037-03-28 02:30" in page
    assert 'title="2037-03-28 01:30:00 UTC"' in page
    assert "clocks go forward 1 hour before this one" in page
    assert "02:30 doesn&#39;t exist on this day, so it runs right after the change" in page
    assert "Each starts up to 30 seconds later." in page


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("typed", "times", "ends"),
    [
        ({"kind": "slot"}, 5, False),
        ({"max_runs": "3"}, 3, True),
        ({"kind": "once", "once_at": "2090-07-01T14:00"}, 1, True),
        ({"kind": "interval", "every": "1", "ends_at": "2090-07-01T14:00"}, 5, False),
        ({"starts_at": "2999-12-31T23:55", "every": "60"}, 1, True),
    ],
)
def test_the_preview_ends_with_the_schedule(
    superuser: FlaskClient, typed: dict[str, str], times: int, ends: bool
) -> None:
    """As many as there are, and a word about it."""
    page = superuser.get("/taskadmin/tasks/preview/", query_string=typed).text

    assert page.count("<time") == times
    assert ("That is all: the schedule ends then." in page) is ends


@pytest.mark.databases("sqlite")
def test_runs_that_were_count_towards_the_most(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Of a task that is edited."""
    task = make_task()
    give(session, task, ScheduleInput(max_runs=10), FAR).runs = 8
    session.commit()

    page = superuser.get(f"/taskadmin/tasks/edit/?id={task.id}").text
    fragment = superuser.get(f"/taskadmin/tasks/preview/?id={task.id}&max_runs=9").text

    assert page.count("<time") == 2
    assert fragment.count("<time") == 1


@pytest.mark.databases("sqlite")
def test_without_javascript_a_button_shows_the_preview(
    session: Session, superuser: FlaskClient
) -> None:
    """Nothing is saved, arguments aren't asked for yet, what was typed stays."""
    typed = {"kind": "interval", "every": "10", "every_unit": "60", "lower_limit": "x"}

    answer = superuser.post(NEW, data={**typed, "preview": "y"})
    refused = superuser.post(NEW, data={**typed, "every": "x", "preview": "y"})

    assert (answer.status_code, field_errors(answer.text)) == (200, [])
    assert "Runs every 10 minutes." in answer.text
    assert form_values(answer.text)["lower_limit"] == "x"
    assert refused.status_code == 422
    assert field_errors(refused.text) == [("every", NO_NUMBER)]
    assert session.scalar(select(func.count()).select_from(Task)) == 0


@pytest.mark.databases("sqlite")
def test_only_superusers_see_the_preview(reviewer: FlaskClient, client: FlaskClient) -> None:
    """It is part of their page."""
    assert reviewer.get("/taskadmin/tasks/preview/").status_code == 403
    assert client.get("/taskadmin/tasks/preview/").status_code == 302


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "typed",
    [
        {"kind": "cron", "cron": "<b>x\0", "zone": "<b>\0"},
        {"kind": "once", "once_at": "9" * 5000, "zone": "x" * 5000},
        {"kind": "once", "once_at": "9999-12-31T23:59", "zone": "America/New_York"},
        {"kind": "interval", "every": "9" * 5000},
        {"id": "x", "kind": "slot", "max_runs": "9" * 5000},
        {"kind": "", "every_unit": "", "missed_runs": "\0"},
    ],
)
def test_hand_made_previews_are_no_error_of_the_server(
    superuser: FlaskClient, typed: dict[str, Any]
) -> None:
    """A sentence at most, never markup of whoever made the address."""
    page = superuser.get("/taskadmin/tasks/preview/", query_string=typed)

    assert page.status_code == 200
    assert "<b>" not in page.text


@pytest.mark.parametrize(
    ("zone", "offered"),
    [(None, "UTC"), ("Asia/Tokyo", "Asia/Tokyo"), ("No/Such_Place", "UTC")],
)
def test_a_new_schedule_is_in_the_readers_zone(
    session: Session, superuser: FlaskClient, chief: User, zone: str | None, offered: str
) -> None:
    """It stays the common slot, without a row of its own, if nothing else is chosen."""
    set_preferences(session, chief, language=None, zone=zone)

    assert form_values(superuser.get(NEW).text)["zone"] == offered
    superuser.post(NEW, data={**LIMITS, "kind": "slot", "zone": offered})

    task_id = session.scalars(select(Task.id)).one()
    assert find_schedule(session, task_id) is None
    assert (
        form_values(superuser.get(f"/taskadmin/tasks/edit/?id={task_id}").text)["zone"] == offered
    )


def test_next_runs_all_have_seconds_if_one_has(superuser: FlaskClient) -> None:
    """A column of times of two lengths is hard to read."""
    query = {
        "kind": "interval",
        "every": "10",
        "every_unit": "1",
        "starts_at": "2090-01-01T12:00:00",
    }

    page = superuser.get("/taskadmin/tasks/preview/", query_string=query).text

    times = re.findall(r"<time[^>]*>[^<]* (\d\d:\d\d(?::\d\d)?)</time>", page)
    assert times == [f"12:00:{second:02}" for second in (0, 10, 20, 30, 40)]

"""The preview beside a schedule's form."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import field_errors, form_values
from services.rows.tasks import give
from taskadmin.models import Task
from taskadmin.store.tasks.schedules import ScheduleInput

NEW = "/taskadmin/tasks/new/"

NO_NUMBER = "Enter a number such as 5 or 1.5."

FAR = datetime(2090, 7, 1, 12, tzinfo=UTC)


@pytest.mark.databases("sqlite")
def test_the_preview_shows_five_runs_in_the_zone_of_the_task(superuser: FlaskClient) -> None:
    """Local times with abbreviation, UTC as tooltip, and a mark at changes of clocks."""
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
    assert "Each run starts up to 30 seconds later." in page


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
    """With fewer runs and a note."""
    page = superuser.get("/taskadmin/tasks/preview/", query_string=typed).text

    assert page.count("<time") == times
    assert ("The schedule ends after these runs." in page) is ends


@pytest.mark.databases("sqlite")
def test_runs_that_were_count_towards_the_most(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """When a task is edited."""
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
    """Nothing is saved or validated, and inputs stay."""
    typed = {"kind": "interval", "every": "10", "every_unit": "60", "lower_limit": "x"}

    answer = superuser.post(NEW, data={**typed, "preview": "y"})
    refused = superuser.post(NEW, data={**typed, "every": "x", "preview": "y"})

    assert (answer.status_code, field_errors(answer.text)) == (200, [])
    assert "Runs every 10 minutes." in answer.text
    assert form_values(answer.text)["lower_limit"] == "x"
    assert refused.status_code == 422
    assert field_errors(refused.text) == [("every", NO_NUMBER)]
    assert session.scalar(select(func.count()).select_from(Task)) == 0


def test_next_runs_all_have_seconds_if_one_has(superuser: FlaskClient) -> None:
    """So that the column's times have the same length."""
    query = {
        "kind": "interval",
        "every": "10",
        "every_unit": "1",
        "starts_at": "2090-01-01T12:00:00",
    }

    page = superuser.get("/taskadmin/tasks/preview/", query_string=query).text

    times = re.findall(r"<time[^>]*>[^<]* (\d\d:\d\d(?::\d\d)?)</time>", page)
    assert times == [f"12:00:{second:02}" for second in (0, 10, 20, 30, 40)]

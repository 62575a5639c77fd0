"""The dashboard."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.dashboard import PATH, cards, part, tick
from services.rows.many_rows import fill
from taskadmin.models import (
    RunState,
    TaskPause,
    TaskResult,
    TaskSchedule,
    User,
)
from taskadmin.store.database import clock
from taskadmin.store.people.audit import Actor
from taskadmin.store.tasks import pauses

pytestmark = pytest.mark.databases("sqlite")


def test_an_empty_site_suggests_the_first_task(session: Session, superuser: FlaskClient) -> None:
    """There are no invented numbers, and a link to create the first task."""
    page = superuser.get(PATH).text

    assert {name: card[0] for name, card in cards(page).items()} == {
        "Due in 15 min": "0",
        "Queued": "0",
        "Running": "0",
        "Succeeded 24 h": "0",
        "Failed 24 h": "0",
        "Late": "0",
        "Paused": "0",
    }
    assert "No launcher has run yet, so no task is started." in page
    assert "No run finished in this period." in page
    assert "No tasks yet. A task says which job to run" in part(page, "next")
    assert 'href="/taskadmin/tasks/new/"' in page
    assert "No failures in the stored results." in page


def test_a_site_whose_tasks_all_sleep_says_so(
    session: Session, superuser: FlaskClient, make_task: MakeTask, chief: User
) -> None:
    """It doesn't suggest creating the first task."""
    task = make_task()
    pauses.pause_tasks(session, [task.id], actor=Actor(chief.id, "chief", "here"))

    said = part(superuser.get(PATH).text, "next")

    assert "No task is due: all are paused or have ended." in said
    assert "Create the first task" not in said


def test_cards_link_to_the_rows_they_count(
    session: Session,
    superuser: FlaskClient,
    runs: list[TaskResult],
    make_task: MakeTask,
    chief: User,
) -> None:
    """Two succeeded, one failed, one running, two queued; one task paused, one late."""
    now = clock.now(session)
    for run, state in zip(runs, ("succeeded", "succeeded", "failed", "running"), strict=False):
        values = {"state": state, "started_at": now}
        if state == "running":
            values |= {"token": uuid4(), "process_id": uuid4()}
        else:
            values |= {"finished_at": now, "error_type": "Boom" if state == "failed" else None}
        session.execute(update(TaskResult).where(TaskResult.id == run.id).values(**values))
    paused, late = make_task(name="Asleep"), make_task(name="Behind")
    session.add(
        TaskSchedule(
            task_id=late.id, kind="interval", every_seconds=60, next_due=now - timedelta(minutes=5)
        )
    )
    session.commit()
    pauses.pause_tasks(session, [paused.id], actor=Actor(chief.id, "chief", "here"))
    tick(session)

    page = superuser.get(PATH).text
    found = cards(page)

    assert found["Queued"][:2] == ("2", "/taskadmin/runs/?state=queued")
    assert found["Running"] == ("1", "/taskadmin/runs/?state=running", "on 1 worker")
    assert found["Succeeded 24 h"] == (
        "2",
        "/taskadmin/runs/?state=succeeded",
        "66.7% of runs",
    )
    assert found["Failed 24 h"] == ("1", "/taskadmin/failures/", "1 in the last hour")
    assert found["Late"] == ("1", "/taskadmin/tasks/?state=late", "by more than a minute")
    assert found["Paused"][:2] == ("1", "/taskadmin/tasks/?state=paused")
    # First and Second use the common slot of 300 s, Behind its own schedule.
    assert found["Due in 15 min"][0] == "3"
    assert "common slot" in part(page, "next") and "2 tasks" in part(page, "next")
    assert "Boom" in part(page, "failures")
    for _value, url, _about in found.values():
        assert superuser.get(url).status_code == 200


@pytest.mark.parametrize("given", ["1h", "1d", "7d", "nonsense"])
def test_the_chart_has_ranges_and_a_table(
    session: Session, superuser: FlaskClient, runs: list[TaskResult], given: str
) -> None:
    """The table has the chart's numbers; the chart also has a description."""
    now = clock.now(session)
    session.execute(
        update(TaskResult).values(state=RunState.SUCCEEDED, finished_at=now, started_at=now)
    )
    session.commit()

    chart = superuser.get(f"{PATH}?range={given}").text
    table = superuser.get(f"{PATH}?range={given}&table=1").text

    assert chart.count("<svg xmlns=") == 2  # for wide and for narrow screens
    assert "Finished runs over time: 6 succeeded, 0 failed, 0 skipped" in chart
    assert "Times in UTC" in chart
    assert "style=" not in chart and "<style" not in chart
    ((link, label),) = set(
        re.findall(r'<(?:svg:)?a href="([^"]*between[^"]*)" aria-label="([^"]*)"', chart)
    )
    assert label.endswith(": 6 succeeded, 0 failed, 0 skipped")
    assert superuser.get(unescape(link)).text.count("runs/details/") == 6
    assert "<svg xmlns=" not in table
    assert '<td class="num">6</td>' in table


def test_labels_stand_where_the_readers_hours_and_days_begin(
    session: Session, superuser: FlaskClient, runs: list[TaskResult], chief: User
) -> None:
    """In the profile's time zone: in Kolkata, hours begin at half past."""
    chief.zone = "Asia/Kolkata"
    now = clock.now(session)
    session.execute(
        update(TaskResult).values(state=RunState.SUCCEEDED, finished_at=now, started_at=now)
    )
    session.commit()

    def labels(given: str) -> list[str]:
        wide = superuser.get(f"{PATH}?range={given}").text.partition("chart wide")[2]
        axis = wide.partition("axis x")[2].partition("series")[0]
        return [label for label in re.findall(r"<text[^>]*>([^<]+)</text>", axis) if label.strip()]

    hours, days = labels("1h"), labels("7d")

    assert 5 <= len(hours) <= 7
    assert all(re.fullmatch(r"\d+:\d0\s[AP]M", label) for label in hours), hours
    assert all(re.fullmatch(r"\d+:00\s[AP]M", label) for label in labels("1d"))
    assert len(days) == 7 == len(set(days))
    assert "Times in Asia/Kolkata" in superuser.get(PATH).text


@pytest.mark.parametrize("given", ["1h", "1d", "7d"])
def test_many_rows_take_no_more_queries(
    session: Session, superuser: FlaskClient, count_queries: CountQueries, given: str
) -> None:
    """At most fifteen, with all kinds of "Needs attention"."""
    for rows in (20, 400):
        fill(session, rows)
        session.execute(update(TaskPause).values(paused_at=clock.now(session) - timedelta(days=3)))
        session.execute(
            update(TaskSchedule).where(TaskSchedule.task_id % 2 == 0).values(error="Never.")
        )
        session.commit()
        with count_queries() as statements:
            assert superuser.get(f"{PATH}?range={given}").status_code == 200
        assert len(statements) <= 15

"""Progress of launches, as text and as a bar."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from services.pages import cells
from services.rows.launches import OPENED, add_launch
from taskadmin.models import LaunchKind, LaunchState, RunState, User

pytestmark = pytest.mark.databases("sqlite")

LAUNCHES = "/taskadmin/launches/"


def test_a_launch_says_how_far_it_is(
    session: Session, superuser: FlaskClient, chief: User, task_id: int
) -> None:
    """With its user, as text and as a complete bar."""
    add_launch(
        session,
        task_id,
        {RunState.SUCCEEDED: 7, RunState.FAILED: 1, RunState.QUEUED: 2},
        kind=LaunchKind.MANUAL,
        requested_by=chief.id,
    )

    page = superuser.get(LAUNCHES).text

    (row,) = cells(page)
    assert "launch 1" in row[0]
    assert row[1] == "manualby chief"
    assert row[2] == "open"
    assert row[3] == "7 succeeded · 1 failed · 2 queued"
    assert row[4] == "10"
    assert row[5].endswith("so far")
    parts = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="0" width="([\d.]+)"', page)
    assert parts == [
        ("succeeded", "0.0", "70.0"),
        ("failed", "70.0", "10.0"),
        ("queued", "80.0", "20.0"),
    ]


def test_one_failure_among_thousands_can_be_seen(
    session: Session, superuser: FlaskClient, task_id: int
) -> None:
    """Its part of the bar has a minimum width."""
    add_launch(session, task_id, {RunState.SUCCEEDED: 3000, RunState.FAILED: 1})

    page = superuser.get(LAUNCHES).text

    widths = dict(re.findall(r'<rect class="(\w+)" [^>]*width="([\d.]+)"', page))
    assert float(widths["failed"]) > 1
    assert sum(map(float, widths.values())) == pytest.approx(100)


def test_a_closed_launch_says_how_long_it_took(
    session: Session, superuser: FlaskClient, task_id: int
) -> None:
    """From its opening to the end of its last run."""
    closed_at = OPENED + timedelta(seconds=83)
    add_launch(
        session, task_id, {RunState.SUCCEEDED: 1}, state=LaunchState.CLOSED, closed_at=closed_at
    )

    (row,) = cells(superuser.get(LAUNCHES).text)

    assert row[2] == "closed"
    assert row[5] == "1 min, 23 sec"


def test_a_missed_slot_says_why(session: Session, superuser: FlaskClient, task_id: int) -> None:
    """In the list and on its page, which has no runs."""
    launch = add_launch(
        session,
        task_id,
        kind=LaunchKind.SLOT,
        slot=OPENED,
        interval_seconds=300,
        state=LaunchState.MISSED,
        reason="No launcher ran during its slot: was beat, launcher or database down?",
    )

    (row,) = cells(superuser.get(LAUNCHES).text)
    page = superuser.get(f"{LAUNCHES}details/?id={launch.id}").text

    assert row[1:] == ["common slotevery 5 min", "missed", launch.reason, "–", "–"]
    assert "Nothing was launched for this slot." in page
    assert launch.reason is not None
    assert launch.reason in page
    assert "View runs" not in page
    assert "data-live-done" in page.split('data-live="launch"')[1][:20]

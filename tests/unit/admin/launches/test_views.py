"""The pages of launches."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from services.pages import cells
from services.rows.launches import OPENED, add_launch
from taskadmin.models import LaunchKind, LaunchState, RunState
from taskadmin.store.reports import launch_pages

pytestmark = pytest.mark.databases("sqlite")

LAUNCHES = "/taskadmin/launches/"


def test_an_empty_page_explains_launches(superuser: FlaskClient) -> None:
    """And what creates launches."""
    page = superuser.get(LAUNCHES).text

    assert "No launches yet" in page
    assert "A launch starts one run for each task that is due" in page


@pytest.mark.parametrize(
    ("show", "shown"),
    [
        ("", ["1", "2", "3"]),
        ("open", ["2"]),
        ("manual", ["2"]),
        ("slot", ["1"]),
        ("due", ["3"]),
        ("missed", ["1"]),
    ],
)
def test_launches_are_filtered(
    session: Session, superuser: FlaskClient, task_id: int, show: str, shown: list[str]
) -> None:
    """By origin, open or missed; an empty list says so."""
    add_launch(session, task_id, kind=LaunchKind.SLOT, slot=OPENED, state=LaunchState.MISSED)
    add_launch(session, task_id, kind=LaunchKind.MANUAL)
    add_launch(session, task_id, state=LaunchState.CLOSED, closed_at=OPENED)

    page = superuser.get(f"{LAUNCHES}?show={show}").text

    assert sorted(re.findall(r"launch (\d+)</span>", page)) == shown
    assert ("No launches with this trigger" in page) == (not shown)


@pytest.mark.parametrize(
    ("show", "title"), [("open", "No open launches"), ("missed", "No missed slots")]
)
def test_nothing_open_and_nothing_missed_are_good_news(
    superuser: FlaskClient, show: str, title: str
) -> None:
    """Each has an explanation."""
    assert title in superuser.get(f"{LAUNCHES}?show={show}").text


def test_launches_come_in_pages(session: Session, superuser: FlaskClient, task_id: int) -> None:
    """An older page with closed launches doesn't refresh."""
    for _ in range(31):
        add_launch(session, task_id, state=LaunchState.CLOSED, closed_at=OPENED)

    first = superuser.get(LAUNCHES).text
    second = superuser.get(f"{LAUNCHES}?before=2").text

    assert len(cells(first)) == 30
    assert 'href="/taskadmin/launches/?before=2"' in first
    assert 'data-live="launches">' in first, "there may be new ones"
    assert len(cells(second)) == 1
    assert 'data-live="launches" data-live-done' in second
    assert "No older launches" in superuser.get(f"{LAUNCHES}?before=1").text


def test_the_page_of_a_launch_leads_to_its_runs(
    session: Session, superuser: FlaskClient, task_id: int
) -> None:
    """To all or by state, with reasons for skipped and failed ones."""
    launch = add_launch(
        session, task_id, {RunState.FAILED: 2, RunState.SKIPPED: 1, RunState.QUEUED: 1}, lost=1
    )

    page = superuser.get(f"{LAUNCHES}details/?id={launch.id}").text

    assert f'href="/taskadmin/runs/?launch={launch.id}">View runs' in page
    assert f'href="/taskadmin/runs/?launch={launch.id}&amp;state=failed">2 failed</a>' in page
    assert "<span>1 deleted since</span>" in page
    assert "ValueError" in page
    assert "Reason 1." in page


CLOSED = {"state": LaunchState.CLOSED, "closed_at": OPENED}


@pytest.mark.parametrize(
    ("counts", "columns", "said", "unsaid"),
    [
        (
            {RunState.SUCCEEDED: 3, RunState.QUEUED: 2},
            {},
            [
                "3 finished without failing",
                "only open, failed and skipped ones are counted",
            ],
            "Counted when",
        ),
        # Deleted runs can't be distinguished from those that didn't fail.
        (
            {RunState.SUCCEEDED: 3},
            {"lost": 2, **CLOSED},
            ["5 finished without failing, or deleted since"],
            "Counted when",
        ),
        # As counted when it was closed.
        (
            {RunState.SUCCEEDED: 3},
            {"lost": 7, **CLOSED, "succeeded": 4, "failed": 3, "cancelled": 2},
            [
                'href="/taskadmin/runs/?launch=1&amp;state=succeeded">4 succeeded</a>',
                *("3 failed", "2 cancelled", "<span>1 deleted since</span>"),
                "Counted when the launch closed",
            ],
            "ones are counted",
        ),
    ],
    ids=["open", "closed without counts", "closed"],
)
def test_a_large_launchs_page_shows_the_known_counts(
    session: Session,
    superuser: FlaskClient,
    task_id: int,
    monkeypatch: pytest.MonkeyPatch,
    counts: dict[RunState, int],
    columns: dict[str, Any],
    said: list[str],
    unsaid: str,
) -> None:
    """With how it was counted."""
    monkeypatch.setattr(launch_pages, "SMALL_LAUNCH", 3)
    launch = add_launch(session, task_id, counts, **columns)

    page = superuser.get(f"{LAUNCHES}details/?id={launch.id}").text

    assert [text for text in said if text not in page] == []
    assert unsaid not in page


def test_of_a_launch_with_many_open_runs_the_page_guesses(
    session: Session, superuser: FlaskClient, task_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the number is an estimate."""
    monkeypatch.setattr(launch_pages, "SMALL_LAUNCH", 3)
    monkeypatch.setattr(launch_pages, "MAX_COUNTED_RUNS", 1)
    launch = add_launch(session, task_id, {RunState.SUCCEEDED: 3, RunState.QUEUED: 2})

    page = superuser.get(f"{LAUNCHES}details/?id={launch.id}").text

    assert "about 3 finished without failing" in page
    assert "more than 10,000 still open" in page


@pytest.mark.parametrize(
    "path", ["details/?id=9", "details/?id=x", "details/", "details/?id=" + "9" * 30, "?show=x"]
)
def test_invalid_parameters_are_not_found(superuser: FlaskClient, path: str) -> None:
    """With taskadmin's 404 page."""
    answer = superuser.get(LAUNCHES + path)

    assert answer.status_code == 404
    assert "There is no page at this address." in answer.text

"""The pages of launches."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.launches import OPENED, add_launch
from services.pages import cells
from taskadmin.models import LaunchKind, LaunchState, RunState, User
from taskadmin.store import launch_pages

pytestmark = pytest.mark.databases("sqlite")
LAUNCHES = "/taskadmin/launches/"


@pytest.fixture
def task_id(make_task: MakeTask) -> int:
    """A task for all runs."""
    return make_task().id


def test_without_launches_the_page_says_what_one_is(superuser: FlaskClient) -> None:
    """And where they come from."""
    page = superuser.get(LAUNCHES).text

    assert "Nothing was launched yet" in page
    assert "A launch starts one run for each task that is due" in page


def test_a_launch_says_how_far_it_is(
    session: Session, superuser: FlaskClient, chief: User, task_id: int
) -> None:
    """By whom, in words and as a bar whose parts fill it."""
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
    assert row[1] == "by handby chief"
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
    """Its part of the bar isn't narrower than a mark."""
    add_launch(session, task_id, {RunState.SUCCEEDED: 3000, RunState.FAILED: 1})

    page = superuser.get(LAUNCHES).text

    widths = dict(re.findall(r'<rect class="(\w+)" [^>]*width="([\d.]+)"', page))
    assert float(widths["failed"]) > 1
    assert sum(map(float, widths.values())) == pytest.approx(100)


def test_a_closed_launch_says_how_long_it_took(
    session: Session, superuser: FlaskClient, task_id: int
) -> None:
    """From its opening until its last run was finished."""
    closed_at = OPENED + timedelta(seconds=83)
    add_launch(
        session, task_id, {RunState.SUCCEEDED: 1}, state=LaunchState.CLOSED, closed_at=closed_at
    )

    (row,) = cells(superuser.get(LAUNCHES).text)

    assert row[2] == "closed"
    assert row[5] == "1 min, 23 sec"


def test_a_missed_slot_says_why(session: Session, superuser: FlaskClient, task_id: int) -> None:
    """In the list and on its page, which has no runs to show."""
    launch = add_launch(
        session,
        task_id,
        kind=LaunchKind.SLOT,
        slot=OPENED,
        interval_s=300,
        state=LaunchState.MISSED,
        reason="Nothing launched while its slot lasted: was beat, launcher or database away?",
    )

    (row,) = cells(superuser.get(LAUNCHES).text)
    page = superuser.get(f"{LAUNCHES}details/?id={launch.id}").text

    assert row[1:] == ["common slotevery 5 min", "missed", launch.reason, "–", "–"]
    assert "Nothing was launched for this slot." in page
    assert launch.reason is not None
    assert launch.reason in page
    assert "Show its runs" not in page
    assert "data-live-done" in page.split('data-live="launch"')[1][:20]


@pytest.mark.parametrize(
    ("show", "shown"),
    [
        ("", ["1", "2", "3"]),
        ("open", ["2"]),
        ("manual", ["2"]),
        ("slot", ["1"]),
        ("due", ["3"]),
        ("api", []),
        ("missed", ["1"]),
    ],
)
def test_launches_are_filtered(
    session: Session, superuser: FlaskClient, task_id: int, show: str, shown: list[str]
) -> None:
    """By what started them, open, or missed; where there is none, the page says so."""
    add_launch(session, task_id, kind=LaunchKind.SLOT, slot=OPENED, state=LaunchState.MISSED)
    add_launch(session, task_id, kind=LaunchKind.MANUAL)
    add_launch(session, task_id, state=LaunchState.CLOSED, closed_at=OPENED)

    page = superuser.get(f"{LAUNCHES}?show={show}").text

    assert sorted(re.findall(r"launch (\d+)</span>", page)) == shown
    assert ("No launches of this kind" in page) == (not shown)


@pytest.mark.parametrize(
    ("show", "title"), [("open", "No launch is open"), ("missed", "No slot was missed")]
)
def test_nothing_open_and_nothing_missed_are_good_news(
    superuser: FlaskClient, show: str, title: str
) -> None:
    """Each with what it means."""
    assert title in superuser.get(f"{LAUNCHES}?show={show}").text


def test_launches_come_in_pages(session: Session, superuser: FlaskClient, task_id: int) -> None:
    """An older page whose launches are over doesn't ask again and again."""
    for _ in range(31):
        add_launch(session, task_id, state=LaunchState.CLOSED, closed_at=OPENED)

    first = superuser.get(LAUNCHES).text
    second = superuser.get(f"{LAUNCHES}?before=2").text

    assert len(cells(first)) == 30
    assert 'href="/taskadmin/launches/?before=2"' in first
    assert 'data-live="launches">' in first, "there may be new ones"
    assert len(cells(second)) == 1
    assert 'data-live="launches" data-live-done' in second
    assert "No launches before this" in superuser.get(f"{LAUNCHES}?before=1").text


def test_the_page_of_a_launch_leads_to_its_runs(
    session: Session, superuser: FlaskClient, task_id: int
) -> None:
    """All of them, or those of a state; with why some were skipped or failed."""
    launch = add_launch(
        session, task_id, {RunState.FAILED: 2, RunState.SKIPPED: 1, RunState.QUEUED: 1}, lost=1
    )

    page = superuser.get(f"{LAUNCHES}details/?id={launch.id}").text

    assert f'href="/taskadmin/runs/?launch={launch.id}">Show its runs' in page
    assert f'href="/taskadmin/runs/?launch={launch.id}&amp;state=failed">2 failed</a>' in page
    assert "<span>1 not on record any more</span>" in page
    assert "ValueError" in page
    assert "Reason 1." in page


def test_of_a_large_launch_the_page_says_what_isnt_counted(
    session: Session, superuser: FlaskClient, task_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says nothing that it doesn't know."""
    monkeypatch.setattr(launch_pages, "COUNTED", 3)
    launch = add_launch(session, task_id, {RunState.SUCCEEDED: 3, RunState.QUEUED: 2})

    page = superuser.get(f"{LAUNCHES}details/?id={launch.id}").text

    assert "3 finished without failing" in page
    assert "only the open, failed and skipped ones are counted" in page
    monkeypatch.setattr(launch_pages, "MOST", 1)
    page = superuser.get(f"{LAUNCHES}details/?id={launch.id}").text
    assert "about 3 finished without failing" in page
    assert "more than 10,000 still open" in page


def test_of_a_large_launch_that_was_closed_without_counts_deleted_runs_are_unknown(
    session: Session, superuser: FlaskClient, task_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They can't be told from the ones that didn't fail."""
    monkeypatch.setattr(launch_pages, "COUNTED", 3)
    launch = add_launch(
        session,
        task_id,
        {RunState.SUCCEEDED: 3},
        lost=2,
        state=LaunchState.CLOSED,
        closed_at=OPENED,
    )

    page = superuser.get(f"{LAUNCHES}details/?id={launch.id}").text

    assert "5 finished without failing, or deleted since" in page
    assert "Counted when" not in page


def test_a_large_launch_that_is_over_tells_its_states_apart(
    session: Session, superuser: FlaskClient, task_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they were counted when it was closed, and the page says that it is so."""
    monkeypatch.setattr(launch_pages, "COUNTED", 3)
    launch = add_launch(
        session,
        task_id,
        {RunState.SUCCEEDED: 3},
        lost=7,
        state=LaunchState.CLOSED,
        closed_at=OPENED,
        succeeded=4,
        failed=3,
        cancelled=2,
    )

    page = superuser.get(f"{LAUNCHES}details/?id={launch.id}").text

    assert f'href="/taskadmin/runs/?launch={launch.id}&amp;state=succeeded">4 succeeded</a>' in page
    assert "3 failed" in page
    assert "2 cancelled" in page
    assert "<span>1 not on record any more</span>" in page
    assert "Counted when the launch was over" in page
    assert "ones are counted" not in page


@pytest.mark.parametrize(
    "path", ["details/?id=9", "details/?id=x", "details/", "details/?id=" + "9" * 30, "?show=x"]
)
def test_what_no_page_links_to_is_not_found(superuser: FlaskClient, path: str) -> None:
    """In our words."""
    answer = superuser.get(LAUNCHES + path)

    assert answer.status_code == 404
    assert "There is nothing at this address." in answer.text


def test_launches_are_for_superusers(reviewer: FlaskClient, plain: FlaskClient) -> None:
    """Nobody else sees them."""
    for browser in (reviewer, plain):
        assert browser.get(LAUNCHES).status_code == 403
        assert browser.get(f"{LAUNCHES}details/?id=1").status_code == 403

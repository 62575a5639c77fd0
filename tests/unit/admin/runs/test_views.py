"""Runs by task and state, in pages."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import cells, live_parts, messages
from taskadmin.errors import SearchTooLong
from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, RunState, TaskResult
from taskadmin.store.database import clock
from taskadmin.store.runs.overlap import WAITING_UNTIL
from taskadmin.store.runs.results import insert_runs


def test_runs_are_listed_by_task_and_by_state(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """The address has the filter; other runs aren't shown."""
    first, second = runs[0], runs[1]
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == second.id)
        .values(state=RunState.SUCCEEDED, result=5.25, finished_at=TaskResult.queued_at)
    )
    session.commit()

    def shown(query: str) -> set[int]:
        page = superuser.get(f"/taskadmin/runs/{query}").text
        return {run.id for run in runs if f'/taskadmin/runs/details/?id={run.id}"' in page}

    assert shown("") == {run.id for run in runs}
    assert shown(f"?task={first.task_id}") == {r.id for r in runs if r.task_id == first.task_id}
    assert shown("?state=succeeded") == {second.id}
    assert shown(f"?task={first.task_id}&state=succeeded") == set()
    assert shown(f"?before={second.id}") == {first.id}
    assert "5.25" in superuser.get("/taskadmin/runs/?state=succeeded").text


def test_long_lists_of_runs_are_paged_by_id(
    session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Fifty on a page; the next page starts after the last id."""
    tasks = [make_task() for _ in range(51)]
    insert_runs(session, tasks, launch_id=1, due_at=clock.now(session), jobs=all_jobs())
    session.commit()
    oldest, second = session.scalars(select(TaskResult.id).order_by(TaskResult.id)).all()[:2]

    page = superuser.get("/taskadmin/runs/").text

    assert f"/taskadmin/runs/?before={second}" in page
    older = superuser.get(f"/taskadmin/runs/?before={second}").text
    assert f'/taskadmin/runs/details/?id={oldest}"' in older
    assert f'/taskadmin/runs/details/?id={second}"' not in older


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"state": "queued"}, "It is waiting for a worker."),
        ({"state": "succeeded", "result": 0.5}, '<p class="figure">0.5</p>'),
        ({"state": "succeeded", "output": {"rows": [1, 2]}}, "&#34;rows&#34;"),
        (
            {"state": "failed", "error_type": "Boom", "error": "Traceback <b>"},
            "Traceback &lt;b&gt;",
        ),
        ({"state": "skipped", "reason": "No job of this name"}, "No job of this name"),
        ({"state": "cancelled"}, "Its launch has been deleted."),
    ],
)
def test_a_runs_page_shows_its_outcome(
    session: Session,
    superuser: FlaskClient,
    runs: list[TaskResult],
    values: dict[str, object],
    shown: str,
) -> None:
    """In every state, with the arguments, escaped."""
    finished = None if values["state"] == "queued" else TaskResult.queued_at
    session.execute(update(TaskResult).values(**values, finished_at=finished))
    session.commit()

    page = superuser.get(f"/taskadmin/runs/details/?id={runs[0].id}").text

    assert shown.replace("&#34;", '"') in page.replace("&#34;", '"')
    assert "lower_limit" in page
    assert '<a href="/taskadmin/users/edit/?id=' in page


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["runs/", "runs/details/?id=1", "review/", "tasks/details/?id=1"])
def test_read_only_pages_take_no_post(superuser: FlaskClient, path: str) -> None:
    """They respond with 405."""
    assert superuser.post(f"/taskadmin/{path}").status_code == 405


def test_a_runs_page_shows_waiting_and_running_time(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """It waited until its first attempt, and ran during the last one."""
    first, short, waiting = runs[0], runs[1], runs[2]
    begin = clock.now(session)

    def at(seconds: int) -> datetime:
        return begin + timedelta(seconds=seconds)

    def entry(attempt: int, started: int, ended: int) -> dict[str, object]:
        times = {"started_at": at(started).isoformat(), "ended_at": at(ended).isoformat()}
        return {"attempt": attempt, "worker": "w@one", "error_type": "Boom", **times}

    session.execute(
        update(TaskResult)
        .where(TaskResult.id == first.id)
        .values(
            state=RunState.CANCELLED,
            queued_at=begin,
            attempts=2,
            max_attempts=3,
            started_at=at(10),
            finished_at=at(60),
            attempt_log=[entry(1, 3, 4), entry(2, 10, 17)],
        )
    )
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == short.id)
        .values(
            state=RunState.FAILED,
            queued_at=begin,
            attempts=1,
            started_at=at(2),
            finished_at=at(8),
            error_type="Boom",
            error="Boom: no",
        )
    )
    session.commit()

    rows = {row[1].split("run ")[1]: row for row in cells(superuser.get("/taskadmin/runs/").text)}

    assert rows[str(first.id)][6:8] == ["3 sec", "7 sec"]
    assert rows[str(first.id)][2].split() == ["cancelled", "attempt", "2", "of", "3"]
    assert rows[str(short.id)][6:8] == ["2 sec", "6 sec"]
    assert rows[str(waiting.id)][6:8] == ["–", "–"]
    page = superuser.get(f"/taskadmin/runs/details/?id={first.id}").text
    timeline = page.partition('<ol class="timeline')[2].partition("</ol>")[0]
    steps = re.findall(r'<li class="(\w+)">(.*?)</li>', timeline, re.DOTALL)
    assert [state for state, _ in steps] == [*["queued", "running"] * 2, "queued", "cancelled"]
    told = [re.findall(r"(?:waited|ran) [\w ]+", text) for _, text in steps]
    assert told == [
        *(["waited 3 sec"], ["ran 1 sec on w"], ["waited 6 sec"], ["ran 7 sec on w"]),
        *(["waited 43 sec"], []),
    ]
    assert "1 min in total" in page
    failed = superuser.get(f"/taskadmin/runs/details/?id={short.id}").text
    assert "Attempt 1" in failed and "Boom: no" in failed


def test_a_failure_shows_ones_own_code_first(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """The line and the message, with a link to the whole traceback."""
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/app/shop/jobs.py", line 42, in probe\n    answer = get("<url>")\n'
        '  File "/venv/site-packages/httpx/_api.py", line 7, in get\n    raise Slow\n'
        "httpx.Slow: no answer"
    )
    session.execute(
        update(TaskResult).values(
            state=RunState.FAILED,
            error_type="httpx.Slow",
            error=trace,
            attempts=1,
            finished_at=TaskResult.queued_at,
        )
    )
    session.commit()

    page = superuser.get(f"/taskadmin/runs/details/?id={runs[0].id}").text

    before = page.partition('<details class="attempt"')[0]
    assert "shop/jobs.py, line 42, in probe" in before
    assert "answer = get(&#34;&lt;url&gt;&#34;)" in before
    assert "no answer" in before
    assert "site-packages/httpx" not in before and "site-packages/httpx" in page


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "It is waiting for a worker."),
        ({"not_before": WAITING_UNTIL}, "It is waiting for the task's other run to finish."),
        (
            {"not_before": datetime(2027, 1, 1, tzinfo=UTC), "attempts": 1},
            "It failed and will be retried at Jan 1, 2027, 12:00:00 AM UTC.",
        ),
        ({"state": "skipped", "reason": "Overlap."}, "Skipped: Overlap."),
        ({"state": "cancelled", "reason": "Cancelled by ana."}, "Cancelled by ana."),
        (
            {"state": "failed", "error_type": "Boom", "attempts": 3, "max_attempts": 3},
            "It failed 3 times and will not be retried.",
        ),
    ],
)
@pytest.mark.databases("sqlite")
def test_a_run_says_why_it_ran_or_did_not(
    session: Session,
    superuser: FlaskClient,
    runs: list[TaskResult],
    values: dict[str, object],
    sentence: str,
) -> None:
    """In sentences: its origin and its outcome."""
    if "state" in values:
        values = {**values, "finished_at": TaskResult.queued_at}
    if values:
        session.execute(update(TaskResult).values(**values))
    slot = datetime(2026, 1, 1, tzinfo=UTC)
    session.add(Launch(id=1, kind="slot", slot=slot, state="published", opened_at=slot))
    session.commit()

    page = superuser.get(f"/taskadmin/runs/details/?id={runs[0].id}").text

    why = re.findall(r'<p class="why">(.*?)</p>', page, re.DOTALL)[0]
    text = " ".join(html.unescape(re.sub("<[^>]+>", "", why)).split())
    assert text == f"Due in the common slot of Jan 1, 2026, 12:00:00 AM UTC. {sentence}"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("", {"counts": True, "runs": True}),
        ("?state=queued", {"counts": True, "runs": True}),
        ("?before=3", {"counts": False, "runs": False}),
        ("?search=first", {"counts": True, "runs": True}),
        ("?search=state:purple", {"counts": False, "runs": False}),
    ],
)
@pytest.mark.usefixtures("runs")
def test_only_the_newest_runs_are_refreshed(
    superuser: FlaskClient, query: str, parts: dict[str, bool]
) -> None:
    """Older pages don't change, and slow searches aren't repeated."""
    page = superuser.get(f"/taskadmin/runs/{query}").text
    assert live_parts(page) == parts


def test_a_search_that_takes_too_long_is_reported(
    superuser: FlaskClient, runs: list[TaskResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the page, and instead of an action on all matching runs."""

    def slow(*_: Any, **__: Any) -> Any:
        raise SearchTooLong

    monkeypatch.setattr("taskadmin.store.reports.matching_runs.reading", slow)

    page = superuser.get("/taskadmin/runs/?search=arg.x:1").text

    assert "The search took too long" in page
    assert "Search failed" in page
    answer = superuser.post("/taskadmin/runs/action/", data={"action": "cancel", "all": "yes"})
    said = messages(superuser.get(answer.location).text)
    assert said[0] == "Nothing was done: the search took too long. Narrow it."


def test_tabs_tell_how_many_there_are(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """The filter's runs by state."""
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == runs[0].id)
        .values(state=RunState.SUCCEEDED, finished_at=TaskResult.queued_at)
    )
    session.commit()

    page = superuser.get(f"/taskadmin/runs/?task={runs[0].task_id}&state=queued").text

    counts = re.findall(r'>(\w+) <span class="count">([\d,+]+)</span>', page)
    assert counts == [
        *(("All", "3"), ("Queued", "2"), ("Running", "0"), ("Succeeded", "1")),
        *(("Failed", "0"), ("Skipped", "0"), ("Cancelled", "0")),
    ]
    assert "All 2 matching" in page

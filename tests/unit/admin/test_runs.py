"""Runs: read-only, by task and by state, in pages."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.jobs import all_jobs
from taskadmin.models import RunState, TaskResult
from taskadmin.store import clock
from taskadmin.store.results import insert_runs


def test_runs_are_listed_by_task_and_by_state(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Each filter is in the address; what isn't meant isn't shown."""
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
    """Fifty on a page; the link to older ones begins behind the last."""
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
        ({"state": "queued"}, "It waits for a worker."),
        ({"state": "succeeded", "result": 0.5}, '<p class="figure">0.5</p>'),
        ({"state": "succeeded", "output": {"rows": [1, 2]}}, "&#34;rows&#34;"),
        (
            {"state": "failed", "error_type": "Boom", "error": "Traceback <b>"},
            "Traceback &lt;b&gt;",
        ),
        ({"state": "skipped", "reason": "No job of this name"}, "No job of this name"),
        ({"state": "cancelled"}, "on record any more."),
    ],
)
def test_a_runs_page_shows_what_came_of_it(
    session: Session,
    superuser: FlaskClient,
    runs: list[TaskResult],
    values: dict[str, object],
    shown: str,
) -> None:
    """In every state, with what the job was given, and as text."""
    finished = None if values["state"] == "queued" else TaskResult.queued_at
    session.execute(update(TaskResult).values(**values, finished_at=finished))
    session.commit()

    page = superuser.get(f"/taskadmin/runs/details/?id={runs[0].id}").text

    assert shown.replace("&#34;", '"') in page.replace("&#34;", '"')
    assert "author_id" in page and "lower_limit" in page


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["runs/", "runs/details/?id=1", "review/", "tasks/details/?id=1"])
def test_read_only_pages_take_no_post(superuser: FlaskClient, path: str) -> None:
    """405: there is nothing to change."""
    assert superuser.post(f"/taskadmin/{path}").status_code == 405
